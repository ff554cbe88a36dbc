"""Operators without inputs: literals, fills and counters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import DTYPES, DType, bool_, float32, int64
from nngraph.ir.op import Array, O, Op, Sample, Trait, apply1
from nngraph.ir.types import Shape, TensorType, type_of_array
from nngraph.ops.core import Literal, need
from nngraph.ops.family import operators_of

__all__ = [
    "Constant",
    "Extent",
    "Full",
    "Iota",
    "as_operand",
    "constant",
    "extent",
    "full",
    "full_like",
    "iota",
    "ones_like",
    "scalar",
    "zeros_like",
]

_CREATION = frozenset({Trait.CREATION})
_SMALL = 6e4  # every type of floating point numbers holds it
_RANGES = {
    d: (int(np.iinfo(d.numpy).min), int(np.iinfo(d.numpy).max)) for d in DTYPES if d.is_integer
}


@dataclass(frozen=True)
class Constant(Op):
    """A literal array."""

    literal: Literal
    name: ClassVar[str] = "constant"
    traits: ClassVar[frozenset[Trait]] = _CREATION
    differentiable: ClassVar[bool] = False

    def infer(self) -> tuple[TensorType, ...]:
        return (type_of_array(self.literal.array),)

    def eval(self) -> tuple[Array, ...]:
        return (self.literal.array,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for array in (np.float32(1.5), np.arange(6).reshape(2, 3), np.zeros((0, 2), bool)):
            yield Sample(cls(Literal(np.asarray(array))), ())


@dataclass(frozen=True)
class Full(Op):
    """Every element is ``value``."""

    value: float | int | bool
    dtype: DType
    shape: Shape
    name: ClassVar[str] = "full"
    traits: ClassVar[frozenset[Trait]] = _CREATION
    differentiable: ClassVar[bool] = False

    def infer(self) -> tuple[TensorType, ...]:
        if self.dtype.is_integer:
            low, high = _RANGES[self.dtype]
            whole = low <= self.value <= high and self.value == int(self.value)
            need(
                whole,
                "full",
                "the value",
                self.value,
                f"a whole number from {low} to {high} for {self.dtype.name}",
            )
        return (TensorType(self.dtype, self.shape),)

    def eval(self) -> tuple[Array, ...]:
        (kind,) = self.infer()
        if not -_SMALL < self.value < _SMALL:  # what NumPy may warn of: it becomes infinity
            with np.errstate(over="ignore"):
                return (np.full(kind.static_shape, self.value, self.dtype.numpy),)
        return (np.full(kind.static_shape, self.value, self.dtype.numpy),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for value, dtype, shape in ((0.5, float32, (2, 3)), (7, int64, ()), (True, bool_, (0, 2))):
            yield Sample(cls(value, dtype, shape), ())


@dataclass(frozen=True)
class Iota(Op):
    """Counts 0, 1, 2, ... along one axis."""

    dtype: DType
    shape: Shape
    axis: int
    name: ClassVar[str] = "iota"
    traits: ClassVar[frozenset[Trait]] = _CREATION
    differentiable: ClassVar[bool] = False

    def infer(self) -> tuple[TensorType, ...]:
        rank = len(self.shape)
        need(0 <= self.axis < rank, "iota", "axis", self.axis, f"one of the {rank} axes")
        return (TensorType(self.dtype, self.shape),)

    def eval(self) -> tuple[Array, ...]:
        (kind,) = self.infer()
        sizes = kind.static_shape
        line = np.arange(sizes[self.axis]).astype(self.dtype.numpy)
        view = line.reshape([-1 if a == self.axis else 1 for a in range(len(sizes))])
        return (np.array(np.broadcast_to(view, sizes)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype, shape, axis in ((int64, (4,), 0), (float32, (2, 3), 1), (float32, (2, 3), 0)):
            yield Sample(cls(dtype, shape, axis), ())


@dataclass(frozen=True)
class Extent(Op):
    """A dimension as a number: int64 without axes."""

    size: Dim
    name: ClassVar[str] = "extent"
    differentiable: ClassVar[bool] = False

    def infer(self) -> tuple[TensorType, ...]:
        return (TensorType(int64, ()),)

    def eval(self) -> tuple[Array, ...]:
        if not isinstance(self.size, int):
            raise ValueError(f"the symbolic dimension {self.size} has no number")
        return (np.asarray(self.size, int64.numpy),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for size in (0, 3, 1 << 40):
            yield Sample(cls(size), ())


def constant(array: Any, like: O) -> O:
    """A literal beside ``like`` (which only says what kind of operand is meant)."""
    return apply1(Constant(Literal(np.asarray(array))), like=like)


def full(value: float, dtype: DType, shape: Sequence[Dim], like: O) -> O:
    """A tensor filled with ``value``."""
    return apply1(Full(value, dtype, tuple(shape)), like=like)


def scalar(value: float, like: O) -> O:
    """``value`` as a rank-0 operand of ``like``'s element type."""
    return full(value, like.aval.dtype, (), like)


def extent(size: Dim, like: O) -> O:
    """A dimension as an int64 operand without axes."""
    return apply1(Extent(size), like=like)


def full_like(like: O, value: float) -> O:
    """``value`` in the shape and element type of ``like``."""
    return full(value, like.aval.dtype, like.aval.shape, like)


def zeros_like(like: O) -> O:
    """Zeros in the shape and element type of ``like``."""
    return full_like(like, 0)


def ones_like(like: O) -> O:
    """Ones in the shape and element type of ``like``."""
    return full_like(like, 1)


def iota(dtype: DType, shape: Sequence[Dim], axis: int, like: O) -> O:
    """Counts along ``axis``."""
    return apply1(Iota(dtype, tuple(shape), axis), like=like)


def as_operand(value: O | float, like: O) -> O:
    """A Python number as a rank-0 operand of ``like``'s element type; operands pass."""
    return scalar(value, like) if isinstance(value, int | float) else value


OPERATORS = operators_of(globals())
