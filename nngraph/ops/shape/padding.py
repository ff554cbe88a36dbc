"""Padding: with a constant, mirrored, with the edge, or around."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dims import Dim
from nngraph.ir.op import Array, O, Op, Sample, Thunk, Trait, apply1
from nngraph.ir.reverse import Applied, Recorder, reverse
from nngraph.ir.types import Shape, TensorType
from nngraph.ops.broadcast import broadcast_to
from nngraph.ops.core import need
from nngraph.ops.creation import full, zeros_like
from nngraph.ops.elementwise.arithmetic import add
from nngraph.ops.shape.joining import concat
from nngraph.ops.shape.slicing import slice, slice_axis, slice_update

__all__ = ["Pad", "pad"]

_NUMPY = {"constant": "constant", "reflect": "reflect", "edge": "edge", "circular": "wrap"}
Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Pad(Op):
    """Adds (before, after) elements to each axis.

    Modes: ``constant`` (``value``), ``reflect`` (mirrored, the edge not repeated), ``edge``,
    ``circular``.
    """

    pads: Pads
    mode: str
    value: float
    name: ClassVar[str] = "pad"
    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.SHAPE})

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        need(self.mode in _NUMPY, "pad", "the mode", repr(self.mode), f"one of {sorted(_NUMPY)}")
        need(len(self.pads) == x.rank, "pad", "pads", self.pads, f"a pair for each axis of {x}")
        for axis, (pair, size) in enumerate(zip(self.pads, x.shape, strict=True)):
            need(min(pair) >= 0, "pad", f"the pair of axis {axis}", pair, "not negative")
            most = self._most(size)
            need(
                most is None or max(pair) <= most,
                "pad",
                f"the pair of axis {axis}",
                pair,
                f"at most {most} for mode {self.mode} of {x}",
            )
        return (x.with_shape(d + a + b for d, (a, b) in zip(x.shape, self.pads, strict=True)),)

    def _most(self, size: Dim) -> int | None:
        """The largest pad that the mode can fill from an axis of ``size``."""
        if self.mode == "constant" or not isinstance(size, int):
            return None
        if self.mode == "edge":
            return None if size else 0
        return max(size - 1, 0) if self.mode == "reflect" else size

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        if self.mode == "constant":
            shape = [d + a + b for d, (a, b) in zip(x.shape, self.pads, strict=True)]
            out = np.full(shape, self.value, x.dtype)
            pairs = zip(self.pads, x.shape, strict=True)
            out[tuple(np.s_[a : a + d] for (a, _), d in pairs)] = x
            return (out,)
        for axis, (before, after) in enumerate(self.pads):
            if before or after:  # NumPy refuses to pad other axes of an empty array
                pairs_ = [(0, 0)] * x.ndim
                pairs_[axis] = (before, after)
                x = np.pad(x, pairs_, mode=_NUMPY[self.mode])  # type: ignore[call-overload]
        return (x,)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        starts, sizes = [a for a, _ in self.pads], inputs[0].aval.shape
        if self.mode == "constant":
            return (lambda: slice(grads[0], starts, sizes),)
        return (lambda: self._folded(grads[0], sizes),)

    def _folded(self, gradient: Any, sizes: Shape) -> Any:
        """The gradient of elements that were copied to the margins, too; it reads no element."""
        records: list[Applied] = []
        operand = Recorder(slice(zeros_like(gradient), [0] * len(sizes), sizes), records)
        (out,) = self.decompose(operand)
        (found,) = reverse(records, [(out.inner, gradient)], [operand.inner], add)
        return found

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        (x,) = inputs
        if self.mode == "constant":
            shape = [d + a + b for d, (a, b) in zip(x.aval.shape, self.pads, strict=True)]
            around = full(self.value, x.aval.dtype, shape, x)
            return (slice_update(around, x, [a for a, _ in self.pads]),)
        for axis, (before, after) in enumerate(self.pads):
            if before or after:
                x = _widen_axis(x, axis, before, after, self.mode)
        return (x,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(12, dtype=np.float32).reshape(3, 4)
        for mode in _NUMPY:
            for pads in (((1, 2), (2, 0)), ((0, 0), (0, 3)), ((0, 0), (0, 0))):
                yield Sample(cls(pads, mode, 0.5 if mode == "constant" else 0.0), (x,))
        yield Sample(cls((), "constant", 1.0), (x[0, 0],))
        yield Sample(cls(((1, 1), (0, 1)), "constant", -1.0), (x[:0],))
        yield Sample(cls(((0, 0), (1, 1)), "reflect", 0.0), (x[:0],))
        yield Sample(cls(((1, 1), (0, 1)), "constant", 7), (x.astype(np.int32),), False)


def _widen_axis(x: O, axis: int, before: int, after: int, mode: str) -> O:
    """One axis padded by copies of its own parts."""
    size = x.aval.shape[axis]
    parts: list[O] = [x]
    if before:
        parts.insert(0, _copied(x, axis, mode, before, before, size - before, 0))
    if after:
        parts.append(_copied(x, axis, mode, after, size - 2, 0, size - 1))
    return concat(parts, axis)


def _copied(x: O, axis: int, mode: str, count: int, mirror: Dim, around: Dim, edge: Dim) -> O:
    if mode == "reflect":
        return slice_axis(x, axis, mirror, count, -1)
    if mode == "circular":
        return slice_axis(x, axis, around, count)
    line = slice_axis(x, axis, edge, 1)
    return broadcast_to(line, [count if a == axis else d for a, d in enumerate(x.aval.shape)])


def pad(x: O, pads: Sequence[tuple[int, int]], mode: str = "constant", value: float = 0.0) -> O:
    """``x`` with (before, after) more elements in each axis; negative pads cut."""
    grown = tuple((max(a, 0), max(b, 0)) for a, b in pads)
    if mode == "reflect":  # what is cut is still seen in the mirror
        return _cut(apply1(Pad(grown, mode, value), x), pads)
    return apply1(Pad(grown, mode, value), _cut(x, pads))


def _cut(x: O, pads: Sequence[tuple[int, int]]) -> O:
    """``x`` without what negative pads take away."""
    cuts = [(max(-a, 0), max(-b, 0)) for a, b in pads]
    if len(cuts) != x.aval.rank:
        return x
    sizes = [d - a - b for d, (a, b) in zip(x.aval.shape, cuts, strict=True)]
    return slice(x, [a for a, _ in cuts], sizes)
