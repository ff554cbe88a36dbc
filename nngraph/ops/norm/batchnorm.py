"""Batch normalization: training with its gradient, and inference with kept statistics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import broadcast_to
from nngraph.ops.composite import need_parameter, once, wide, wide_dtype
from nngraph.ops.core import mean_of, need, need_float, sum_of, widen
from nngraph.ops.elementwise import add, cast, div, mul, rsqrt, sub
from nngraph.ops.reduce import mean, sum
from nngraph.ops.reduce.count import count_of
from nngraph.ops.shape.moving import reshape

__all__ = [
    "BatchNormGrad",
    "BatchNormInference",
    "BatchNormTraining",
    "batch_norm_grad",
    "batch_norm_inference",
    "batch_norm_training",
]

Values = Sequence[Any]


@dataclass(frozen=True)
class _BatchNormal(Op):
    """x[N, C, ...] is normalized over all axes but C; ``eps`` is added to the variance."""

    eps: float

    def _check(self, x: TensorType, *parameters: TensorType) -> TensorType:
        """The type of the statistics."""
        need_float(self.name, "the input", x)
        need(x.rank >= 2, self.name, "the input", x, "of rank 2 or more: [N, C, ...]")
        for what, kind in zip(("the weight", "the bias"), parameters, strict=False):
            need_parameter(self.name, what, kind, x, x.shape[1:2])
        return TensorType(wide_dtype(x.dtype), x.shape[1:2])


def _folded(rank: int) -> tuple[int, ...]:
    return (0, *range(2, rank))


def _channels(v: O, x: Any) -> O:
    """v[C] beside the axes of x[N, C, ...]."""
    return reshape(v, (v.aval.shape[0], *(1,) * (x.aval.rank - 2)))


def _spread(v: Array, x: Array) -> Array:
    spread: Array = v.reshape(*v.shape, *(1,) * (x.ndim - 2))
    return spread


def _as(x: Any, dtype: Any) -> Array:
    return np.asarray(x).astype(dtype, copy=False)


def _average(x: Array) -> Array:
    return mean_of(x, _folded(x.ndim))


@dataclass(frozen=True)
class BatchNormTraining(_BatchNormal):
    """(x, weight[C], bias[C]) -> (y, mean[C], var[C]): normalized by the batch's own statistics.

    The variance is the biased one; mean and variance are float32 for half precision. Source: Ioffe
    and Szegedy, "Batch Normalization", arXiv:1502.03167.
    """

    name: ClassVar[str] = "batch_norm_training"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        stats = self._check(*types)
        return types[0], stats, stats

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x, weight, bias = (widen(a) for a in inputs)
        average = _average(x)
        y = x - _spread(average, x)
        variance = _average(y * y)
        y *= _spread(weight / np.sqrt(variance + x.dtype.type(self.eps)), x)
        y += _spread(bias, x)
        return y.astype(inputs[0].dtype, copy=False), average, variance

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        x, weight, bias = (wide(v) for v in inputs)
        axes = _folded(x.aval.rank)
        average = mean(x, axes)
        centered = sub(x, _channels(average, x))
        variance = mean(mul(centered, centered), axes)
        scale = mul(weight, rsqrt(add(variance, self.eps)))
        y = add(mul(centered, _channels(scale, x)), _channels(bias, x))
        return cast(y, inputs[0].aval.dtype), average, variance

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        x, weight, bias = inputs
        _, average, variance = outputs
        g, g_mean, g_var = grads
        if g is None:
            return (lambda: self._through_stats(x, average, g_mean, g_var), None, None)
        whole = once(lambda: batch_norm_grad(g, x, average, variance, weight, self.eps))

        def to_x() -> Any:
            dx = whole()[0]
            if g_mean is None and g_var is None:
                return dx
            return add(dx, self._through_stats(x, average, g_mean, g_var))

        return (to_x, lambda: whole()[1], lambda: cast(whole()[2], bias.aval.dtype))

    def _through_stats(self, x: Any, average: Any, g_mean: Any, g_var: Any) -> Any:
        """What the statistics, where used as outputs, add to x's gradient."""
        high, parts = wide(x), []
        count = count_of(high, _folded(x.aval.rank))
        if g_mean is not None:
            share = _channels(_over(g_mean, count), x)
            parts.append(broadcast_to(share, x.aval.shape))
        if g_var is not None:
            slope = _channels(mul(_over(g_var, count), 2.0), x)
            parts.append(mul(sub(high, _channels(average, x)), slope))
        return cast(parts[0] if len(parts) == 1 else add(*parts), x.aval.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for x, weight, bias, note in _cases():
            yield Sample(cls(1e-5), (x, weight, bias), note=note)
        # Whole numbers, so that the mean is exact in any order of summation; no larger, for some
        # runtimes multiply x and the mean by rstd before they subtract.
        x = np.asarray([0, 1, 3, 4], np.float32)[:, None] + np.float32(16)
        one = np.ones(1, np.float32)
        yield Sample(cls(1e-5), (x, one, one), False, "a mean larger than the deviation")


def _over(v: Any, count: Any) -> Any:
    """v[C] / count, where a count that depends on symbolic sizes is an operand of one element."""
    return div(v, count if isinstance(count, float) else reshape(count, (1,)))


def _cases() -> Iterable[tuple[Array, Array, Array, str]]:
    rng = np.random.default_rng(13)
    for shape, note in (
        ((4, 3), "no spatial axis"),
        ((2, 3, 4), "one"),
        ((2, 3, 2, 4), "two"),
        ((1, 2, 2, 1, 3), "three"),
        ((1, 2, 1, 2), "few elements"),
    ):
        weight, bias = rng.standard_normal((2, shape[1])).astype(np.float32)
        yield rng.standard_normal(shape).astype(np.float32), weight, bias, note


@dataclass(frozen=True)
class BatchNormGrad(_BatchNormal):
    """(dy, x, mean, var, weight) -> (dx, dweight, dbias), mean and var being x's own."""

    name: ClassVar[str] = "batch_norm_grad"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        dy, x, average, variance, weight = types
        stats = self._check(x, weight)
        need(dy == x, self.name, "dy", dy, f"{x}, the input's type")
        for what, kind in (("the mean", average), ("the variance", variance)):
            need(kind == stats, self.name, what, kind, str(stats))
        return x, weight, weight

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        dy, x, average, variance, weight = (widen(a) for a in inputs)
        axes = _folded(x.ndim)
        rstd = 1 / np.sqrt(variance + x.dtype.type(self.eps))
        normal = (x - _spread(average, x)) * _spread(rstd, x)
        product = dy * normal
        inner, outer = _spread(_average(product), x), _spread(_average(dy), x)
        dx: Array = (dy - outer - normal * inner) * _spread(weight * rstd, x)
        dtype = inputs[4].dtype
        return (
            dx.astype(inputs[1].dtype, copy=False),
            _as(sum_of(product, axes), dtype),
            _as(sum_of(dy, axes), dtype),
        )

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        dy, x, average, variance, weight = (wide(v) for v in inputs)
        axes, count = _folded(x.aval.rank), count_of(x, _folded(x.aval.rank))
        rstd = rsqrt(add(variance, self.eps))
        centered = sub(x, _channels(average, x))
        # Sums over [N, ...] first: what follows is one pass with per-channel numbers.
        dbias = sum(dy, axes)
        dweight = mul(sum(mul(dy, centered), axes), rstd)
        slope = mul(_over(dweight, count), rstd)
        inner = sub(dy, _channels(_over(dbias, count), x))
        inner = sub(inner, mul(centered, _channels(slope, x)))
        dx = mul(inner, _channels(mul(weight, rstd), x))
        dtype = inputs[4].aval.dtype
        return cast(dx, inputs[1].aval.dtype), cast(dweight, dtype), cast(dbias, dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.random.default_rng(14)
        for x, weight, bias, note in _cases():
            _, average, variance = BatchNormTraining(1e-5).eval(x, weight, bias)
            dy = np.asarray(rng.standard_normal(x.shape), np.float32)
            yield Sample(cls(1e-5), (dy, x, average, variance, weight), note=note)


@dataclass(frozen=True)
class BatchNormInference(_BatchNormal):
    """(x, weight[C], bias[C], mean[C], var[C]) -> y, one multiplication and addition an element."""

    name: ClassVar[str] = "batch_norm_inference"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, weight, bias, average, variance = types
        self._check(x, weight, bias)
        need_parameter(self.name, "the mean", average, x, x.shape[1:2])
        need_parameter(self.name, "the variance", variance, x, x.shape[1:2])
        return (x,)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x, weight, bias, average, variance = (widen(a) for a in inputs)
        with np.errstate(all="ignore"):
            scale = weight / np.sqrt(variance + x.dtype.type(self.eps))
            y: Array = x * _spread(scale, x) + _spread(bias - average * scale, x)
        return (y.astype(inputs[0].dtype, copy=False),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        x, weight, bias, average, variance = (wide(v) for v in inputs)
        scale = mul(weight, rsqrt(add(variance, self.eps)))
        shift = sub(bias, mul(average, scale))
        y = add(mul(x, _channels(scale, x)), _channels(shift, x))
        return (cast(y, inputs[0].aval.dtype),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.random.default_rng(15)
        for x, weight, bias, note in _cases():
            average = np.asarray(rng.standard_normal(weight.shape), np.float32)
            variance = np.asarray(rng.uniform(0.5, 2, weight.shape), np.float32)
            yield Sample(cls(1e-5), (x, weight, bias, average, variance), note=note)
        yield Sample(cls(1e-5), (x[:0], weight, bias, average, variance), note="empty batch")


def batch_norm_training(x: O, weight: O, bias: O, eps: float) -> tuple[O, O, O]:
    """Normalizes each channel by the batch: (y, mean, biased variance)."""
    y, average, variance = apply(BatchNormTraining(eps), x, weight, bias)
    return y, average, variance


def batch_norm_grad(dy: O, x: O, mean: O, var: O, weight: O, eps: float) -> tuple[O, O, O]:
    """Gradients of a training-time batch normalization: (dx, dweight, dbias)."""
    dx, dweight, dbias = apply(BatchNormGrad(eps), dy, x, mean, var, weight)
    return dx, dweight, dbias


def batch_norm_inference(x: O, weight: O, bias: O, mean: O, var: O, eps: float) -> O:
    """Normalizes each channel by kept statistics."""
    return apply1(BatchNormInference(eps), x, weight, bias, mean, var)
