"""Moving elements: transpose, slice, pad, concat, split, flip, tile and their relatives."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dtypes import int64
from nngraph.ir.op import Array, O, Op, Sample, Thunk, Trait, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import (
    BroadcastTo,
    Reshape,
    broadcast_to,
    expand_reduced,
    reshape,
    squeeze,
    sum,
    sum_to,
    unsqueeze,
)
from nngraph.ops.core import need, need_axes, normalize_axes, normalize_axis
from nngraph.ops.creation import iota
from nngraph.ops.elementwise.arithmetic import add
from nngraph.ops.elementwise.comparison import ge, le
from nngraph.ops.elementwise.select import where
from nngraph.ops.shape.joining import Concat, Split, concat, split, stack
from nngraph.ops.shape.padding import Pad, pad
from nngraph.ops.shape.slicing import Slice, SliceUpdate, slice, slice_axis, slice_update

__all__ = [
    "BroadcastTo",
    "Concat",
    "Flip",
    "Pad",
    "Reshape",
    "Slice",
    "SliceUpdate",
    "Split",
    "Tile",
    "Transpose",
    "broadcast_to",
    "concat",
    "expand_reduced",
    "flip",
    "pad",
    "reshape",
    "roll",
    "slice",
    "slice_axis",
    "slice_update",
    "split",
    "squeeze",
    "stack",
    "sum_to",
    "tile",
    "transpose",
    "tril",
    "triu",
    "unsqueeze",
]

_SHAPE = frozenset({Trait.SHAPE})


@dataclass(frozen=True)
class Transpose(Op):
    """Axis ``i`` of the result is axis ``perm[i]`` of the operand."""

    perm: tuple[int, ...]
    name: ClassVar[str] = "transpose"
    traits: ClassVar[frozenset[Trait]] = _SHAPE

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        fits = sorted(self.perm) == [*range(x.rank)]
        need(fits, "transpose", "perm", self.perm, f"a permutation of the {x.rank} axes of {x}")
        return (x.with_shape(x.shape[p] for p in self.perm),)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return (inputs[0].transpose(self.perm),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        back = tuple(self.perm.index(a) for a in range(len(self.perm)))
        return (lambda: transpose(grads[0], back),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        for perm in ((0, 1, 2), (2, 0, 1), (0, 2, 1), (2, 1, 0)):
            yield Sample(cls(perm), (x,))
        yield Sample(cls(()), (x[0, 0, 0],))
        yield Sample(cls((1, 0)), (x[:0, 0],))
        yield Sample(cls((1, 0)), (x[0] > 4,), False)


@dataclass(frozen=True)
class Flip(Op):
    """Reverses the order along ``axes``."""

    axes: tuple[int, ...]
    name: ClassVar[str] = "flip"
    traits: ClassVar[frozenset[Trait]] = _SHAPE

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        need_axes("flip", self.axes, types[0].rank)
        return (types[0],)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.flip(inputs[0], self.axes),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return (lambda: apply1(self, grads[0]),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        for axes in ((0,), (1,), (0, 1), ()):
            yield Sample(cls(axes), (x,))
        yield Sample(cls(()), (x[0, 0],))
        yield Sample(cls((0,)), (x[:0],))


@dataclass(frozen=True)
class Tile(Op):
    """Repeats the whole operand ``repeats[a]`` times along each axis ``a``."""

    repeats: tuple[int, ...]
    name: ClassVar[str] = "tile"
    traits: ClassVar[frozenset[Trait]] = _SHAPE

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        fits = len(self.repeats) == x.rank and builtins.all(r >= 0 for r in self.repeats)
        need(fits, "tile", "repeats", self.repeats, f"one count >= 0 for each axis of {x}")
        return (x.with_shape(d * r for d, r in zip(x.shape, self.repeats, strict=True)),)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.tile(inputs[0], self.repeats),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        def gradient() -> Any:
            pairs = zip(self.repeats, inputs[0].aval.shape, strict=True)
            apart = reshape(grads[0], [d for pair in pairs for d in pair])
            return sum(apart, [*range(0, 2 * len(self.repeats), 2)])

        return (gradient,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        for repeats in ((2, 1), (2, 3), (1, 1), (0, 2)):
            yield Sample(cls(repeats), (x,))
        yield Sample(cls(()), (x[0, 0],))
        yield Sample(cls((2, 2)), (x[:0],))


def transpose(x: O, perm: Sequence[int]) -> O:
    """Axes in the order ``perm``."""
    rank = x.aval.rank
    return apply1(Transpose(tuple(normalize_axis(p, rank, "transpose") for p in perm)), x)


def flip(x: O, axes: Sequence[int] | int) -> O:
    """Reversed along ``axes``."""
    return apply1(Flip(normalize_axes(axes, x.aval.rank, "flip")), x)


def tile(x: O, repeats: Sequence[int]) -> O:
    """Repeated as in NumPy's ``tile``: missing counts are 1, more counts add leading axes."""
    rank = builtins.max(len(repeats), x.aval.rank)
    wide = reshape(x, (*(1,) * (rank - x.aval.rank), *x.aval.shape))
    return apply1(Tile((*(1,) * (rank - len(repeats)), *repeats)), wide)


def roll(x: O, shift: int, axis: int) -> O:
    """Moved by ``shift`` along ``axis``; what leaves one end enters at the other."""
    at = normalize_axis(axis, x.aval.rank, "roll")
    size = x.aval.shape[at] if x.aval.rank else 1
    need(isinstance(size, int), "roll", "the axis size", size, "an integer")
    assert isinstance(size, int)
    cut = -shift % size if size else 0
    if not cut:
        return x
    return concat([slice_axis(x, at, cut, size - cut), slice_axis(x, at, 0, cut)], at)


def _diagonals(x: O) -> tuple[O, O]:
    need(x.aval.rank >= 2, "tril/triu", "the operand", x.aval, "of rank 2 or more")
    rows, columns = x.aval.shape[-2:]
    return iota(int64, (rows, 1), 0, x), iota(int64, (1, columns), 1, x)


def tril(x: O, diagonal: int = 0) -> O:
    """Zero above the diagonal of the last two axes."""
    row, column = _diagonals(x)
    return where(le(column, _shifted(row, diagonal)), x, 0)


def triu(x: O, diagonal: int = 0) -> O:
    """Zero below the diagonal of the last two axes."""
    row, column = _diagonals(x)
    return where(ge(column, _shifted(row, diagonal)), x, 0)


def _shifted(row: O, diagonal: int) -> O:
    return add(row, diagonal) if diagonal else row
