"""Layer normalization and its gradient; statistics are computed in two passes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import broadcast_to
from nngraph.ops.composite import need_parameter, once, wide, wide_dtype
from nngraph.ops.core import mean_of, need, need_float, sum_of, widen
from nngraph.ops.elementwise import add, cast, div, mul, rsqrt, sub
from nngraph.ops.reduce import mean, sum
from nngraph.ops.reduce.count import count_of

__all__ = ["LayerNorm", "LayerNormGrad", "layer_norm", "layer_norm_grad"]

Values = Sequence[Any]


@dataclass(frozen=True)
class _LayerNormal(Op):
    """``rank`` trailing axes are normalized together."""

    rank: int

    def _axes(self, x: Any) -> tuple[int, ...]:
        rank = x.ndim if isinstance(x, np.ndarray) else x.rank
        return tuple(range(rank - self.rank, rank))

    def _lead(self, x: Any) -> tuple[int, ...]:
        return tuple(range(self._axes(x)[0]))

    def _check(self, x: TensorType, weight: TensorType) -> TensorType:
        """The type of the statistics."""
        need_float(self.name, "the input", x)
        need(
            1 <= self.rank <= x.rank,
            self.name,
            "the input",
            x,
            f"of {self.rank} axes at least (rank={self.rank} must be 1 or more)",
        )
        need_parameter(self.name, "the weight", weight, x, x.shape[x.rank - self.rank :])
        shape = (*x.shape[: x.rank - self.rank], *(1,) * self.rank)
        return TensorType(wide_dtype(x.dtype), shape)


@dataclass(frozen=True)
class LayerNorm(_LayerNormal):
    """(x, weight, bias) -> ((x - mean) * rstd * weight + bias, mean, rstd).

    ``rstd`` is 1 / sqrt(variance + eps) of the biased variance. mean and rstd keep the normalized
    axes as size 1 and are float32 for half precision. Source: ``torch.native_layer_norm``.
    """

    eps: float
    name: ClassVar[str] = "layer_norm"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, weight, bias = types
        stats = self._check(x, weight)
        need(bias == weight, self.name, "the bias", bias, f"{weight}, the weight's type")
        return x, stats, stats

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x, weight, bias = (widen(a) for a in inputs)
        axes = self._axes(x)
        average = mean_of(x, axes, True)
        y = x - average
        rstd = 1 / np.sqrt(mean_of(y * y, axes, True) + x.dtype.type(self.eps))
        y = y * rstd * weight + bias
        return y.astype(inputs[0].dtype, copy=False), average, rstd

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        x, weight, bias = (wide(v) for v in inputs)
        axes = self._axes(x.aval)
        average = mean(x, axes, True)
        centered = sub(x, average)
        rstd = rsqrt(add(mean(mul(centered, centered), axes, True), self.eps))
        y = add(mul(mul(centered, rstd), weight), bias)
        return cast(y, inputs[0].aval.dtype), average, rstd

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        x, weight, _ = inputs
        _, average, rstd = outputs
        g, g_mean, g_rstd = grads
        if g is None:
            return (lambda: self._through_stats(x, average, rstd, g_mean, g_rstd), None, None)
        whole = once(lambda: layer_norm_grad(g, x, average, rstd, weight, self.rank))

        def to_x() -> Any:
            dx = whole()[0]
            if g_mean is None and g_rstd is None:
                return dx
            return add(dx, self._through_stats(x, average, rstd, g_mean, g_rstd))

        return (to_x, lambda: whole()[1], lambda: whole()[2])

    def _through_stats(self, x: Any, average: Any, rstd: Any, g_mean: Any, g_rstd: Any) -> Any:
        """What the statistics, where used as outputs, add to x's gradient."""
        high, parts = wide(x), []
        count = count_of(high, self._axes(x.aval))
        if g_mean is not None:
            parts.append(broadcast_to(div(g_mean, count), x.aval.shape))
        if g_rstd is not None:
            slope = div(mul(g_rstd, mul(rstd, mul(rstd, rstd))), count)
            parts.append(mul(sub(average, high), slope))
        return cast(parts[0] if len(parts) == 1 else add(*parts), x.aval.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for rank, x, weight, bias, note in _cases():
            yield Sample(cls(rank, 1e-5), (x, weight, bias), note=note)
        # Whole numbers, so that the mean is exact in any order of summation; no larger, for some
        # runtimes multiply x and the mean by rstd before they subtract.
        x = np.full((2, 4), 16, np.float32) + np.asarray([0, 1, 3, 4], np.float32)
        ones = np.ones(4, np.float32)
        yield Sample(cls(1, 1e-5), (x, ones, ones), False, "a mean larger than the deviation")


def _cases() -> Iterable[tuple[int, Array, Array, Array, str]]:
    rng = np.random.default_rng(11)
    for rank, shape, note in (
        (1, (2, 3, 4), ""),
        (2, (2, 3, 4), "two axes"),
        (1, (5,), "no leading axis"),
        (1, (0, 3), "no row"),
        (1, (3, 1), "one element"),
    ):
        x = rng.standard_normal(shape).astype(np.float32)
        weight, bias = rng.standard_normal((2, *shape[len(shape) - rank :])).astype(np.float32)
        yield rank, x, weight, bias, note


@dataclass(frozen=True)
class LayerNormGrad(_LayerNormal):
    """(dy, x, mean, rstd, weight) -> (dx, dweight, dbias)."""

    name: ClassVar[str] = "layer_norm_grad"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        dy, x, average, rstd, weight = types
        stats = self._check(x, weight)
        need(dy == x, self.name, "dy", dy, f"{x}, the input's type")
        for what, kind in (("the mean", average), ("rstd", rstd)):
            need(kind == stats, self.name, what, kind, str(stats))
        return x, weight, weight

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        dy, x, average, rstd, weight = (widen(a) for a in inputs)
        axes, lead = self._axes(x), self._lead(x)
        normal, g = (x - average) * rstd, dy * weight
        inner = mean_of(g * normal, axes, True)
        dx: Array = (g - mean_of(g, axes, True) - normal * inner) * rstd
        dtype = inputs[4].dtype
        return (
            dx.astype(inputs[1].dtype, copy=False),
            sum_of(dy * normal, lead).astype(dtype, copy=False),
            sum_of(dy, lead).astype(dtype, copy=False),
        )

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        dy, x, average, rstd, weight = (wide(v) for v in inputs)
        axes, lead = self._axes(x.aval), self._lead(x.aval)
        normal, g = mul(sub(x, average), rstd), mul(dy, weight)
        inner = mean(mul(g, normal), axes, True)
        dx = mul(sub(sub(g, mean(g, axes, True)), mul(normal, inner)), rstd)
        dtype = inputs[4].aval.dtype
        return (
            cast(dx, inputs[1].aval.dtype),
            cast(_fold(mul(dy, normal), lead), dtype),
            cast(_fold(dy, lead), dtype),
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.random.default_rng(12)
        for rank, x, weight, bias, note in _cases():
            _, average, rstd = LayerNorm(rank, 1e-5).eval(x, weight, bias)
            dy = np.asarray(rng.standard_normal(x.shape), np.float32)
            yield Sample(cls(rank), (dy, x, average, rstd, weight), note=note)


def _fold(x: O, axes: tuple[int, ...]) -> O:
    """The sum over ``axes``, without a node where there are none."""
    return sum(x, axes) if axes else x


def layer_norm(x: O, weight: O, bias: O, rank: int, eps: float) -> tuple[O, O, O]:
    """Normalizes ``rank`` trailing axes: (y, mean, rstd)."""
    y, average, rstd = apply(LayerNorm(rank, eps), x, weight, bias)
    return y, average, rstd


def layer_norm_grad(dy: O, x: O, mean: O, rstd: O, weight: O, rank: int) -> tuple[O, O, O]:
    """Gradients of a layer normalization: (dx, dweight, dbias)."""
    dx, dweight, dbias = apply(LayerNormGrad(rank), dy, x, mean, rstd, weight)
    return dx, dweight, dbias
