"""Schedules as nodes of an exported step: the same rates as on the host, and as PyTorch's."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.optim.schedules import (
    METRICS,
    OPTIMIZERS,
    PLATEAUS,
    SCHEDULES,
    STEPS,
    Run,
    X,
    listed,
    rates,
)
from tests.support.files import File

pytest.importorskip("onnxruntime", reason="needs the onnx extra")


def numbers_of(file: File) -> list[float]:
    names = ("", "group1.")
    momentum = "beta1" if any("beta1" in name for name in file.feeds) else "momentum"
    found = {
        name.removeprefix("optimizer."): float(v) for name, v in file.feeds.items() if v.ndim == 0
    }
    return [found[f"{n}lr"] for n in names] + [found[f"{n}{momentum}"] for n in names]


def exported(run: Run, path: Path, warm: int = 1, **how: Any) -> File:
    """The step with its schedule, after some steps of both."""
    compiled = ng.compile(run.step)
    for _ in range(warm):
        compiled(ng.tensor([0.5, 1.0], dtype=ng.float64))
        for schedule in run.schedules:
            schedule.step()
    return File(ng.export(compiled, path, schedule=run.schedule, **how))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_file_has_pytorchs_rates(name: str, optimizer: str, tmp_path: Path) -> None:
    ours, theirs = (Run(f, optimizer, SCHEDULES[name]) for f in (ng, torch))
    file = exported(ours, tmp_path / "step.onnx")
    for at in range(STEPS - 1):
        if at:
            (found,) = file.run(X)
        loss = theirs.step(torch.tensor(X))
        for schedule in theirs.schedules:
            schedule.step()
        if at:
            np.testing.assert_allclose(float(found), loss.item(), rtol=1e-9)
        np.testing.assert_allclose(numbers_of(file), theirs.numbers(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("warm", [0, 37])
def test_a_file_goes_on_from_where_the_schedule_is(warm: int, tmp_path: Path) -> None:
    ours, theirs = (Run(f, "SGD", SCHEDULES["SequentialLR"]) for f in (ng, torch))
    if warm:
        file = exported(ours, tmp_path / "step.onnx", warm)
    else:
        path = tmp_path / "step.onnx"
        one = ng.spec((2,), "float64")
        file = File(ng.export(ng.compile(ours.step), path, one, schedule=ours.schedule))
    for at in range(warm + 30):
        if at >= warm:
            np.testing.assert_allclose(numbers_of(file), theirs.numbers(), rtol=0, atol=1e-12)
            file.run(X)
        theirs.step(torch.tensor(X))
        theirs.schedule.step()


@pytest.mark.parametrize("options", PLATEAUS, ids=str)
def test_a_plateau_reads_the_metric_from_an_input(options: dict[str, Any], tmp_path: Path) -> None:
    ours, theirs = (
        Run(f, "Adam", lambda s, o: s.ReduceLROnPlateau(o, **options)) for f in (ng, torch)
    )
    path, one = tmp_path / "step.onnx", ng.spec((2,), "float64")
    file = File(ng.export(ng.compile(ours.step), path, one, schedule=ours.schedule))
    assert file.step["batch"] == ["x", "metric"]
    for metric in METRICS * 2:
        np.testing.assert_allclose(numbers_of(file), theirs.numbers(), rtol=0, atol=1e-12)
        file.run(X, np.asarray(metric))
        theirs.step(torch.tensor(X))
        theirs.schedule.step(metric)


def test_an_exported_step_with_onecycle_trains_on_batches_alone(tmp_path: Path) -> None:
    ng.manual_seed(0)
    model = ng.nn.Sequential(ng.nn.Linear(3, 16), ng.nn.Tanh(), ng.nn.Linear(16, 1))
    optimizer = ng.optim.Adam(model.parameters(), lr=0.1)
    schedule = ng.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, STEPS)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = ng.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    specs = ng.spec((8, 3)), ng.spec((8, 1))
    path = tmp_path / "step.onnx"
    file = File(ng.export(ng.compile(step), path, *specs, schedule=schedule))
    assert file.step["batch"] == ["x", "y"]
    rng = np.random.default_rng(0)
    losses = []
    for at in range(STEPS):
        x = rng.standard_normal((8, 3)).astype(np.float32)
        y = np.sin(x.sum(1, keepdims=True))
        (loss,) = file.run(x, y)
        losses.append(float(loss))
        expected = float(step(ng.tensor(x), ng.tensor(y)).detach())
        np.testing.assert_allclose(losses[-1], expected, rtol=2e-4, atol=2e-6)
        if at < STEPS - 1:
            schedule.step()
            np.testing.assert_allclose(
                float(file.feeds["optimizer.lr"]), optimizer.param_groups[0]["lr"], atol=1e-12
            )
    assert np.mean(losses[-20:]) < 0.2 * np.mean(losses[:20])


def test_a_schedule_of_ones_own(tmp_path: Path) -> None:
    def make(schedulers: Any, optimizer: Any) -> Any:
        class InverseRoot(schedulers.LRScheduler):  # type: ignore[name-defined, misc]
            def __init__(self, optimizer: Any, warm: int) -> None:
                self.warm = warm
                super().__init__(optimizer)

            def get_lr(self) -> list[float]:
                step = self.last_epoch + 1
                if step < self.warm:
                    return [base * step / self.warm for base in self.base_lrs]
                return [base * math.sqrt(self.warm / step) for base in self.base_lrs]

        return InverseRoot(optimizer, 10)

    ours, theirs = (Run(f, "SGD", make) for f in (ng, torch))
    file = exported(ours, tmp_path / "step.onnx")
    theirs.step(torch.tensor(X))
    for _ in range(30):
        theirs.schedule.step()
        np.testing.assert_allclose(numbers_of(file), theirs.numbers(), rtol=0, atol=1e-12)
        file.run(X)
        theirs.step(torch.tensor(X))


def test_the_schedule_is_stepped_after_each_few_runs(tmp_path: Path) -> None:
    ours = Run(ng, "SGD", SCHEDULES["ExponentialLR"])
    file = exported(ours, tmp_path / "step.onnx", schedule_every=3)
    for at in range(10):
        np.testing.assert_allclose(numbers_of(file)[0], 0.1 * 0.98 ** (1 + at // 3), rtol=1e-12)
        file.run(X)


# -- what no graph computes -----------------------------------------------------------------------
def test_a_function_that_no_graph_computes_is_a_table(tmp_path: Path) -> None:
    ours = Run(ng, "SGD", lambda s, o: s.LambdaLR(o, listed))
    with pytest.warns(UserWarning, match="listed is in the file as a table .* first 9 steps"):
        file = exported(ours, tmp_path / "step.onnx", schedule_steps=9)
    for at in range(1, 9):
        np.testing.assert_allclose(numbers_of(file)[:2], [0.1 * rates[at], 0.05 * rates[at]])
        if at < 8:
            file.run(X)
    before = dict(file.feeds)
    with pytest.raises(Exception, match="out of data bounds"):
        file.run(X)
    assert file.feeds == before


def test_a_table_of_more_steps_than_there_are(tmp_path: Path) -> None:
    ours = Run(ng, "SGD", lambda s, o: s.LambdaLR(o, listed))
    with pytest.raises(ValueError, match=r"listed\(200\) raised IndexError.*schedule_steps="):
        exported(ours, tmp_path / "step.onnx", schedule_steps=300)
    assert not list(tmp_path.iterdir())


def test_numbers_that_are_returned_are_outputs(tmp_path: Path) -> None:
    ours = Run(ng, "SGD", SCHEDULES["StepLR"])

    def step(x: Any) -> Any:
        return ours.step(x), ours.optimizer.param_groups[0]["lr"]

    one = ng.spec((2,), "float64")
    file = File(ng.export(ng.compile(step), tmp_path / "step.onnx", one))
    file.feeds["lr"] = np.asarray(0.25)
    assert float(file.run(X)[1]) == 0.25


def test_without_a_table_the_rate_stays_an_input(tmp_path: Path) -> None:
    ours = Run(ng, "SGD", lambda s, o: s.LambdaLR(o, listed))
    with pytest.warns(UserWarning, match=r"schedule is not in the file.*listed.*schedule_steps=n"):
        file = exported(ours, tmp_path / "step.onnx")
    assert file.step["scalars"]["lr"] == pytest.approx(0.05)


def test_a_run_that_would_raise_fails(tmp_path: Path) -> None:
    ours = Run(ng, "SGD", lambda s, o: s.OneCycleLR(o, 0.1, 5))
    file = exported(ours, tmp_path / "step.onnx")
    for _ in range(4):
        file.run(X)
    before = dict(file.feeds)
    with pytest.raises(Exception, match="out of data bounds"):
        file.run(X)
    assert file.feeds == before
    for _ in range(4):
        ours.schedule.step()
    with pytest.raises(ValueError, match="Tried to step"):
        ours.schedule.step()


def test_an_option_that_shaped_the_update_must_stay_so(tmp_path: Path) -> None:
    """A file of SGD without momentum cannot begin to have one: the run fails."""
    ours = Run(ng, "SGD", lambda s, o: s.StepLR(o, 1))

    class Falling(ng.optim.lr_scheduler.LRScheduler):
        def get_lr(self) -> list[float]:
            for group in self.optimizer.param_groups:
                group["momentum"] = 0.9 if self.last_epoch < 3 else 0.0
            return [group["lr"] for group in self.optimizer.param_groups]

    ours.schedule = Falling(ours.optimizer)
    file = exported(ours, tmp_path / "step.onnx")
    file.run(X)
    file.run(X)
    with pytest.raises(Exception, match="out of data bounds"):
        file.run(X)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"schedule": 3}, TypeError, "schedulers, which have step"),
        ({"schedule_every": 0}, ValueError, "at least 1"),
    ],
)
def test_bad_options(options: Any, kind: type[Exception], words: str, tmp_path: Path) -> None:
    ours = Run(ng, "SGD", SCHEDULES["StepLR"])
    options = {"schedule": ours.schedule} | options
    with pytest.raises(kind, match=words):
        ng.export(ng.compile(ours.step), tmp_path / "a.onnx", ng.spec((2,), "float64"), **options)
    assert not list(tmp_path.iterdir())


def test_an_argument_of_the_name_of_the_metric(tmp_path: Path) -> None:
    ours = Run(ng, "SGD", lambda s, o: s.ReduceLROnPlateau(o))

    def step(metric: Any) -> Any:
        return ours.step(metric)

    with pytest.raises(ValueError, match="an argument of that name"):
        ng.export(
            ng.compile(step), tmp_path / "a.onnx", ng.spec((2,), "float64"), schedule=ours.schedule
        )


# -- inside the step ------------------------------------------------------------------------------
def test_a_step_that_steps_its_schedule(tmp_path: Path) -> None:
    def stepped(run: Run) -> Callable[[Any], Any]:
        def step(x: Any) -> Any:
            total = run.step(x)
            run.schedule.step()
            return total, run.optimizer.param_groups[0]["lr"], run.schedule.last_epoch

        return step

    ours, theirs = (Run(f, "Adam", SCHEDULES["OneCycleLR"]) for f in (ng, torch))
    compiled = ng.compile(stepped(ours))
    compiled(ng.tensor(X))
    stepped(theirs)(torch.tensor(X))
    before = ours.optimizer.param_groups[0]["lr"], ours.schedule.last_epoch
    file = File(ng.export(compiled, tmp_path / "step.onnx"))
    assert before == (ours.optimizer.param_groups[0]["lr"], ours.schedule.last_epoch)
    for _ in range(50):
        total, rate, epoch = file.run(X)
        expected, *numbers = stepped(theirs)(torch.tensor(X))
        np.testing.assert_allclose(float(total), expected.item(), rtol=1e-9)
        np.testing.assert_allclose([float(rate), int(epoch)], numbers, rtol=1e-12)
        np.testing.assert_array_equal(
            [np.asarray(v) for v in compiled(ng.tensor(X))[1:]], [rate, epoch]
        )


def test_a_step_that_gives_its_loss_to_a_plateau(tmp_path: Path) -> None:
    def stepped(run: Run) -> Callable[[Any], Any]:
        def step(x: Any) -> Any:
            run.optimizer.zero_grad()
            loss = (run.p * x).square().sum() + (run.q * 0).sum()
            loss.backward()
            run.optimizer.step()
            run.schedule.step(loss.detach())
            return loss

        return step

    def make(schedulers: Any, optimizer: Any) -> Any:
        return schedulers.ReduceLROnPlateau(optimizer, patience=0, threshold=0.3)

    ours, theirs = (Run(f, "SGD", make) for f in (ng, torch))
    one = ng.spec((2,), "float64")
    file = File(ng.export(ng.compile(stepped(ours)), tmp_path / "step.onnx", one))
    seen = set()
    for _ in range(20):
        np.testing.assert_allclose(
            float(file.feeds["optimizer.lr"]), theirs.numbers()[0], rtol=1e-12
        )
        (loss,) = file.run(X)
        np.testing.assert_allclose(float(loss), stepped(theirs)(torch.tensor(X)).item(), rtol=1e-9)
        seen.add(theirs.numbers()[0])
    assert len(seen) > 2


def test_warnings_of_a_schedule_are_not_those_of_an_export(tmp_path: Path) -> None:
    ours = Run(ng, "SGD", SCHEDULES["StepLR"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = ng.spec((2,), "float64")
        ng.export(ng.compile(ours.step), tmp_path / "a.onnx", one, schedule=ours.schedule)
