"""Sums, reshapes and broadcasts: what every gradient of a broadcast is made of.

``Sum`` and ``BroadcastTo`` are each other's transpose, so these need no other operator.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dims import Dim, floordiv
from nngraph.ir.op import Array, O, Op, Sample, Thunk, Trait, apply1
from nngraph.ir.types import Shape, TensorType
from nngraph.ops.core import (
    Takes,
    mismatch,
    need,
    need_axes,
    normalize_axes,
    reduced_samples,
    reduced_shape,
    sum_of,
    widen,
)
from nngraph.ops.family import operators_of

__all__ = [
    "BroadcastTo",
    "Fold",
    "Reduction",
    "Reshape",
    "Sum",
    "broadcast_to",
    "expand_reduced",
    "reshape",
    "squeeze",
    "sum",
    "sum_to",
    "unsqueeze",
]


class Fold(enum.Enum):
    """How a reduction combines two elements."""

    ADD = "their sum"
    MULTIPLY = "their product"
    MAX = "the larger one; of bools, whether one is True"
    MIN = "the smaller one; of bools, whether both are"


@dataclass(frozen=True)
class Reduction(Op):
    """Folds ``axes``; ``keepdims`` leaves them as size 1.

    Attributes:
        fold: how two elements combine; None where more than one combination makes the result.
        takes: the element types accepted.
        nonempty: a fold over no elements has no value.
    """

    axes: tuple[int, ...]
    keepdims: bool
    takes: ClassVar[Takes] = Takes.NUMBERS
    nonempty: ClassVar[bool] = False
    fold: ClassVar[Fold | None] = None

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        need(x.dtype.kind in self.takes.kinds, self.name, "the operand", x, self.takes.words)
        need_axes(self.name, self.axes, x.rank)
        if self.nonempty:
            empty = any(x.shape[a] == 0 for a in self.axes)
            need(not empty, self.name, "the operand", x, f"not empty along axes {self.axes}")
        return (x.with_shape(reduced_shape(x.shape, self.axes, self.keepdims)),)

    def expand(self, x: O, like: O) -> O:
        """A result-shaped ``x`` broadcast to the operand's shape."""
        return expand_reduced(x, like.aval.shape, self.axes, self.keepdims)


