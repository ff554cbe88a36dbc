"""The passes that every backend runs first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nngraph.ir.graph import Graph, Node
from nngraph.passes.base import Context, Pass, Pipeline, Until
from nngraph.passes.cse import CommonSubexpressions
from nngraph.passes.dce import DeadCode
from nngraph.passes.decompose import Decompose
from nngraph.passes.fold import FoldConstants
from nngraph.passes.nested import InBodies
from nngraph.passes.rewrite import Rewrite
from nngraph.passes.simplify import SIMPLIFICATIONS

__all__ = ["Everywhere", "clean_up", "standard"]


@dataclass(frozen=True)
class Everywhere:
    """Runs a pass on the graph, then on the graphs that its operators hold."""

    step: Pass

    @property
    def name(self) -> str:
        return self.step.name

    def run(self, graph: Graph, context: Context) -> int:
        return self.step.run(graph, context) + InBodies(self.step).run(graph, context)


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
