"""The passes that every backend runs first."""

from __future__ import annotations

from collections.abc import Callable

from nngraph.ir.graph import Node
from nngraph.passes.base import Pass, Pipeline, Until
from nngraph.passes.cse import CommonSubexpressions
from nngraph.passes.dce import DeadCode
from nngraph.passes.decompose import Decompose
from nngraph.passes.fold import FoldConstants
from nngraph.passes.nested import Everywhere
from nngraph.passes.rewrite import Rewrite
from nngraph.passes.simplify import SIMPLIFICATIONS

__all__ = ["clean_up", "standard"]


def clean_up() -> Pass:
    """Simplifies, folds, merges and removes, until nothing changes."""
    steps = (Rewrite(SIMPLIFICATIONS), FoldConstants(), CommonSubexpressions(), DeadCode())
    return Until(Pipeline(steps, "clean-up"))


def standard(keep: Callable[[Node], bool] | None = None) -> Pipeline:
    """What comes first on every backend; then it legalizes, fuses and plans as it needs.

    Composites are simplified whole before they are expanded, and their parts again after.

    Args:
        keep: True for nodes that the backend runs as they are; all others are decomposed. None
            decomposes nothing.
    """
    steps: list[Pass] = [DeadCode(), Everywhere(clean_up())]
    if keep is not None:
        steps += [Everywhere(Decompose(keep)), Everywhere(clean_up())]
    return Pipeline(tuple(steps), "standard")
