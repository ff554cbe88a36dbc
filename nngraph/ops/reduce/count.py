"""How many elements a reduction takes in."""

from __future__ import annotations

from collections.abc import Sequence

from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import float32
from nngraph.ir.op import O
from nngraph.ops.broadcast import sum
from nngraph.ops.creation import full
from nngraph.ops.elementwise.select import cast

__all__ = ["count_of"]


def count_of(x: O, axes: Sequence[int]) -> O | float:
    """How many elements a fold over ``axes`` takes in; an operand if the shape is symbolic."""
    total: Dim = 1
    for a in axes:
        total = total * x.type.shape[a]
    if isinstance(total, int):
        return float(total)
    ones = full(1.0, float32, [d if a in axes else 1 for a, d in enumerate(x.type.shape)], x)
    return cast(sum(ones), x.type.dtype)
