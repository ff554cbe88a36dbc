"""Folds over a list of axes: mean, extremes, product, any and all."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nngraph.ir.dims import SymDim, UnknownSize
from nngraph.ir.dtypes import as_dtype
from nngraph.ir.op import Array, O, Sample, Thunk, apply1
from nngraph.ops.broadcast import Fold, Reduction, reshape, sum
from nngraph.ops.composite import through_decomposition, wide
from nngraph.ops.core import Takes, mean_of, normalize_axes, reduced_samples, reduced_shape, widen
from nngraph.ops.creation import full
from nngraph.ops.elementwise.arithmetic import add, div, mul
from nngraph.ops.elementwise.comparison import eq, isfinite, logical_or
from nngraph.ops.elementwise.select import cast, where
from nngraph.ops.reduce.count import count_of
from nngraph.ops.reduce.ties import evenly, same
from nngraph.ops.shape.joining import concat
from nngraph.ops.shape.moving import transpose
from nngraph.ops.shape.slicing import slice_axis

__all__ = ["All", "Any", "Max", "Mean", "Min", "Prod", "all", "any", "max", "mean", "min", "prod"]

Values = Sequence[typing.Any]


@dataclass(frozen=True)
class Mean(Reduction):
    """Mean of floats (float16 and bfloat16 add up in float32)."""

    name: ClassVar[str] = "mean"
    fold: ClassVar[Fold | None] = Fold.ADD
    takes: ClassVar[Takes] = Takes.FLOATS

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        return (mean_of(widen(x), self.axes, self.keepdims).astype(x.dtype, copy=False),)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        (x,) = inputs

        def gradient() -> typing.Any:
            high = wide(x)  # float16 ends at 65504, and a count need not
            share = div(wide(grads[0]), count_of(high, self.axes))
            return self.expand(cast(share, x.aval.dtype), x)

        return (gradient,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from reduced_samples(cls)
        yield Sample(cls((1,), False), (np.zeros((2, 0), np.float32),), False, "empty: NaN")


def _first_zero(found: Array, x: Array, axes: Sequence[int]) -> Array:
    """Extremes that are zero with the sign of the first zero, as PyTorch's scalar loops have it."""
    if x.dtype.kind in "iu" or not axes or not np.any(found == 0):
        return found
    line = np.moveaxis(x, axes, range(len(axes)))
    line = line.reshape(-1, *line.shape[len(axes) :])
    first = np.take_along_axis(line, np.argmax(line == 0, 0)[None], 0)
    return np.where(found == 0, first.reshape(found.shape), found)


