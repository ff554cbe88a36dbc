"""``ng.profile``: what a compiled step's time and memory go to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nngraph.frontend.compile import compiled_of
from nngraph.frontend.loaded import LoadedStep
from nngraph.frontend.world import world
from nngraph.runtime.profile import Profile, profile_of

__all__ = ["profile", "profiled"]


def profile(step: Any, *args: Any, steps: int = 20, warmup: int = 3, **kwargs: Any) -> Profile:
    """What a step's time and memory go to: by operator, by module, by phase.

    The step runs ``warmup + steps`` times with the same arguments on copies of its state, each time
    from the state that the time before left. The state itself, gradients, arguments and what the
    code keeps in Python stay as they are; so do the numbers of schedulers, which are those of the
    next call. A function that was not called yet with such arguments is traced and compiled.

    Args:
        step: what ``ng.compile`` or ``ng.load_step`` gave; of a function whose results require
            gradients the forward pass is measured.
        args, kwargs: as for a call of it.
        steps: how many are measured.
        warmup: how many run before them.

    Raises:
        TypeError: if ``step`` is neither.
        ValueError: if ``steps`` is less than 1 or ``warmup`` less than 0.
        TraceError: inside of a compiled function.
        UnsupportedGraph, IndexRangeError, ...: as a call of the step.
    """
    return profiled(step, args, kwargs, steps, warmup)


def profiled(
    step: Any, args: Sequence[Any], kwargs: Mapping[str, Any], steps: int, warmup: int
) -> Profile:
    """``profile`` with all arguments of the step in two; they may have any name."""
    world().refuse("ng.profile is called", "Call it outside of compiled functions: it runs one.")
    if steps < 1 or warmup < 0:
        raise ValueError(f"steps is {steps} and warmup {warmup}; wanted at least 1 and at least 0")
    what = step if isinstance(step, LoadedStep) else compiled_of(step)
    if what is None:
        raise TypeError(
            f"got {type(step).__name__}; ng.profile takes what ng.compile or ng.load_step gave: "
            "ng.profile(ng.compile(step), x, y)"
        )
    recording, ran = what.watched(tuple(args), dict(kwargs), warmup + steps)
    measured = replace(recording, turns=recording.turns[warmup:])
    return profile_of(measured, ran.built.target.backend, ran.state_bytes)
