"""Operators that only move elements: identities, and two in a row made one."""

from __future__ import annotations

from nngraph import ops
from nngraph.ir.graph import Value
from nngraph.ir.op import Trait, apply1
from nngraph.ir.types import Shape, TypeMismatch
from nngraph.passes.pattern import Match, Rule, any_node, node

__all__ = ["SHAPE_RULES"]


def _same_type(match: Match) -> str | None:
    if match.x.type == match.result:
        return None
    return f"{match.x.type} becomes {match.result}"


def _still(match: Match) -> str | None:
    """Refuses transposes that move axes."""
    perm = match.op(ops.Transpose).perm
    return None if perm == (*range(len(perm)),) else f"the transpose {perm} moves axes"


def _moves_ones(match: Match) -> str | None:
    perm = match.op(ops.Transpose).perm
    shape = match.x.type.shape
    long = [p for p in perm if shape[p] != 1]
    return None if long == sorted(long) else f"the transpose {perm} moves axes longer than 1"


def _composed(match: Match) -> Value:
    inner, outer = match.op(ops.Transpose, "inner").perm, match.op(ops.Transpose).perm
    return ops.transpose(match.x, [inner[p] for p in outer])


def _adds_leading(match: Match) -> str | None:
    """Refuses reshapes that do more than add leading axes of size 1."""
    if _unbroadcast(match.inner) is match.x:
        return None
    return f"the reshape from {match.x.type} to {match.inner.type} is no broadcast"


_AXES = (
    Rule("transpose that moves nothing", lambda x: node(ops.Transpose, x), lambda m: m.x, _still),
    Rule(
        "transpose(transpose(x))",
        lambda x: node(ops.Transpose, node(ops.Transpose, x, name="inner")),
        _composed,
    ),
    Rule(
        "transpose of size-1 axes = reshape",
        lambda x: node(ops.Transpose, x),
        lambda m: ops.reshape(m.x, m.result.shape),
        _moves_ones,
    ),
    Rule("reshape to its own shape", lambda x: node(ops.Reshape, x), lambda m: m.x, _same_type),
    Rule(
        "reshape(reshape(x))",
        lambda x: node(ops.Reshape, node(ops.Reshape, x)),
        lambda m: ops.reshape(m.x, m.result.shape),
    ),
    Rule(
        "broadcast to its own shape", lambda x: node(ops.BroadcastTo, x), lambda m: m.x, _same_type
    ),
    Rule(
        "broadcast(broadcast(x))",
        lambda x: node(ops.BroadcastTo, node(ops.BroadcastTo, x)),
        lambda m: ops.broadcast_to(m.x, m.result.shape),
    ),
    Rule(
        "broadcast(reshape(x)) = broadcast(x)",
        lambda x: node(ops.BroadcastTo, node(ops.Reshape, x, name="inner")),
        lambda m: ops.broadcast_to(m.x, m.result.shape),
        _adds_leading,
    ),
)


def _whole(match: Match) -> str | None:
    op = match.op(ops.Slice)
    if any(s != 0 for s in op.starts) or any(s < 1 for s in op.steps):
        return "it starts later or goes backwards"
    return _same_type(match)


def _slice_of_slice(match: Match) -> Value:
    inner, outer = match.op(ops.Slice, "inner"), match.op(ops.Slice)
    rows = zip(inner.starts, inner.steps, outer.starts, strict=True)
    starts = [start + step * further for start, step, further in rows]
    steps = [a * b for a, b in zip(inner.steps, outer.steps, strict=True)]
    return ops.slice(match.x, starts, outer.sizes, steps)


def _flips_ones(match: Match) -> str | None:
    shape = match.result.shape
    axes = [a for a in match.op(ops.Flip).axes if shape[a] != 1]
    return f"the axes {axes} are longer than 1" if axes else None


def _same_flip(match: Match) -> str | None:
    inner, outer = match.op(ops.Flip, "inner").axes, match.op(ops.Flip).axes
    return None if inner == outer else f"they flip the axes {inner} and {outer}"


_PARTS = (
    Rule("slice of everything", lambda x: node(ops.Slice, x), lambda m: m.x, _whole),
    Rule(
        "slice(slice(x))",
        lambda x: node(ops.Slice, node(ops.Slice, x, name="inner")),
        _slice_of_slice,
    ),
    Rule("pad by nothing", lambda x: node(ops.Pad, x), lambda m: m.x, _same_type),
    Rule("concat of one", lambda x: node(ops.Concat, x), lambda m: m.x),
    Rule("split into one", lambda x: node(ops.Split, x), lambda m: m.x),
    Rule("tile once", lambda x: node(ops.Tile, x), lambda m: m.x, _same_type),
    Rule("flip of size-1 axes", lambda x: node(ops.Flip, x), lambda m: m.x, _flips_ones),
    Rule(
        "flip(flip(x))",
        lambda x: node(ops.Flip, node(ops.Flip, x, name="inner")),
        lambda m: m.x,
        _same_flip,
    ),
)


def _unbroadcast(value: Value) -> Value | None:
    """What ``value`` is a broadcast of."""
    source = value.producer
    if source is None or not isinstance(source.op, ops.BroadcastTo | ops.Reshape):
        return None
    (x,) = source.inputs
    if isinstance(source.op, ops.BroadcastTo):
        return x
    added = value.type.rank - x.type.rank
    leading: Shape = (1,) * added
    return x if added > 0 and value.type.shape == (*leading, *x.type.shape) else None


def _bare_operands(match: Match) -> list[Value]:
    """The root's operands, with what was broadcast in the place of the broadcast."""
    bare = _unbroadcast(match.wide)
    assert bare is not None
    return [bare if v is match.wide else v for v in match.root.inputs]


def _broadcasts_itself(match: Match) -> str | None:
    if _unbroadcast(match.wide) is None:
        return f"the reshape to {match.wide.type} does more than add leading axes"
    try:
        (kind,) = match.root.op.infer(*(v.type for v in _bare_operands(match)))
    except TypeMismatch:
        return "the operator does not broadcast"
    return None if kind == match.result else "no other operand has the result's shape"


def _is_unary(match: Match) -> str | None:
    if len(match.root.inputs) != 1:
        return "the operator has other operands"
    return "the broadcast is read elsewhere too" if len(match.wide.uses) > 1 else None


def _compute_first(match: Match) -> Value:
    assert match.wide.producer is not None
    return apply1(match.root.op, *match.wide.producer.inputs)


_ELEMENTWISE = Trait.ELEMENTWISE
_BROADCASTS = (
    Rule(
        "operand broadcast by the operator itself",
        lambda: any_node(
            trait=_ELEMENTWISE, having=any_node((ops.BroadcastTo, ops.Reshape), name="wide")
        ),
        lambda m: apply1(m.root.op, *_bare_operands(m)),
        _broadcasts_itself,
    ),
    Rule(
        "f(broadcast(x)) = broadcast(f(x))",
        lambda: any_node(trait=_ELEMENTWISE, having=any_node(ops.BroadcastTo, name="wide")),
        _compute_first,
        _is_unary,
    ),
)

SHAPE_RULES = (*_AXES, *_PARTS, *_BROADCASTS)
