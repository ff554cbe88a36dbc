"""A training run that is compared with PyTorch's has to be insensitive to rounding.

Machines round differently: wider vectors, other blocks of a matrix product, one thread or two. A
rectifier whose input is a rounding error away from zero, or a normalization of few numbers, makes
large differences of these, and then the comparison says nothing about the program under test. So
PyTorch first has to agree with itself, computing in other ways and from disturbed weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.frameworks import Array

__all__ = ["IllConditioned", "Run", "Shake", "require_insensitive", "still"]

# How far a disturbed weight moves before each step, in units in the last place: more than the
# rounding of one step moves it on any machine.
ULPS = 16
# PyTorch against itself may use up this share of a test's tolerance.
SHARE = 0.5

Shake = Callable[[Iterable[Any]], None]


class IllConditioned(AssertionError):
    """The run magnifies rounding errors, so that no two machines need agree on it."""


@dataclass(frozen=True)
class Run:
    """The loss of each step, and named arrays (weights, moments) after the last."""

    losses: list[float]
    arrays: dict[str, Array]


def still(parameters: Iterable[Any]) -> None:
    """Disturbs nothing."""


def shaker(seed: int) -> Shake:
    """Moves each number of PyTorch parameters by up to ``ULPS`` units in its last place."""
    rng = np.random.default_rng(seed)

    def shake(parameters: Iterable[Any]) -> None:
        import torch

        with torch.no_grad():
            for parameter in parameters:
                size = ULPS * torch.finfo(parameter.dtype).eps / 2
                factor = torch.tensor(1 + size * rng.uniform(-1, 1, parameter.shape))
                parameter.copy_(parameter * factor)  # the product is rounded once

    return shake


@dataclass(frozen=True)
class Variation:
    """Another way for PyTorch to compute the same run."""

    title: str
    dtype: str
    shake: Shake = still
    context: Callable[[], AbstractContextManager[Any]] = nullcontext

    @property
    def ulps(self) -> int:
        """Size of the disturbance in units in the last place."""
        return 1 if self.shake is still else ULPS


def require_insensitive(
    title: str, run: Callable[[str, Shake], Run], dtype: str, tolerance: tuple[float, float]
) -> Run:
    """PyTorch's run in ``dtype``, once it was shown to be insensitive to rounding.

    Args:
        title: of the run, for the message.
        run: trains from the start in a dtype; it calls its second argument with the
            parameters before each step.
        tolerance: relative and absolute, of the test that compares with the result.

    Raises:
        IllConditioned: naming the step and how much the run magnified.
    """
    wanted = run(dtype, still)
    for variation in _variations(dtype):
        with variation.context():
            got = run(variation.dtype, variation.shake)
        unit = variation.ulps * float(np.finfo(dtype).eps) / 2
        for place, found, expected in _places(got, wanted):
            share, error = _worst(found, expected, tolerance)
            if not share <= SHARE:
                raise IllConditioned(
                    f"{title}, {dtype}: PyTorch {variation.title} parts from itself. The first to "
                    f"differ is {place}, by {error:.1e}: the run magnifies a difference of "
                    f"{unit:.1e} {error / unit:,.0f} times, to {share:.2g} of the tolerance (at "
                    f"most {SHARE} may be used up). No two machines need agree on such a run: "
                    "change the seed, take a smooth activation or more data, or train more slowly"
                )
    return wanted


def _variations(dtype: str) -> Iterator[Variation]:
    if dtype == "float32":
        yield Variation("computing in float64", "float64")
        yield Variation("computing without oneDNN", "float32", context=_without_onednn)
    for seed in range(3):
        yield Variation(f"with weights disturbed by {ULPS} ulp", dtype, shaker(seed))


@contextmanager
def _without_onednn() -> Iterator[None]:
    import torch

    flags: Any = torch.backends.mkldnn
    before = flags.enabled
    flags.enabled = False
    yield
    flags.enabled = before


def _places(got: Run, wanted: Run) -> Iterator[tuple[str, Any, Any]]:
    """Where, what the varied run gives there, and what the plain one does."""
    for step, (found, expected) in enumerate(zip(got.losses, wanted.losses, strict=True), 1):
        yield f"the loss of step {step}", found, expected
    for name, expected in wanted.arrays.items():
        yield f"{name} after step {len(wanted.losses)}", got.arrays[name], expected


def _worst(got: Any, wanted: Any, tolerance: tuple[float, float]) -> tuple[float, float]:
    """The largest share of the tolerance that is used up, and the relative error there."""
    relative, absolute = tolerance
    expected = np.atleast_1d(np.asarray(wanted, np.float64)).ravel()
    difference = np.abs(np.atleast_1d(np.asarray(got, np.float64)).ravel() - expected)
    scale = np.abs(expected) + absolute / relative
    if not scale.size:
        return 0.0, 0.0
    worst = int(np.argmax(difference / scale))
    error = float(difference[worst] / scale[worst])
    return error / relative, error
