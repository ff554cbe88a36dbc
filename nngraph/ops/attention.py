"""Scaled dot-product attention."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import bool_, int32
from nngraph.ir.op import Array, O, Op, Sample, apply1
from nngraph.ir.types import TensorType, TypeMismatch
from nngraph.ops.activation import Softmax, softmax
from nngraph.ops.composite import wide
from nngraph.ops.core import broadcast_shapes, need, need_float, need_same_dtype, widen
from nngraph.ops.creation import full, iota
from nngraph.ops.elementwise import add, cast, eq, ge, mul, where
from nngraph.ops.family import operators_of
from nngraph.ops.linalg import matmul
from nngraph.ops.reduce import max

__all__ = ["ScaledDotProductAttention", "scaled_dot_product_attention"]

_INF = float("inf")


@dataclass(frozen=True)
class ScaledDotProductAttention(Op):
    """softmax(scale * q @ k^T + mask) @ v.

    (q[..., L, E], k[..., S, E], v[..., S, V] and, if masked, mask) -> out[..., L, V]. A bool mask
    is True where a query may look, and adds minus infinity elsewhere; a mask of q's type is added;
    both broadcast to [..., L, S].
    ``causal`` lets query i see the keys 0 to i. ``scale`` is 1 / sqrt(E) by default. A query that
    may look nowhere gets zeros and gives no gradient, as in PyTorch. Source:
    ``torch.nn.functional.scaled_dot_product_attention``.
    """

    causal: bool = False
    scale: float | None = None
    name: ClassVar[str] = "scaled_dot_product_attention"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        q, k, v, *masks = types
        need_float(self.name, "q", q)
        need_same_dtype(self.name, (q, k, v))
        for what, kind in (("q", q), ("k", k), ("v", v)):
            need(kind.rank >= 2, self.name, what, kind, "of rank 2 or more")
        need(k.shape[-1] == q.shape[-1], self.name, "k", k, f"as wide as q, which is {q}")
        need(v.shape[-2] == k.shape[-2], self.name, "v", v, f"as long as k, which is {k}")
        self._scale(q)
        batch = broadcast_shapes(self.name, (q.shape[:-2], k.shape[:-2], v.shape[:-2], ()))
        if masks:
            self._check_mask(masks[0], (*batch, q.shape[-2], k.shape[-2]), q)
        return (q.with_shape((*batch, q.shape[-2], v.shape[-1])),)

    def _check_mask(self, mask: TensorType, scores: tuple[Dim, ...], q: TensorType) -> None:
        need(mask.dtype in (bool_, q.dtype), self.name, "the mask", mask, f"bool or {q.dtype.name}")
        fits = (
            mask.rank <= len(scores) and broadcast_shapes(self.name, (mask.shape, scores)) == scores
        )
        shown = ",".join(map(str, scores))
        need(fits, self.name, "the mask", mask, f"of a shape that broadcasts to [{shown}]")

    def _scale(self, q: TensorType) -> float:
        width = q.shape[-1]
        if self.scale is not None:
            return self.scale
        if not isinstance(width, int):
            raise TypeMismatch(f"{self.name}: q is {q}; give scale= where its width has a name")
        return 1 / math.sqrt(width or 1)  # without width all scores are sums of nothing

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        q, k, v, *masks = (widen(a) for a in inputs)
        scale = self._scale(TensorType(bool_, q.shape))
        scores = np.matmul(q * q.dtype.type(scale), np.swapaxes(k, -1, -2))
        bias = np.zeros(scores.shape[-2:], scores.dtype)
        if self.causal:
            bias = np.where(np.tri(*bias.shape).astype(bool), bias, -_INF)
            scores = np.where(bias == 0, scores, -_INF)
        for mask in masks:
            hidden = np.where(mask, 0, -_INF) if mask.dtype == bool else mask
            scores, bias = scores + hidden, bias + hidden
        seen = bias.max(-1, keepdims=True, initial=-_INF) != -_INF
        scores = np.where(seen, scores, 0).astype(q.dtype, copy=False)
        weights = Softmax(scores.ndim - 1).eval(scores)[0] if scores.shape[-1] else scores
        out = np.where(seen, np.matmul(weights, v), 0)
        return (out.astype(inputs[0].dtype, copy=False),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        q, k, v, *masks = (wide(x) if x.aval.dtype is not bool_ else x for x in inputs)
        # Scaling q costs less than scaling the scores, forward and backward.
        scores = matmul(mul(q, self._scale(q.aval)), k, transpose_b=True)
        keep, blind = self._causal_keep(scores) if self.causal else None, None
        if masks:
            bias = masks[0]
            if bias.aval.dtype is bool_:  # added like any, so that NaN that is hidden is NaN
                bias = where(bias, full(0.0, scores.aval.dtype, (), scores), -_INF)
            bias = bias if keep is None else where(keep, bias, -_INF)
            blind = eq(max(bias, (bias.aval.rank - 1,), True), -_INF)
            # A query that sees nothing looks everywhere here, and its result is dropped below.
            scores, keep = add(scores, where(blind, 0.0, bias)), None
        if keep is not None:
            scores = where(keep, scores, -_INF)
        out = matmul(softmax(scores, scores.aval.rank - 1), v)
        if blind is not None:
            out = where(blind, 0.0, out)
        return (cast(out, inputs[0].aval.dtype),)

    @staticmethod
    def _causal_keep(scores: Any) -> Any:
        rows, columns = scores.aval.shape[-2:]
        return ge(iota(int32, (rows, 1), 0, scores), iota(int32, (1, columns), 1, scores))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.random.default_rng(16)

        def make(*shape: int) -> Array:
            return rng.standard_normal(shape).astype(np.float32)

        q, k, v = make(2, 3, 4), make(2, 5, 4), make(2, 5, 2)
        yield Sample(cls(), (q, k, v), note="rank 3, lengths differ")
        yield Sample(cls(True), (q, k, v), note="causal")
        yield Sample(cls(False, 0.3), (q[0], k[0], v[0]), note="rank 2, scale")
        yield Sample(cls(), (make(2, 3, 0), make(2, 5, 0), v), note="no width")
        keep = np.asarray([[True, False, True, True, False], [False] * 5, [True] * 5])
        yield Sample(cls(), (q, k, v, keep), note="bool mask, a query that sees nothing")
        yield Sample(cls(True), (q, k, v, keep[None, :1]), note="causal and masked")
        yield Sample(cls(), (q, k, v, make(3, 5)), note="additive mask")
        heads = (make(2, 2, 3, 4), make(2, 2, 3, 4), make(2, 2, 3, 4))
        yield Sample(cls(True), heads, note="rank 4")
        yield Sample(cls(), (*heads, make(2, 1, 1, 3)), note="rank 4, additive mask by batch")
        bias = np.where(keep, 0, -np.inf).astype(np.float32)
        yield Sample(cls(), (q, k, v, bias), False, "additive mask of minus infinity")


def scaled_dot_product_attention(
    q: O, k: O, v: O, mask: O | None = None, causal: bool = False, scale: float | None = None
) -> O:
    """softmax(scale * q @ k^T + mask) @ v."""
    op = ScaledDotProductAttention(causal, scale)
    return apply1(op, q, k, v) if mask is None else apply1(op, q, k, v, mask)


OPERATORS = operators_of(globals())