@dataclass(frozen=True)
class _Extreme(Reduction):
    """Ties share the gradient evenly.

    Attributes:
        shares_nan: so do the NaN that made the result one (``torch.max`` of all elements); without
            it their gradient is NaN (``torch.amax``).
    """

    shares_nan: bool = False
    nonempty: ClassVar[bool] = True
    function: ClassVar[Callable[..., typing.Any]]

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        found = np.asarray(type(self).function(widen(x), axis=self.axes, keepdims=self.keepdims))
        return (_first_zero(found.astype(x.dtype, copy=False), x, self.axes),)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        (x,), (y,), (g,) = inputs, outputs, grads

        def gradient() -> typing.Any:
            wide = self.expand(y, x)
            if self.shares_nan:
                return evenly(self, x, same(x, wide), g)
            ties = cast(eq(x, wide), x.aval.dtype)
            share = div(g, sum(ties, self.axes, self.keepdims))
            return mul(ties, self.expand(share, x))

        return (gradient,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from reduced_samples(cls)
        ties = np.asarray([[1, 3, 3, 1], [2, 2, 2, 2], [0, -0.0, np.inf, -np.inf]], np.float32)
        for axes in ((0,), (1,), (0, 1)):
            yield Sample(cls(axes, False), (ties,), False, "ties share the gradient")
        yield Sample(cls((0, 1), False, True), (ties,), False, "all elements")
        nan = np.where(ties == 3, np.float32(np.nan), ties)
        yield Sample(cls((1,), True), (nan,), False, "NaN propagates")
        yield Sample(cls((0,), False), (np.asarray([[3, -2], [-5, 4]], np.int32),), False)


@dataclass(frozen=True)
class Max(_Extreme):
    """Largest element; NaN propagates; ties share the gradient evenly (``torch.amax``)."""

    name: ClassVar[str] = "max"
    fold: ClassVar[Fold | None] = Fold.MAX
    function: ClassVar[Callable[..., typing.Any]] = staticmethod(np.max)


@dataclass(frozen=True)
class Min(_Extreme):
    """Smallest element; NaN propagates; ties share the gradient evenly (``torch.amin``)."""

    name: ClassVar[str] = "min"
    fold: ClassVar[Fold | None] = Fold.MIN
    function: ClassVar[Callable[..., typing.Any]] = staticmethod(np.min)


@dataclass(frozen=True)
class Prod(Reduction):
    """Product of numbers, in their own type.

    Differentiated through its decomposition, so its gradients of all orders are exact at zeros.
    PyTorch divides by the element where there is no zero: then NaN and infinity have the gradient
    NaN, though the product of the others may be known.
    """

    name: ClassVar[str] = "prod"
    fold: ClassVar[Fold | None] = Fold.MULTIPLY

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        # Every product rounds, in any order: those of floats are taken in float64.
        wide = np.float64 if as_dtype(x.dtype).is_floating_point else x.dtype
        total = np.prod(x, axis=self.axes, dtype=wide, keepdims=self.keepdims)
        return (np.asarray(total).astype(x.dtype, copy=False),)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        def gradient() -> typing.Any:
            (x,) = inputs
            exact = through_decomposition(self, inputs, grads, 0)()
            if not x.aval.rank:
                return exact
            known = logical_or(any(eq(x, 0.0)), isfinite(x))
            return where(known, exact, float("nan"))

        return (gradient,)

    def decompose(self, *inputs: typing.Any) -> tuple[typing.Any, ...]:
        """Halves multiplied with each other until one element is left."""
        (x,) = inputs
        shape, dtype = x.aval.shape, x.aval.dtype
        out = reduced_shape(shape, self.axes, self.keepdims)
        kept = [a for a in range(len(shape)) if a not in self.axes]
        count = math.prod(shape[a] for a in self.axes)
        if isinstance(count, SymDim):
            raise UnknownSize(count)
        if count == 0:
            nothing = sum(x, self.axes, self.keepdims)  # its gradient is as empty as x
            return (add(nothing, full(1, dtype, (), x)),)
        line = reshape(transpose(x, [*self.axes, *kept]), [count, *(shape[a] for a in kept)])
        while count > 1:
            half, odd = divmod(count, 2)
            pairs = mul(slice_axis(line, 0, 0, half), slice_axis(line, 0, half, half))
            line = concat([pairs, slice_axis(line, 0, 2 * half, 1)], 0) if odd else pairs
            count = half + odd
        return (reshape(line, out),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from reduced_samples(cls)
        zeros = np.asarray([[2, 3, 1.5], [2, 0, 3], [0, 2, 0]], np.float32)
        for axes in ((0,), (1,)):
            yield Sample(cls(axes, False), (zeros,), note="zeros")
        yield Sample(cls((1,), False), (np.zeros((2, 0), np.float32),))
        yield Sample(cls((0,), False), (np.asarray([[3, -2], [-5, 4]], np.int32),), False)


@dataclass(frozen=True)
class _Logical(Reduction):
    takes: ClassVar[Takes] = Takes.BOOLS
    differentiable: ClassVar[bool] = False
    function: ClassVar[Callable[..., typing.Any]]

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.asarray(type(self).function(inputs[0], axis=self.axes, keepdims=self.keepdims)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.asarray([[True, False, True], [True, True, True], [False, False, False]])
        for axes in ((), (0,), (1,), (0, 1)):
            yield Sample(cls(axes, axes == (1,)), (x,), False)
        yield Sample(cls((), False), (x[0, 0],), False)
        yield Sample(cls((1,), False), (x[:, :0],), False, "empty")


@dataclass(frozen=True)
class Any(_Logical):
    """True where one element is True."""

    name: ClassVar[str] = "any"
    fold: ClassVar[Fold | None] = Fold.MAX
    function: ClassVar[Callable[..., typing.Any]] = staticmethod(np.any)


@dataclass(frozen=True)
class All(_Logical):
    """True where all elements are True."""

    name: ClassVar[str] = "all"
    fold: ClassVar[Fold | None] = Fold.MIN
    function: ClassVar[Callable[..., typing.Any]] = staticmethod(np.all)


def mean(x: O, axes: Sequence[int] | int | None = None, keepdims: bool = False) -> O:
    """Mean over ``axes`` (all by default)."""
    return apply1(Mean(normalize_axes(axes, x.aval.rank, "mean"), keepdims), x)


def max(
    x: O, axes: Sequence[int] | int | None = None, keepdims: bool = False, shares_nan: bool = False
) -> O:
    """Largest element over ``axes``; ties share the gradient (NaN too if ``shares_nan``)."""
    return apply1(Max(normalize_axes(axes, x.aval.rank, "max"), keepdims, shares_nan), x)


def min(
    x: O, axes: Sequence[int] | int | None = None, keepdims: bool = False, shares_nan: bool = False
) -> O:
    """Smallest element over ``axes``; ties share the gradient (NaN too if ``shares_nan``)."""
    return apply1(Min(normalize_axes(axes, x.aval.rank, "min"), keepdims, shares_nan), x)


def prod(x: O, axes: Sequence[int] | int | None = None, keepdims: bool = False) -> O:
    """Product over ``axes``."""
    return apply1(Prod(normalize_axes(axes, x.aval.rank, "prod"), keepdims), x)


def any(x: O, axes: Sequence[int] | int | None = None, keepdims: bool = False) -> O:
    """True where one element over ``axes`` is."""
    return apply1(Any(normalize_axes(axes, x.aval.rank, "any"), keepdims), x)


def all(x: O, axes: Sequence[int] | int | None = None, keepdims: bool = False) -> O:
    """True where all elements over ``axes`` are."""
    return apply1(All(normalize_axes(axes, x.aval.rank, "all"), keepdims), x)
