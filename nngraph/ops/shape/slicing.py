"""Rectangular slices with steps, and writing into one."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dims import Dim
from nngraph.ir.op import Array, O, Op, Sample, Thunk, Trait, apply1
from nngraph.ir.types import Shape, TensorType
from nngraph.ops.core import mismatch, need, need_same_dtype, normalize_axis
from nngraph.ops.creation import zeros_like

__all__ = ["Slice", "SliceUpdate", "slice", "slice_axis", "slice_update"]

_CASES: tuple[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]], ...] = (
    ((0, 0), (4, 5), (1, 1)),
    ((1, 0), (2, 5), (1, 1)),
    ((0, 1), (2, 2), (3, 2)),
    ((3, 4), (4, 3), (-1, -2)),
    ((0, 4), (1, 2), (1, -4)),
    ((2, 0), (0, 5), (1, 1)),
)


@dataclass(frozen=True)
class _Sliced(Op):
    starts: tuple[Dim, ...]
    sizes: tuple[Dim, ...]
    steps: tuple[int, ...]
    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.SHAPE})

    def _check(self, x: TensorType) -> None:
        if not len(self.starts) == len(self.sizes) == len(self.steps) == x.rank:
            wanted = f"given for each of the {x.rank} axes of {x}"
            raise mismatch(self.name, "the slice", self, wanted)
        axes = zip(self.starts, self.sizes, self.steps, x.shape, strict=True)
        for axis, (start, size, step, extent) in enumerate(axes):
            if step == 0:
                raise mismatch(self.name, f"the step of axis {axis}", step, "positive or negative")
            if not (isinstance(start, int) and isinstance(size, int) and isinstance(extent, int)):
                continue
            last = start + (size - 1) * step
            inside = size >= 0 and (size == 0 or (0 <= start < extent and 0 <= last < extent))
            if not inside:
                got = f"start {start}, size {size}, step {step}"
                raise mismatch(self.name, f"the slice of axis {axis}", got, f"inside {x}")

    def index(self) -> tuple[builtins.slice, ...]:
        """The slice for NumPy.

        Raises:
            ValueError: if it is symbolic.
        """
        rows = zip(self.starts, self.sizes, self.steps, strict=True)
        return tuple(_as_slice(*row) for row in rows)


def _as_slice(start: Dim, size: Dim, step: int) -> builtins.slice:
    if not (isinstance(start, int) and isinstance(size, int)):
        raise ValueError(f"a slice of symbolic start {start} or size {size} has no NumPy form")
    stop = start + size * step
    if size == 0:
        return builtins.slice(0, 0)
    return builtins.slice(start, stop if stop >= 0 else None, step)


@dataclass(frozen=True)
class Slice(_Sliced):
    """``sizes[a]`` elements of each axis, from ``starts[a]`` in steps of ``steps[a]``."""

    name: ClassVar[str] = "slice"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        self._check(x)
        return (x.with_shape(self.sizes),)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.asarray(inputs[0][self.index()]),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        update = SliceUpdate(self.starts, self.sizes, self.steps)
        return (lambda: apply1(update, zeros_like(inputs[0]), grads[0]),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(20, dtype=np.float32).reshape(4, 5)
        for case in _CASES:
            yield Sample(cls(*case), (x,))
        yield Sample(cls((), (), ()), (x[0, 0],))
        yield Sample(cls((1, 1), (2, 2), (1, 2)), (x > 7,), False)


@dataclass(frozen=True)
class SliceUpdate(_Sliced):
    """The first operand with that slice replaced by the second."""

    name: ClassVar[str] = "slice_update"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, update = types
        self._check(x)
        need_same_dtype("slice_update", types)
        need(
            update.shape == self.sizes,
            "slice_update",
            "the update",
            update,
            f"of the slice's shape {self.sizes}",
        )
        return (x,)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        out = np.array(inputs[0], order="C")
        out[self.index()] = inputs[1]
        return (out,)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        part = Slice(self.starts, self.sizes, self.steps)
        return (
            lambda: apply1(self, grads[0], zeros_like(inputs[1])),
            lambda: apply1(part, grads[0]),
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(20, dtype=np.float32).reshape(4, 5)
        for case in _CASES:
            yield Sample(cls(*case), (x, 30 + np.ones(case[1], np.float32) * x[0, 1]))
        yield Sample(cls((), (), ()), (x[0, 0], x[0, 1]))
        yield Sample(cls((1, 1), (2, 2), (1, 2)), (x > 7, x[:2, :2] > 0), False)


def _steps(shape: Shape, steps: Sequence[int] | None) -> tuple[int, ...]:
    return (1,) * len(shape) if steps is None else tuple(steps)


def slice(
    x: O, starts: Sequence[Dim], sizes: Sequence[Dim], steps: Sequence[int] | None = None
) -> O:
    """``sizes`` elements from ``starts``; the operand itself if that is all of it."""
    op = Slice(tuple(starts), tuple(sizes), _steps(x.aval.shape, steps))
    whole = op.sizes == x.aval.shape and builtins.all(s == 0 for s in op.starts)
    forward = builtins.all(s > 0 for s in op.steps)
    return x if whole and forward and len(op.starts) == x.aval.rank else apply1(op, x)


def slice_axis(x: O, axis: int, start: Dim, size: Dim, step: int = 1) -> O:
    """A slice of one axis, all of the others."""
    at, rank = normalize_axis(axis, x.aval.rank, "slice"), x.aval.rank
    starts = [start if a == at else 0 for a in range(rank)]
    sizes = [size if a == at else d for a, d in enumerate(x.aval.shape)]
    return slice(x, starts, sizes, [step if a == at else 1 for a in range(rank)])


def slice_update(
    x: O,
    update: O,
    starts: Sequence[Dim],
    sizes: Sequence[Dim] | None = None,
    steps: Sequence[int] | None = None,
) -> O:
    """``x`` with the slice from ``starts`` replaced by ``update``."""
    shape = update.aval.shape if sizes is None else tuple(sizes)
    return apply1(SliceUpdate(tuple(starts), shape, _steps(x.aval.shape, steps)), x, update)
