"""How many elements a reduction takes in."""

from __future__ import annotations

from collections.abc import Sequence

from nngraph.ir.dims import Dim
from nngraph.ir.op import O
from nngraph.ops.creation import extent
from nngraph.ops.elementwise.select import cast

__all__ = ["count_of"]


def count_of(x: O, axes: Sequence[int]) -> O | float:
    """How many elements a fold over ``axes`` takes in; an operand if the shape is symbolic."""
    total: Dim = 1
    for a in axes:
        total = total * x.aval.shape[a]
    if isinstance(total, int):
        return float(total)
    return cast(extent(total, x), x.aval.dtype)