@dataclass(frozen=True)
class Sum(Reduction):
    """Sum of numbers, in their own type (float16 and bfloat16 add up in float32)."""

    name: ClassVar[str] = "sum"
    fold: ClassVar[Fold | None] = Fold.ADD

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        return (sum_of(widen(x), self.axes, self.keepdims).astype(x.dtype, copy=False),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return (lambda: self.expand(grads[0], inputs[0]),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from reduced_samples(cls)
        yield Sample(cls((1,), False), (np.zeros((2, 0), np.float32),))
        yield Sample(cls((0,), False), (np.arange(6, dtype=np.int32).reshape(2, 3),), False)


@dataclass(frozen=True)
class Reshape(Op):
    """The same elements in row-major order under another shape."""

    shape: Shape
    name: ClassVar[str] = "reshape"
    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.SHAPE})

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        out = x.with_shape(self.shape)
        if out.size != x.size:
            wanted = f"of {x.size} elements, as {x} is"
            raise mismatch(self.name, "the shape", _shown(self.shape), wanted)
        return (out,)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        shape = TensorType(_dtype(inputs[0]), self.shape).static_shape
        return (inputs[0].reshape(shape),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return (lambda: reshape(grads[0], inputs[0].aval.shape),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(6, dtype=np.float32)
        for old, new in (((6,), (2, 3)), ((2, 3), (3, 1, 2)), ((1, 6), (6,))):
            yield Sample(cls(new), (x.reshape(old),))
        yield Sample(cls(()), (x[:1],))
        yield Sample(cls((1, 1)), (x[1],))
        yield Sample(cls((4, 0)), (np.zeros((0, 2), np.float32),))
        yield Sample(cls((2, 2)), (np.asarray([True, False, False, True]),), False)


@dataclass(frozen=True)
class BroadcastTo(Op):
    """Repeats size-1 axes and adds leading axes until the shape is ``shape``."""

    shape: Shape
    name: ClassVar[str] = "broadcast_to"
    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.SHAPE})

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        tail = self.shape[len(self.shape) - x.rank :] if x.rank else ()
        fits = len(self.shape) >= x.rank and all(
            d in (1, t) for d, t in zip(x.shape, tail, strict=True)
        )
        if not fits:
            raise mismatch(self.name, "the operand", x, f"broadcastable to {_shown(self.shape)}")
        return (x.with_shape(self.shape),)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        shape = TensorType(_dtype(inputs[0]), self.shape).static_shape
        return (np.broadcast_to(inputs[0], shape),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return (lambda: sum_to(grads[0], inputs[0].aval.shape),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(3, dtype=np.float32)
        yield Sample(cls((2, 3)), (x,))
        yield Sample(cls((2, 3, 2)), (x.reshape(3, 1),))
        yield Sample(cls((2, 2)), (x[1],))
        yield Sample(cls((0, 3)), (x.reshape(1, 3),))
        yield Sample(cls((1, 3)), (x.reshape(1, 3),))
        yield Sample(cls((2, 2)), (np.asarray([True, False]),), False)


def _dtype(array: Array) -> Any:
    from nngraph.ir.dtypes import as_dtype

    return as_dtype(array.dtype)


def _shown(shape: Shape) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def sum(x: O, axes: Sequence[int] | int | None = None, keepdims: bool = False) -> O:
    """Sum over ``axes`` (all by default)."""
    return apply1(Sum(normalize_axes(axes, x.aval.rank, "sum"), keepdims), x)


def reshape(x: O, shape: Sequence[Dim]) -> O:
    """Row-major reshape; one dimension may be -1. The operand itself where nothing changes."""
    target = _resolved(x.aval, tuple(shape))
    return x if target == x.aval.shape else apply1(Reshape(target), x)


def _resolved(kind: TensorType, shape: Shape) -> Shape:
    if not any(isinstance(d, int) and d < 0 for d in shape):
        return shape
    known: Dim = 1
    for d in shape:
        known = known * (1 if isinstance(d, int) and d < 0 else d)
    need(
        shape.count(-1) == 1 and known != 0,
        "reshape",
        "the shape",
        _shown(shape),
        "without a negative size, or with one -1 beside sizes that are not 0",
    )
    rest = floordiv(kind.size, known)
    return tuple(rest if d == -1 else d for d in shape)


def broadcast_to(x: O, shape: Sequence[Dim]) -> O:
    """NumPy's ``broadcast_to``; the operand itself where nothing changes."""
    return x if tuple(shape) == x.aval.shape else apply1(BroadcastTo(tuple(shape)), x)


def unsqueeze(x: O, axes: Sequence[int] | int) -> O:
    """New axes of size 1 at these positions of the result."""
    listed = [axes] if isinstance(axes, int) else list(axes)
    rank = x.aval.rank + len(listed)
    at = normalize_axes(listed, rank, "unsqueeze")
    rest = iter(x.aval.shape)
    return reshape(x, [1 if a in at else next(rest) for a in range(rank)])


def squeeze(x: O, axes: Sequence[int] | int | None = None) -> O:
    """Without the size-1 axes among ``axes`` (all by default); others stay, as in PyTorch."""
    at = normalize_axes(axes, x.aval.rank, "squeeze")
    return reshape(x, [d for a, d in enumerate(x.aval.shape) if a not in at or d != 1])


def expand_reduced(x: O, shape: Shape, axes: Sequence[int], keepdims: bool) -> O:
    """What a reduction over ``axes`` gave, broadcast back to the operand's ``shape``."""
    kept = x if keepdims else reshape(x, reduced_shape(shape, axes, True))
    return broadcast_to(kept, shape)


def sum_to(x: O, shape: Shape) -> O:
    """Sums the axes that broadcasting from ``shape`` made; the transpose of ``broadcast_to``."""
    if x.aval.shape == shape:
        return x
    lead = x.aval.rank - len(shape)
    axes = [*range(lead)]
    axes += [lead + a for a, d in enumerate(shape) if d == 1 and x.aval.shape[lead + a] != 1]
    if not axes:
        return reshape(x, shape)
    if len(axes) == lead:
        return apply1(Sum(tuple(axes), False), x)
    return reshape(apply1(Sum(tuple(axes), True), x), shape)


OPERATORS = operators_of(globals())
