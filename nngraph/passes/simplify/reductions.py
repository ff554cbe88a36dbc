"""Reductions over nothing, of broadcasts, of reductions, and with the axes kept or not."""

from __future__ import annotations

import dataclasses

from nngraph import ops
from nngraph.ir.dims import SymDim
from nngraph.ir.dtypes import DType
from nngraph.ir.graph import Value
from nngraph.ir.op import apply1
from nngraph.ops.core import reduced_shape
from nngraph.passes.pattern import Match, Rule, Soundness, node

__all__ = ["REDUCTION_RULES"]

_REASSOCIATES = Soundness.REASSOCIATES
_ALL = (ops.Sum, ops.Mean, ops.Max, ops.Min, ops.Prod, ops.Any, ops.All)
_CHOOSING = (ops.Max, ops.Min, ops.Any, ops.All)


def _of_ones(match: Match) -> str | None:
    shape = match.x.type.shape
    long = [a for a in match.op(ops.Reduction).axes if shape[a] != 1]
    return f"the axes {long} are longer than 1" if long else None


def _keeps_zeros(match: Match) -> str | None:
    """Refuses sums of floats, whose start at 0.0 turns -0.0 into 0.0."""
    reason = _of_ones(match)
    adds = isinstance(match.root.op, ops.Sum | ops.Mean)
    if reason is None and adds and match.result.dtype.is_floating_point:
        return "a sum of floats starts at 0.0, which turns -0.0 into 0.0"
    return reason


def _sole(match: Match) -> str | None:
    if len(match.inner.uses) > 1:
        return "the reduction is read elsewhere too and would be computed twice"
    return None


def _kept(match: Match) -> str | None:
    """Refuses unless the reshape puts the reduced axes back, or takes them away."""
    op = match.op(ops.Reduction, "inner")
    if match.result.shape != reduced_shape(match.x.type.shape, op.axes, not op.keepdims):
        return f"the reshape to {match.result} does more than keep or drop the reduced axes"
    return _sole(match)


def _other_way(match: Match) -> Value:
    op = match.op(ops.Reduction, "inner")
    return apply1(dataclasses.replace(op, keepdims=not op.keepdims), match.x)


def _same_kind(match: Match) -> str | None:
    inner, outer = match.op(ops.Reduction, "inner"), match.op(ops.Reduction)
    if type(inner) is not type(outer):
        return f"{outer.name} of {inner.name} is no single reduction"
    if inner.keepdims != outer.keepdims:
        return "one keeps its axes, the other does not"
    return _sole(match)


def _same_kind_of_integers(match: Match) -> str | None:
    if match.result.dtype.is_floating_point:
        return "for floats the sum rounds otherwise"
    return _same_kind(match)


def _merged(match: Match) -> Value:
    inner, outer = match.op(ops.Reduction, "inner"), match.op(ops.Reduction)
    rest = [a for a in range(match.x.type.rank) if inner.keepdims or a not in inner.axes]
    axes = tuple(sorted({*inner.axes, *(rest[a] for a in outer.axes)}))
    return apply1(dataclasses.replace(outer, axes=axes), match.x)


def _repeats(match: Match) -> int:
    """How often the sum adds each element of what was broadcast; 0 if it isn't that simple."""
    (x, wide), axes = (match.x.type, match.inner.type), match.op(ops.Sum).axes
    lead = wide.rank - x.rank
    total = 1
    for axis in axes:
        size = wide.shape[axis]
        repeated = axis < lead or x.shape[axis - lead] == 1
        if not repeated or isinstance(size, SymDim):
            return 0
        total *= size
    return total


def _is_repeat(match: Match) -> str | None:
    if _repeats(match) == 0:
        return "it sums axes that the broadcast did not make, or an unknown or zero number of times"
    return None if _fits(match.result.dtype, _repeats(match)) else "the count overflows the type"


def _fits(dtype: DType, count: int) -> bool:
    return dtype.is_floating_point or count < 2 ** (dtype.bits - 1)


def _is_repeat_of_integers(match: Match) -> str | None:
    if match.result.dtype.is_floating_point:
        return "for floats the product rounds otherwise than the sum"
    return _is_repeat(match)


def _multiplied(match: Match) -> Value:
    op = match.op(ops.Sum)
    x, wide = match.x, match.inner.type
    lead = wide.rank - x.type.rank
    low = ops.reshape(x, (*(1,) * lead, *x.type.shape))
    part = ops.mul(low, _repeats(match))
    full = [1 if a in op.axes else d for a, d in enumerate(wide.shape)]
    return ops.reshape(ops.broadcast_to(part, full), match.result.shape)


REDUCTION_RULES = (
    Rule(
        "reduction over size-1 axes = reshape",
        lambda x: node(_ALL, x),
        lambda m: ops.reshape(m.x, m.result.shape),
        _keeps_zeros,
    ),
    Rule(
        "sum over size-1 axes = reshape",
        lambda x: node((ops.Sum, ops.Mean), x),
        lambda m: ops.reshape(m.x, m.result.shape),
        _of_ones,
        Soundness.FINITE_ONLY,
    ),
    Rule(
        "reshape(reduction(x)) keeps or drops the axes",
        lambda x: node(ops.Reshape, node(_ALL, x, name="inner")),
        _other_way,
        _kept,
    ),
    Rule(
        "max(max(x)) over all axes at once",
        lambda x: node(_CHOOSING, node(_CHOOSING, x, name="inner")),
        _merged,
        _same_kind,
    ),
    Rule(
        "sum(sum(x)) over all axes at once, integers",
        lambda x: node(ops.Sum, node(ops.Sum, x, name="inner")),
        _merged,
        _same_kind_of_integers,
    ),
    Rule(
        "sum(sum(x)) over all axes at once",
        lambda x: node(ops.Sum, node(ops.Sum, x, name="inner")),
        _merged,
        _same_kind,
        _REASSOCIATES,
    ),
    Rule(
        "sum(broadcast(x)) = n * x, integers",
        lambda x: node(ops.Sum, node(ops.BroadcastTo, x, name="inner")),
        _multiplied,
        _is_repeat_of_integers,
    ),
    Rule(
        "sum(broadcast(x)) = n * x",
        lambda x: node(ops.Sum, node(ops.BroadcastTo, x, name="inner")),
        _multiplied,
        _is_repeat,
        _REASSOCIATES,
    ),
)
