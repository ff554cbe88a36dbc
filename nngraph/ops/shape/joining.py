"""Joining operands along an axis, and cutting one into pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dims import Dim, SymDim
from nngraph.ir.op import Array, O, Op, Sample, Thunk, Trait, apply, apply1
from nngraph.ir.types import Shape, TensorType
from nngraph.ops.broadcast import unsqueeze
from nngraph.ops.core import need, need_same_dtype, normalize_axis
from nngraph.ops.creation import zeros_like
from nngraph.ops.shape.slicing import slice_axis

__all__ = ["Concat", "Split", "concat", "split", "stack"]

_SHAPE = frozenset({Trait.SHAPE})


@dataclass(frozen=True)
class Concat(Op):
    """Joins operands along ``axis``."""

    axis: int
    name: ClassVar[str] = "concat"
    traits: ClassVar[frozenset[Trait]] = _SHAPE

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        need(bool(types), "concat", "the list of operands", "empty", "of one operand or more")
        need_same_dtype("concat", types)
        first = types[0]
        need(0 <= self.axis < first.rank, "concat", "axis", self.axis, f"an axis of {first}")
        total: Dim = 0
        for position, kind in enumerate(types):
            fits = _without(kind.shape, self.axis) == _without(first.shape, self.axis)
            need(
                fits and kind.rank == first.rank,
                "concat",
                f"operand {position}",
                kind,
                f"like the first, {first}, in all axes but {self.axis}",
            )
            total = total + kind.shape[self.axis]
        shape = list(first.shape)
        shape[self.axis] = total
        return (first.with_shape(shape),)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.concatenate(inputs, axis=self.axis),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        thunks: list[Thunk] = []
        start: Dim = 0
        for v in inputs:
            size = v.aval.shape[self.axis]
            thunks.append(_part(grads[0], self.axis, start, size))
            start = start + size
        return thunks

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        yield Sample(cls(0), (x, x[:1], -x))
        yield Sample(cls(1), (x, x[:, :0], -x))
        yield Sample(cls(0), (x,))
        yield Sample(cls(0), (x[:0], x[:0]))
        yield Sample(cls(1), (x[:0], x[:0]))
        yield Sample(cls(0), (x > 1, x > 2), False)


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


def _part(x: Any, axis: int, start: Dim, size: Dim) -> Thunk:
    return lambda: slice_axis(x, axis, start, size)


@dataclass(frozen=True)
class Split(Op):
    """Cuts ``axis`` into pieces of ``sizes``: one output each."""

    axis: int
    sizes: tuple[Dim, ...]
    name: ClassVar[str] = "split"
    traits: ClassVar[frozenset[Trait]] = _SHAPE

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        need(0 <= self.axis < x.rank, "split", "axis", self.axis, f"an axis of {x}")
        total: Dim = 0
        for size in self.sizes:
            need(not isinstance(size, int) or size >= 0, "split", "a size", size, "at least 0")
            total = total + size
        need(
            total == x.shape[self.axis],
            "split",
            "the sizes",
            self.sizes,
            f"{x.shape[self.axis]} together, as axis {self.axis} of {x} is",
        )
        before, after = x.shape[: self.axis], x.shape[self.axis + 1 :]
        return tuple(x.with_shape((*before, size, *after)) for size in self.sizes)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        sizes = [int(s) for s in self.sizes if not isinstance(s, SymDim)]
        return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=self.axis))

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        def gradient() -> Any:
            pairs = zip(grads, outputs, strict=True)
            return concat([zeros_like(o) if g is None else g for g, o in pairs], self.axis)

        return (gradient,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(12, dtype=np.float32).reshape(3, 4)
        for axis, sizes in ((0, (1, 2)), (1, (1, 0, 3)), (1, (4,))):
            yield Sample(cls(axis, sizes), (x,))
        yield Sample(cls(1, (2, 2)), (x[:0],))


def concat(operands: Sequence[O], axis: int = 0) -> O:
    """Joins operands along ``axis``; a single one as it is."""
    if len(operands) == 1:
        return operands[0]
    need(bool(operands), "concat", "the list of operands", "empty", "of one operand or more")
    return apply1(Concat(normalize_axis(axis, operands[0].aval.rank, "concat")), *operands)


def stack(operands: Sequence[O], axis: int = 0) -> O:
    """Joins operands of one shape along a new axis."""
    need(bool(operands), "stack", "the list of operands", "empty", "of one operand or more")
    for position, v in enumerate(operands):
        need(
            v.aval.shape == operands[0].aval.shape,
            "stack",
            f"operand {position}",
            v.aval,
            f"of the first operand's shape, {operands[0].aval}",
        )
    return concat(
        [unsqueeze(v, axis) for v in operands],
        normalize_axis(axis, operands[0].aval.rank + 1, "stack"),
    )


def split(x: O, sizes: Sequence[Dim], axis: int = 0) -> tuple[O, ...]:
    """Pieces of ``sizes`` along ``axis``."""
    return apply(Split(normalize_axis(axis, x.aval.rank, "split"), tuple(sizes)), x)
