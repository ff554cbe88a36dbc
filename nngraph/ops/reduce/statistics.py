"""Reductions defined by a formula: log-sum-exp and variance."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply1
from nngraph.ir.types import TensorType, type_of_array
from nngraph.ops.broadcast import Reduction, Sum, expand_reduced, reshape, sum
from nngraph.ops.composite import wide
from nngraph.ops.core import (
    Takes,
    mean_of,
    need_float,
    normalize_axes,
    reduced_samples,
    reduced_shape,
    sum_of,
    widen,
)
from nngraph.ops.elementwise.arithmetic import add, div, maximum, mul, sub
from nngraph.ops.elementwise.comparison import isfinite
from nngraph.ops.elementwise.select import cast, where
from nngraph.ops.elementwise.transcendental import exp, log
from nngraph.ops.reduce.count import count_of
from nngraph.ops.reduce.folds import max, mean

__all__ = ["LogSumExp", "Var", "logsumexp", "var"]

Values = Sequence[Any]


@dataclass(frozen=True)
class LogSumExp(Reduction):
    """log(sum(exp(x))), computed without overflow."""

    name: ClassVar[str] = "log_sum_exp"
    takes: ClassVar[Takes] = Takes.FLOATS

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x = widen(inputs[0])
        top = np.max(x, axis=self.axes, keepdims=True, initial=-np.inf)
        top = np.where(np.isfinite(top), top, np.zeros_like(top))
        total = np.log(sum_of(np.exp(x - top), self.axes, True)) + top
        shape = Sum(self.axes, self.keepdims).infer(type_of_array(x))[0].static_shape
        return (total.reshape(shape).astype(inputs[0].dtype, copy=False),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        x = wide(inputs[0])
        if builtins.any(x.aval.shape[a] == 0 for a in self.axes):
            nothing = log(sum(exp(x), self.axes, self.keepdims))
            return (cast(nothing, inputs[0].aval.dtype),)
        top = max(x, self.axes, True)
        top = where(isfinite(top), top, 0.0)
        total = add(log(sum(exp(sub(x, top)), self.axes, True)), top)
        total = reshape(total, reduced_shape(x.aval.shape, self.axes, self.keepdims))
        return (cast(total, inputs[0].aval.dtype),)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        (x,), (y,), (g,) = inputs, outputs, grads

        def gradient() -> Any:
            if x.aval.dtype.bits > 16:
                return mul(self.expand(g, x), exp(sub(x, self.expand(y, x))))
            # A large result rounded to half precision is too far from x: take it again in float32.
            high = wide(x)
            share = exp(sub(high, self.expand(apply1(self, high), high)))
            return cast(mul(self.expand(wide(g), high), share), x.aval.dtype)

        return (gradient,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from reduced_samples(cls)
        large = np.asarray([[1e4, 1e4 + 1], [-1e4, -1e4]], np.float32)
        yield Sample(cls((1,), False), (large,), False, "large")
        yield Sample(cls((1,), False), (large[:, :0],), False, "empty: minus infinity")
        inf = np.asarray([[-np.inf, 0], [np.inf, 0], [np.nan, 0]], np.float32)
        yield Sample(cls((1,), False), (inf,), False, "infinities")


@dataclass(frozen=True)
class Var(Op):
    """Variance: squared distances from the mean, summed, over max(0, count - correction)."""

    axes: tuple[int, ...]
    correction: int
    keepdims: bool
    name: ClassVar[str] = "var"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        need_float("var", "the operand", types[0])
        return Sum(self.axes, self.keepdims).infer(*types)

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x = widen(inputs[0])
        count = np.prod([x.shape[a] for a in self.axes])
        middle = mean_of(x, self.axes, True)
        total = sum_of(np.square(x - middle), self.axes, self.keepdims)
        out = total / x.dtype.type(np.maximum(count - self.correction, 0))
        return (np.asarray(out).astype(inputs[0].dtype, copy=False),)

    def _divisor(self, x: Any) -> Any:
        count = count_of(x, self.axes)
        if isinstance(count, float):
            return builtins.max(count - self.correction, 0.0)
        return maximum(sub(count, float(self.correction)), 0.0)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        x = wide(inputs[0])
        distance = sub(x, mean(x, self.axes, True))
        total = sum(mul(distance, distance), self.axes, self.keepdims)
        return (cast(div(total, self._divisor(x)), inputs[0].aval.dtype),)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        def gradient() -> Any:
            x, g = wide(inputs[0]), wide(grads[0])
            scale = div(mul(g, 2.0), self._divisor(x))
            slope = expand_reduced(scale, x.aval.shape, self.axes, self.keepdims)
            dx = mul(slope, sub(x, mean(x, self.axes, True)))
            return cast(dx, inputs[0].aval.dtype)

        return (gradient,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for correction in (0, 1):

            def make(axes: tuple[int, ...], keepdims: bool, correction: int = correction) -> Op:
                return cls(axes, correction, keepdims)

            for sample in reduced_samples(make):
                shape, (axes, *_) = sample.inputs[0].shape, vars(sample.op).values()
                enough = np.prod([shape[a] for a in axes]) > correction
                yield Sample(sample.op, sample.inputs, bool(enough), sample.note)


def logsumexp(x: O, axes: Sequence[int] | int | None = None, keepdims: bool = False) -> O:
    """log(sum(exp(x))) over ``axes``."""
    return apply1(LogSumExp(normalize_axes(axes, x.aval.rank, "logsumexp"), keepdims), x)


def var(
    x: O, axes: Sequence[int] | int | None = None, correction: int = 1, keepdims: bool = False
) -> O:
    """Variance over ``axes``; ``correction=1`` is the unbiased estimate, PyTorch's default."""
    return apply1(Var(normalize_axes(axes, x.aval.rank, "var"), correction, keepdims), x)
