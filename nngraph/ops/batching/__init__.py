"""Batching rules: an operator on every element of a batch at once.

A rule says how an operator runs on operands that have one more axis, the first, which holds the
batch. ``RULES`` has one for each class that needs one. An operator without one goes through its
decomposition; what has none either runs once for each element, in a loop, and its results are
stacked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nngraph.ir.dims import Dim
from nngraph.ir.op import Op, Trait, apply
from nngraph.ir.types import TensorType, TypeMismatch
from nngraph.ops.batching.axes import RULES as _AXES
from nngraph.ops.batching.common import RULES as _COMMON
from nngraph.ops.batching.common import broadcast
from nngraph.ops.batching.indexing import RULES as _INDEXING
from nngraph.ops.batching.lane import Lane, Rule
from nngraph.ops.batching.loops import RULES as _LOOPS
from nngraph.ops.batching.windows import RULES as _WINDOWS
from nngraph.ops.broadcast import reshape, unsqueeze
from nngraph.ops.creation import full
from nngraph.ops.shape.joining import concat
from nngraph.ops.shape.slicing import slice_axis

__all__ = ["RULES", "Lane", "batch", "rule_of"]

RULES: dict[type[Op], Rule] = {**_COMMON, **_AXES, **_INDEXING, **_WINDOWS, **_LOOPS}


def rule_of(op: Op) -> Rule | None:
    """The rule of an operator's class, or of a class above it; elementwise ones broadcast."""
    rule = next((RULES[kind] for kind in type(op).__mro__ if kind in RULES), None)
    return broadcast if rule is None and Trait.ELEMENTWISE in op.traits else rule


def batch(op: Op, operands: Sequence[Lane], like: Lane) -> tuple[Lane, ...]:
    """Applies an operator to lanes; ``like`` says what kind of operand and batch is meant.

    Raises:
        TypeMismatch: for what runs element by element, and a batch whose size only the call knows.
    """
    size = like.size
    if not any(o.is_batched for o in operands):
        outs = apply(op, *(o.inner for o in operands), like=like.inner)
        return tuple(Lane(o, size, False) for o in outs)
    if size == 0:
        kinds = op.infer(*(o.aval for o in operands))
        return tuple(Lane(_nothing(k, like.inner), 0, True) for k in kinds)
    rule = rule_of(op)
    if rule is not None:
        return tuple(Lane(o, size, True) for o in rule(op, operands))
    if type(op).defines("decompose"):
        return tuple(_as_batched(lane) for lane in op.decompose(*operands))
    return tuple(Lane(o, size, True) for o in one_by_one(op, operands, size))


def _nothing(kind: TensorType, like: Any) -> Any:
    return full(0, kind.dtype, (0, *kind.shape), like)


def _as_batched(lane: Lane) -> Lane:
    return lane if lane.is_batched else Lane(lane.whole, lane.size, True)


def one_by_one(op: Op, operands: Sequence[Lane], size: Dim) -> list[Any]:
    """The operator on each element of the batch; results are stacked."""
    if not isinstance(size, int):
        raise TypeMismatch(
            f"vmap: {op.name} runs once for each element, and the size {size} is known to the call "
            "only; give the axis a number, as in ng.spec((8, 3))"
        )
    runs = [apply(op, *(_element(o, i) for o in operands)) for i in range(size)]
    return [concat([unsqueeze(o, 0) for o in outs], 0) for outs in zip(*runs, strict=True)]


def _element(lane: Lane, index: int) -> Any:
    if not lane.is_batched:
        return lane.inner
    return reshape(slice_axis(lane.inner, 0, index, 1), lane.aval.shape)


Lane._rules = staticmethod(batch)
