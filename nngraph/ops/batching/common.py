"""Rules of operators that broadcast, or that leave leading axes alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nngraph.ir.op import Op, apply
from nngraph.ops.attention import ScaledDotProductAttention
from nngraph.ops.batching.lane import Lane, Rule
from nngraph.ops.elementwise import After
from nngraph.ops.factor import OPERATORS as MATRICES
from nngraph.ops.index import FromStart, OneHot, Require
from nngraph.ops.linalg import MatMul
from nngraph.ops.loss import BinaryCrossEntropy
from nngraph.ops.norm import LayerNorm
from nngraph.ops.reduce import all as all_of

__all__ = ["RULES", "broadcast"]


def broadcast(op: Op, operands: Sequence[Lane]) -> Sequence[Any]:
    """For what broadcasts its operands: those of fewer axes get axes behind that of the batch."""
    rank = max(o.aval.rank for o in operands)
    return apply(op, *(o.padded(rank) for o in operands))


def _alike(op: Op, operands: Sequence[Lane]) -> Sequence[Any]:
    """For what takes operands of one shape, or of the same leading axes."""
    return apply(op, *(o.whole for o in operands))


def _attention(op: ScaledDotProductAttention, operands: Sequence[Lane]) -> Sequence[Any]:
    """A mask gives the result no axes: where it alone has the batch, the queries get it."""
    q, *others = operands
    if not any(o.is_batched for o in operands[:3]):
        q = Lane(q.whole, q.size, True)
    return broadcast(op, (q, *others))


def _layer_norm(op: LayerNorm, operands: Sequence[Lane]) -> Sequence[Any]:
    x, *scales = operands
    if not any(s.is_batched for s in scales):
        return apply(op, x.inner, *(s.inner for s in scales))
    return [lane.whole for lane in op.decompose(*operands)]


def _after(op: After, operands: Sequence[Lane]) -> Sequence[Any]:
    x, when = operands
    return apply(op, x.whole, when.padded(x.aval.rank))


def _require(op: Require, operands: Sequence[Lane]) -> Sequence[Any]:
    """The condition holds if it does for all elements."""
    x, holds = operands
    return apply(op, x.whole, all_of(holds.inner, None) if holds.is_batched else holds.inner)


RULES: dict[type[Op], Rule] = {
    After: _after,
    **dict.fromkeys(MATRICES, _alike),  # the last two axes are the matrix
    BinaryCrossEntropy: _alike,
    FromStart: _alike,
    LayerNorm: _layer_norm,
    MatMul: broadcast,
    OneHot: _alike,
    Require: _require,
    ScaledDotProductAttention: _attention,
}
