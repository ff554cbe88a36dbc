"""Schedules, and a small run of an optimizer with one, in either framework."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["METRICS", "OPTIMIZERS", "PLATEAUS", "SCHEDULES", "STEPS", "X", "Run", "listed", "rates"]

STEPS = 200
Make = Callable[[Any, Any], Any]

warm_up = 5
rates = [1.0, 0.5, 0.25, 0.125] * 50


def cosine_with_warmup(step: int, *, warm: int, total: int) -> float:
    if step < warm:
        return float(step) / float(max(1, warm))
    progress = float(step - warm) / float(max(1, total - warm))
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * 2.0 * 0.5 * progress)))


def noam(step: int) -> float:
    return min((step + 1) ** -0.5, (step + 1) * warm_up**-1.5)


def listed(step: int) -> float:
    return rates[step]


class Decay:
    def __init__(self) -> None:
        self.factor = 0.97

    def __call__(self, step: int) -> float:
        return float(self.factor**step)


def swa(schedulers: Any) -> Any:
    """The module that PyTorch has ``SWALR`` in."""
    return importlib.import_module(f"{schedulers.__name__.rpartition('.')[0]}.swa_utils")


WARM = functools.partial(cosine_with_warmup, warm=20, total=150)

#: How a schedule is made, of ``lr_scheduler`` and the optimizer, in either framework.
SCHEDULES: dict[str, Make] = {
    "StepLR": lambda s, o: s.StepLR(o, 7, 0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [3, 3, 50, 120], 0.3),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.5, 20),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.1, 0.9, 30),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.98),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 100, 1.7),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 30, 1e-3),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 10, 2, 1e-4),
    "LambdaLR": lambda s, o: s.LambdaLR(o, [lambda n: 0.9**n, WARM]),
    "LambdaLR of an object": lambda s, o: s.LambdaLR(o, Decay()),
    "LambdaLR with min": lambda s, o: s.LambdaLR(o, noam),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda n: 0.95 if n % 3 else 1.02),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 13, 9, mode="triangular2"),
    "CyclicLR exp_range": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 13, mode="exp_range", gamma=0.99),
    "CyclicLR scaled": lambda s, o: s.CyclicLR(
        o, 0.01, 0.1, 5, scale_fn=lambda n: 1 / (1 + n), cycle_momentum=False
    ),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.1, STEPS),
    "OneCycleLR in three phases": lambda s, o: s.OneCycleLR(
        o, [0.1, 0.2], STEPS, three_phase=True, anneal_strategy="linear"
    ),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o,
        [s.LinearLR(o, 0.1, 1.0, 20), s.CosineAnnealingLR(o, 100), s.ExponentialLR(o, 0.97)],
        [20, 120],
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler(
        [s.LinearLR(o, 0.1, 1.0, 20), s.StepLR(o, 30, 0.7), s.ExponentialLR(o, 0.99)]
    ),
    "SWALR": lambda s, o: swa(s).SWALR(o, [0.01, 0.2], 7),
    "SWALR along a line": lambda s, o: swa(s).SWALR(o, 0.01, 5, anneal_strategy="linear"),
    "SWALR at once": lambda s, o: swa(s).SWALR(o, 0.01, 0),
    "several": lambda s, o: [s.ExponentialLR(o, 0.99), s.MultiStepLR(o, [40, 80])],
}
OPTIMIZERS: dict[str, Make] = {
    "SGD": lambda f, groups: f.optim.SGD(groups, lr=0.1, momentum=0.9),
    "Adam": lambda f, groups: f.optim.Adam(groups, lr=0.1),
}


class Run:
    """Two groups of one parameter, an optimizer, a schedule and a step, in either framework."""

    def __init__(self, framework: Any, optimizer: str, make: Make) -> None:
        tensor = functools.partial(framework.tensor, dtype=framework.float64)
        self.p, self.q = (framework.nn.Parameter(tensor([n, 2.0])) for n in (1.0, 3.0))
        groups = [{"params": [self.p]}, {"params": [self.q], "lr": 0.05}]
        self.optimizer = OPTIMIZERS[optimizer](framework, groups)
        self.schedule = make(framework.optim.lr_scheduler, self.optimizer)

    @property
    def schedules(self) -> list[Any]:
        return self.schedule if isinstance(self.schedule, list) else [self.schedule]

    def step(self, x: Any) -> Any:
        self.optimizer.zero_grad()
        ((self.p * x).cos().sum() + (self.q * self.q).sum()).backward()
        self.optimizer.step()
        return self.p.sum() + self.q.sum()

    def numbers(self) -> list[float]:
        """What a schedule may change: rates and momentums."""
        groups = self.optimizer.param_groups
        return [g["lr"] for g in groups] + [
            g.get("momentum", g.get("betas", [0])[0]) for g in groups
        ]


X = np.array([0.5, 1.0])

METRICS = [
    5.0,
    4.0,
    4.0,
    4.0,
    float("nan"),
    4.0,
    3.9999,
    4.0,
    3.0,
    4.0,
    4.0,
    4.0,
    4.0,
    4.0,
    5.0,
    5.0,
]
PLATEAUS: list[dict[str, Any]] = [
    {"patience": 1},
    {"patience": 0, "cooldown": 2, "factor": 0.5},
    {"patience": 1, "mode": "max", "threshold_mode": "abs", "threshold": 0.1},
    {"patience": 0, "threshold_mode": "abs", "min_lr": [0.02, 0.001]},
    {"patience": 0, "eps": 0.03},
]
