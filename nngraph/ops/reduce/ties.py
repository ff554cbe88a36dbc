"""How the elements that a reduction chose share its gradient."""

from __future__ import annotations

from nngraph.ir.op import O
from nngraph.ops.broadcast import Reduction, sum
from nngraph.ops.elementwise.arithmetic import div
from nngraph.ops.elementwise.comparison import eq, isnan, logical_and, logical_or
from nngraph.ops.elementwise.select import cast, where

__all__ = ["evenly", "same"]


def same(x: O, y: O) -> O:
    """True where the elements are equal, or both NaN."""
    return logical_or(eq(x, y), logical_and(isnan(x), isnan(y)))


def evenly(fold: Reduction, x: O, chosen: O, g: O) -> O:
    """The gradient of a fold's results, shared by the elements of ``x`` that were chosen."""
    count = sum(cast(chosen, x.aval.dtype), fold.axes, fold.keepdims)
    return where(chosen, fold.expand(div(g, count), x), 0.0)
