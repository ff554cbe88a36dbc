"""Schedules give PyTorch's rates, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import nngraph as ng

SCHEDULES: dict[str, Callable[[Any, Any], Any]] = {
    "StepLR": lambda s, o: s.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [2, 5, 5, 9], 0.3),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.25, 4),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.1, 0.9, 6),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 7, 2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 5, 0.01),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2, 0.001),
    "LambdaLR": lambda s, o: s.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.95),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.5, total_steps=20),
    "OneCycleLR three phases": lambda s, o: s.OneCycleLR(
        o, [0.5, 0.1], epochs=2, steps_per_epoch=10, three_phase=True, anneal_strategy="linear"
    ),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 3, 4),
    "CyclicLR exp_range": lambda s, o: s.CyclicLR(
        o, [0.01, 0.02], 0.1, 3, mode="exp_range", gamma=0.9, cycle_momentum=False
    ),
    "CyclicLR triangular2": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 3, mode="triangular2"),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, 1.0, 4), s.CosineAnnealingLR(o, 8), s.ExponentialLR(o, 0.5)], [4, 9]
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.5, 3), s.ExponentialLR(o, 0.9)]
    ),
}


def optimizer(framework: Any) -> Any:
    a, b = (framework.nn.Parameter(framework.ones(1)) for _ in range(2))
    groups = [{"params": [a]}, {"params": [b], "lr": 0.05}]
    return framework.optim.SGD(groups, lr=0.2, momentum=0.9)


def rates(framework: Any, make: Callable[[Any, Any], Any], steps: int = 16) -> list[Any]:
    found, o = [], optimizer(framework)
    schedule = make(framework.optim.lr_scheduler, o)
    for _ in range(steps):
        o.step()
        found.append(
            (
                schedule.get_last_lr(),
                [g["lr"] for g in o.param_groups],
                [g["momentum"] for g in o.param_groups],
            )
        )
        schedule.step()
    return found


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_are_pytorchs(name: str) -> None:
    assert rates(ng, SCHEDULES[name]) == rates(torch, SCHEDULES[name])


@pytest.mark.parametrize("name", SCHEDULES)
def test_dicts_are_pytorchs_and_resume(name: str) -> None:
    def run(framework: Any) -> Any:
        o = optimizer(framework)
        schedule = SCHEDULES[name](framework.optim.lr_scheduler, o)
        for _ in range(5):
            o.step()
            schedule.step()
        return schedule, o

    ours, own_optimizer = run(ng)
    theirs, _ = run(torch)
    shown = {k: v for k, v in theirs.state_dict().items() if not k.startswith("_scale_fn")}
    for key in ("_schedulers", "_is_initial", "_get_lr_called_within_step"):
        shown.pop(key, None)
    found = ours.state_dict()
    assert {k: found.get(k) for k in shown} == shown
    fresh = optimizer(ng)
    resumed = SCHEDULES[name](ng.optim.lr_scheduler, fresh)
    resumed.load_state_dict(found)
    fresh.load_state_dict(own_optimizer.state_dict())
    fresh.step()
    for _ in range(6):
        ours.step()
        resumed.step()
        assert resumed.get_last_lr() == ours.get_last_lr()


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_a_plateau_lowers_the_rate(mode: str, threshold_mode: str) -> None:
    metrics = [1.0, 0.5, 0.5, 0.6, 0.4, 0.7, 0.7, 0.7, 0.8, 0.9, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]

    def run(framework: Any) -> list[Any]:
        o = optimizer(framework)
        schedule = framework.optim.lr_scheduler.ReduceLROnPlateau(
            o,
            mode,
            0.5,
            patience=1,
            threshold=0.05,
            threshold_mode=threshold_mode,
            cooldown=1,
            min_lr=[0.01, 0.02],
        )
        found = []
        for metric in metrics:
            schedule.step(framework.tensor(metric))
            found.append((schedule.get_last_lr(), schedule.num_bad_epochs, schedule.best))
        return found

    assert run(ng) == run(torch)


def test_resuming_by_number() -> None:
    def run(framework: Any) -> list[list[float]]:
        o = optimizer(framework)
        for group in o.param_groups:
            group["initial_lr"] = group["lr"]
        schedule = framework.optim.lr_scheduler.CosineAnnealingLR(o, 7, last_epoch=3)
        found = []
        for _ in range(4):
            o.step()
            schedule.step()
            found.append(schedule.get_last_lr())
        return found

    assert run(ng) == run(torch)


def test_warnings() -> None:
    schedules = ng.optim.lr_scheduler
    schedule = schedules.StepLR(optimizer(ng), 2)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        schedule.step()
    with pytest.warns(UserWarning, match="epoch parameter"):
        schedule.step(4)
    with pytest.warns(UserWarning, match="get_last_lr"):
        schedule.get_lr()


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda s, o: s.StepLR(3, 2), TypeError),
        (lambda s, o: s.StepLR(o, 2, last_epoch=3), KeyError),
        (lambda s, o: s.ConstantLR(o, 1.5), ValueError),
        (lambda s, o: s.LinearLR(o, 0.0), ValueError),
        (lambda s, o: s.LambdaLR(o, [lambda e: 1.0]), ValueError),
        (lambda s, o: s.MultiplicativeLR(o, 3), TypeError),
        (lambda s, o: s.OneCycleLR(o, 0.1), ValueError),
        (lambda s, o: s.OneCycleLR(o, 0.1, total_steps=-1), ValueError),
        (lambda s, o: s.CosineAnnealingWarmRestarts(o, 0), ValueError),
        (lambda s, o: s.ReduceLROnPlateau(o, factor=1.0), ValueError),
        (lambda s, o: s.ReduceLROnPlateau(o, mode="best"), ValueError),
        (lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1)], [3]), ValueError),
        (lambda s, o: s.ChainedScheduler([]), ValueError),
    ],
)
def test_errors_are_of_pytorchs_kinds(make: Any, kind: type[Exception]) -> None:
    for framework in (torch, ng):
        with pytest.raises(kind):
            make(framework.optim.lr_scheduler, optimizer(framework))
