"""Sorting and the largest or smallest elements, in PyTorch's order: NaN is the largest."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from nngraph.ir.dims import Dim, is_nonnegative
from nngraph.ir.dtypes import int64
from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import Reduction, reshape
from nngraph.ops.core import need, reduced_shape, widen
from nngraph.ops.creation import zeros_like
from nngraph.ops.elementwise import isnan, where
from nngraph.ops.family import operators_of
from nngraph.ops.index.elements import scatter_elements
from nngraph.ops.reduce.ties import evenly, same
from nngraph.ops.shape.slicing import slice_axis

__all__ = ["Median", "Sort", "TopK", "median", "sort", "topk"]


def _order(x: Array, axis: int, descending: bool) -> Array:
    """Indices that sort stably, equal elements in their first order both ways."""
    wide = widen(x)
    if not descending:
        ascending: Array = np.argsort(wide, axis, kind="stable")
        return ascending
    # Sorting the reversed array and reading it backwards keeps ties in order.
    backwards = np.argsort(np.flip(wide, axis), axis, kind="stable")
    order: Array = np.flip(x.shape[axis] - 1 - backwards, axis)
    return order


@dataclass(frozen=True)
class _Ordering(Op):
    def _scatter(self, axis: int, x: Any, indices: Any, g: Any) -> Sequence[Thunk | None]:
        if g is None:
            return (None,)
        return (lambda: scatter_elements(zeros_like(x), indices, g, axis, "none"),)


@dataclass(frozen=True)
class Sort(_Ordering):
    """(values, int64 indices) along ``axis``, stable; NaN is the largest (``torch.sort``)."""

    axis: int
    descending: bool = False
    name: ClassVar[str] = "sort"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        need(0 <= self.axis < x.rank, self.name, "the operand", x, f"with an axis {self.axis}")
        return x, x.with_dtype(int64)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        order = _order(x, self.axis, self.descending)
        return np.take_along_axis(x, order, self.axis), np.ascontiguousarray(order)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return self._scatter(self.axis, inputs[0], outputs[1], grads[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.random.default_rng(8).permutation(24).reshape(2, 4, 3).astype(np.float32) / 4
        ties = np.array([[1, 0, 1, np.nan, 0, -np.inf], [2, 2, 2, 2, -0.0, 0]], np.float32)
        for descending in (False, True):
            yield Sample(cls(1, descending), (x,))
            yield Sample(cls(1, descending), (ties,), False, "ties, NaN")
            yield Sample(cls(0, descending), (np.array([3, -1, 3, 2]),), False, "integers")
        yield Sample(cls(0), (x[:0],), note="empty")


@dataclass(frozen=True)
class TopK(_Ordering):
    """The ``k`` largest (or smallest) along ``axis`` in order: (values, int64 indices).

    Of equal elements the first come first; PyTorch leaves their order open.
    """

    k: Dim
    axis: int
    largest: bool = True
    name: ClassVar[str] = "topk"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        need(0 <= self.axis < x.rank, self.name, "the operand", x, f"with an axis {self.axis}")
        size = x.shape[self.axis]
        known = isinstance(size, int) and isinstance(self.k, int)
        fits = is_nonnegative(self.k) and (not known or is_nonnegative(size - self.k))
        need(fits, self.name, "k", self.k, f"from 0 to {size}, the size of axis {self.axis} of {x}")
        shape = (*x.shape[: self.axis], self.k, *x.shape[self.axis + 1 :])
        return x.with_shape(shape), TensorType(int64, shape)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        order = _order(x, self.axis, self.largest)
        first = np.take(order, np.arange(operator.index(cast("int", self.k))), self.axis)
        return np.take_along_axis(x, first, self.axis), first

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return self._scatter(self.axis, inputs[0], outputs[1], grads[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.random.default_rng(9).permutation(24).reshape(2, 4, 3).astype(np.float32) / 4
        ties = np.array([1, 0, 1, np.nan, 0, 2], np.float32)
        for largest in (True, False):
            yield Sample(cls(2, 1, largest), (x,))
            yield Sample(cls(4, 0, largest), (ties,), False, "ties, NaN")
        yield Sample(cls(0, 2), (x,), note="none of them")
        yield Sample(cls(1, 0), (np.array([3, -1, 3]),), False, "integers")


@dataclass(frozen=True)
class Median(Reduction):
    """The middle of all elements, of two the lower; NaN where there is one.

    Equal elements (NaN too) share the gradient, as in ``torch.median`` without a dimension.
    """

    name: ClassVar[str] = "median"
    nonempty: ClassVar[bool] = True

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        need(self.axes == tuple(range(x.rank)), self.name, "axes", self.axes, f"all those of {x}")
        need(isinstance(x.size, int), self.name, "the operand", x, "of a fixed size")
        return super().infer(*types)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (values,) = Sort(0).eval(inputs[0].reshape(-1))[:1]
        place = -1 if values[-1] != values[-1] else (values.size - 1) // 2
        shape = reduced_shape(inputs[0].shape, self.axes, self.keepdims)
        return (values[place].reshape(shape),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        (x,) = inputs
        values, _ = sort(reshape(x, (-1,)), 0)
        size = x.aval.size
        middle, last = (slice_axis(values, 0, at, 1) for at in ((size - 1) // 2, size - 1))
        found = where(isnan(last), last, middle) if x.aval.dtype.is_floating_point else middle
        return (reshape(found, reduced_shape(x.aval.shape, self.axes, self.keepdims)),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        (x,), (y,), (g,) = inputs, outputs, grads
        return (lambda: evenly(self, x, same(x, self.expand(y, x)), g),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.random.default_rng(10).permutation(12).reshape(3, 4).astype(np.float32) / 4
        yield Sample(cls((0, 1), False), (x,))
        yield Sample(cls((0, 1), True), (x[:, :3],), note="an odd number")
        yield Sample(cls((), False), (x[0, 0],), note="rank 0")
        ties = np.array([2, 1, 2, np.inf, 2, -np.inf], np.float32)
        yield Sample(cls((0,), False), (ties,), False, "ties share the gradient")
        yield Sample(cls((0,), False), (np.where(ties == 2, np.float32(np.nan), ties),), False)
        yield Sample(cls((0,), False), (np.array([3, -1, 2, 2]),), False, "integers")


def median(x: O) -> O:
    """The middle of all elements, of two the lower."""
    return apply1(Median(tuple(range(x.aval.rank)), False), x)


def sort(x: O, axis: int, descending: bool = False) -> tuple[O, O]:
    """Sorted values along ``axis`` and the int64 indices they come from."""
    values, indices = apply(Sort(axis, descending), x)
    return values, indices


def topk(x: O, k: Dim, axis: int, largest: bool = True) -> tuple[O, O]:
    """The ``k`` largest or smallest values along ``axis`` and their int64 indices."""
    values, indices = apply(TopK(k, axis, largest), x)
    return values, indices


OPERATORS = operators_of(globals())
