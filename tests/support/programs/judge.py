"""What PyTorch does is right, where it agrees with itself under other rounding errors."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import nngraph as ng
from nngraph.backends.base import BackendError
from tests.support.conditioning import SHARE
from tests.support.programs.noise import RoundingNoise
from tests.support.programs.program import Program
from tests.support.programs.run import Look, Trail, run
from tests.support.tolerances import BACKEND

__all__ = ["Difference", "Oracle", "judge"]

SEEDS = (1, 2)
# PyTorch saves more than gradients need, and refuses what would be right.
STRICTER = (
    "modified by an inplace operation",
    "backward through the graph a second time",
    "output of a function that returns multiple views",
    "more than one element of the written-to tensor",
    "some elements of the input tensor and the written-to tensor refer to a single memory",
)


@dataclass(frozen=True)
class Difference:
    """The first thing on which nngraph and PyTorch do not agree.

    Attributes:
        backend: "eager" or what compiled the step.
        kind: equal for differences that may have one cause.
        text: what was got and wanted.
        refused: nngraph said that it cannot compile this, and changed nothing.
    """

    backend: str
    kind: str
    text: str
    refused: bool = False

    def __str__(self) -> str:
        return f"{self.backend}: {self.kind}\n{self.text}"


class Oracle:
    """PyTorch's runs of a program: plain, and with noise in its rounding."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._trails: dict[bool, list[Trail]] = {}

    def trails(self, whole: bool) -> list[Trail]:
        """The plain run, then the noisy ones; see ``run`` for ``whole``."""
        if whole not in self._trails:
            made = [run(self.program, torch, whole=whole)]
            for seed in SEEDS:
                with RoundingNoise(seed):
                    made.append(run(self.program, torch, whole=whole))
            self._trails[whole] = made
        return self._trails[whole]


def judge(oracle: Oracle, backend: str) -> Difference | None:
    """What nngraph does otherwise than PyTorch, or nothing.

    Raises:
        Exception: what the program's setup raises with PyTorch.
    """
    plain, *noisy = oracle.trails(whole=backend != "eager")
    try:
        got = run(oracle.program, ng, backend)
    except Exception as error:  # noqa: BLE001 - the program under test, or nngraph
        return Difference(backend, f"setup: {_shown(error)}", _trace(error))
    for position in range(len(plain.looks)):
        wanted = plain.errors.get(position)
        if any(type(t.errors.get(position)) is not type(wanted) for t in noisy):
            return None  # whether it raises depends on rounding
        found = _errors(backend, wanted, got, position)
        if found is not None:
            return found
        if wanted is not None and position not in got.errors:
            return None
        if any(words in str(wanted) for words in ("gradient computation", "a second time")):
            return None  # how far PyTorch came before it saw that is nobody's promise
        found = _looks(backend, got.looks[position], plain, noisy, position)
        if found is not None:
            return found
    return None


def _errors(backend: str, wanted: Exception | None, got: Trail, position: int) -> Difference | None:
    error = got.errors.get(position)
    changed = got.changed.get(position)
    if changed:
        return Difference(backend, "an error that changed something", f"{_shown(error)}\n{changed}")
    if wanted is None and error is not None:
        refused = backend != "eager" and isinstance(error, (ng.TraceError, BackendError))
        kind = f"call {position} raised {_shown(error)}"
        return Difference(backend, kind, _trace(error), refused)
    if wanted is not None and error is None:
        if any(words in str(wanted) for words in STRICTER):
            return None
        return Difference(backend, f"no error in call {position}: {_shown(wanted)}", "")
    if wanted is not None and not isinstance(error, _kinds(wanted)):
        kind = f"{type(error).__name__} for {_shown(wanted)}"
        return Difference(backend, kind, _shown(error))
    return None


def _kinds(error: Exception) -> tuple[type[BaseException], ...]:
    """PyTorch's kind. Its own kinds of RuntimeError are one; and of several things wrong at once,
    its kernels may meet a dimension first.
    """
    if isinstance(error, RuntimeError):
        return (RuntimeError,)
    if "expected to be in range of" in str(error):
        return (IndexError, RuntimeError)
    return (type(error),)


def _shown(error: Any) -> str:
    lines = str(error).strip().split("\n")
    return f"{type(error).__name__}: {lines[0][:100]}"


def _trace(error: Exception) -> str:
    return "".join(traceback.format_exception(error)).strip()[-1500:]


def _looks(
    backend: str, got: Look, plain: Trail, noisy: Sequence[Trail], position: int
) -> Difference | None:
    wanted = plain.looks[position]
    for path, value in wanted.items():
        others = [t.looks[position].get(path) for t in noisy]
        if path not in got:
            return Difference(backend, f"{_place(path)} is missing", f"{path} = {value}")
        what = _compare(got[path], value, others)
        if what:
            where = f"{path} after call {position}"
            return Difference(backend, f"{_place(path)}: {what[0]}", f"{where}: {what[1]}")
    return None


def _place(path: str) -> str:
    """The path without what changes from program to program."""
    first, _, rest = path.partition(".")
    tail = rest.rpartition(".")[2]
    tail = tail if tail in ("grad", "requires_grad", "is_leaf", "1", "2") else "value"
    return f"{first[:1]}.{tail}"


def _compare(got: Any, wanted: Any, others: Sequence[Any]) -> tuple[str, str] | None:
    if not isinstance(wanted, tuple):
        same = got == wanted and type(got) is type(wanted)
        if isinstance(wanted, float) and isinstance(got, float):
            same = bool(np.isclose(got, wanted, rtol=1e-6, equal_nan=True))
        return None if same else (f"{_brief(got)} for {_brief(wanted)}", f"{got}, not {wanted}")
    if not isinstance(got, tuple):
        return f"{_brief(got)} for a tensor", f"{got}, not {wanted}"
    if got[0] != wanted[0] or got[1].shape != wanted[1].shape:
        shown = f"{got[0]}{list(got[1].shape)}, not {wanted[0]}{list(wanted[1].shape)}"
        return ("dtype" if got[0] != wanted[0] else "shape"), shown
    if any(not isinstance(o, tuple) or o[1].shape != wanted[1].shape for o in others):
        return None
    stable = _stable(wanted, [o[1] for o in others])
    wrong = stable & ~_agrees(got[1], wanted[1], wanted[0], 1.0)
    if not wrong.any():
        return None
    shown = (
        f"\n{got[1]}\nnot\n{wanted[1]}\nwrong at {np.argwhere(wrong)[:4].tolist()} ({wanted[0]})"
    )
    return f"numbers ({wanted[0]})", shown


def _brief(value: Any) -> str:
    return "a tensor" if isinstance(value, tuple) else str(value)[:20]


def _stable(wanted: tuple[str, Any], others: Sequence[Any]) -> Any:
    """Where PyTorch's rounding may change without changing the result by much."""
    stable = np.ones(wanted[1].shape, bool)
    for other in others:
        stable &= _agrees(other, wanted[1], wanted[0], SHARE)
    return stable


def _agrees(got: Any, wanted: Any, dtype: str, share: float) -> Any:
    if dtype not in BACKEND:
        return got == wanted
    relative, absolute = BACKEND[dtype]
    a, b = got.astype(np.float64), wanted.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(a - b) <= share * (absolute + relative * np.abs(b))
    return near | (a == b) | (np.isnan(a) & np.isnan(b))
