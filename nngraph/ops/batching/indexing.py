"""Rules of reading and writing by indices.

Rows of a batch that have indices of their own are read by ``gather_elements``, which holds every
index to its own row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nngraph.ir.dims import Dim
from nngraph.ir.op import Op, apply
from nngraph.ops.batching.lane import Lane, Rule
from nngraph.ops.broadcast import broadcast_to, reshape
from nngraph.ops.index import (
    GatherElements,
    ScatterElements,
    ScatterSlices,
    Take,
    gather_elements,
    take,
)
from nngraph.ops.shape import transpose

__all__ = ["RULES"]


def _elements(op: Any, operands: Sequence[Lane]) -> Sequence[Any]:
    return apply(replace(op, axis=op.axis + 1), *(o.whole for o in operands))


def _take(op: Take, operands: Sequence[Lane]) -> Sequence[Any]:
    x, index = operands
    axis = op.axis
    if not index.is_batched:
        return (take(x.inner, index.inner, axis + 1),)
    if not x.is_batched:
        return (_to_front(take(x.inner, index.inner, axis), axis),)
    rest = _without(x.aval.shape, axis)
    rows, width = _rows(x, axis), math.prod(rest)
    found = gather_elements(rows, _places(index, width), 1)
    found = reshape(found, (x.size, *index.aval.shape, *rest))
    return (_from_second(found, index.aval.rank, axis),)


def _scatter_slices(op: ScatterSlices, operands: Sequence[Lane]) -> Sequence[Any]:
    x, index, updates = operands
    axis = op.axis
    if not index.is_batched:
        made = replace(op, axis=axis + 1)
        return apply(made, x.whole, index.inner, updates.whole)
    rest, count = _without(x.aval.shape, axis), index.aval.rank
    width = math.prod(rest)
    parts = _to_second(updates.whole, count, axis)
    parts = reshape(parts, (x.size, math.prod(index.aval.shape), width))
    made_of = ScatterElements(1, op.reduction)
    (rows,) = apply(made_of, _rows(x, axis), _places(index, width), parts)
    rows = reshape(rows, (x.size, x.aval.shape[axis], *rest))
    return (_from_second(rows, 1, axis),)


def _without(shape: Sequence[Dim], axis: int) -> tuple[Dim, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


def _rows(x: Lane, axis: int) -> Any:
    """``[batch, places along the axis, all else]``."""
    width = math.prod(_without(x.aval.shape, axis))
    return reshape(_to_second(x.whole, 1, axis), (x.size, x.aval.shape[axis], width))


def _places(index: Lane, width: Dim) -> Any:
    """The indices of each element of the batch, for all that stands at a place."""
    count = math.prod(index.aval.shape)
    return broadcast_to(reshape(index.inner, (index.size, count, 1)), (index.size, count, width))


def _to_front(x: Any, axis: int) -> Any:
    others = [a for a in range(x.aval.rank) if a != axis]
    return transpose(x, (axis, *others))


def _to_second(x: Any, count: int, axis: int) -> Any:
    """Moves ``count`` axes that stand at ``axis`` of the lane to right behind the batch axis."""
    moved = range(axis + 1, axis + 1 + count)
    others = [a for a in range(1, x.aval.rank) if a not in moved]
    return transpose(x, (0, *moved, *others))


def _from_second(x: Any, count: int, axis: int) -> Any:
    """Moves the axes behind the batch axis back to ``axis`` of the lane."""
    others = list(range(1 + count, x.aval.rank))
    moved = range(1, 1 + count)
    return transpose(x, (0, *others[:axis], *moved, *others[axis:]))


RULES: dict[type[Op], Rule] = {
    GatherElements: _elements,
    ScatterElements: _elements,
    ScatterSlices: _scatter_slices,
    Take: _take,
}
