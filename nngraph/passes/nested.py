"""Runs passes on nested graphs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from nngraph.ir.attributes import Subgraph, attributes, subgraphs
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph, Node
from nngraph.ir.op import Op
from nngraph.ir.rewriter import Rewriter
from nngraph.passes.base import Context, Pass

__all__ = ["Everywhere", "InBodies"]


@dataclass(frozen=True)
class InBodies:
    """Runs a pass on the graphs that operators hold, innermost first.

    Nested graphs never change in place: a node whose graph changes gets another operator.
    """

    step: Pass

    @property
    def name(self) -> str:
        return f"bodies({self.step.name})"

    def run(self, graph: Graph, context: Context) -> int:
        rewriter = Rewriter(graph)
        total = 0
        for node in graph.nodes:
            if not any(subgraphs(node.op)):
                continue
            op, changes = self._changed(node.op, context)
            total += changes
            if changes:
                _exchange(rewriter, node, op)
        return total

    def _changed(self, op: Op, context: Context) -> tuple[Op, int]:
        changes = 0

        def visit(value: Any) -> Any:
            nonlocal changes
            if isinstance(value, tuple):
                return tuple(map(visit, value))
            if not isinstance(value, Subgraph):
                return value
            body = value.graph.clone()
            made = self.run(body, context) + self.step.run(body, context)
            changes += made
            return Subgraph(body) if made else value

        new = {name: visit(value) for name, value in attributes(op)}
        return (dataclasses.replace(op, **new) if changes else op), changes


def _exchange(rewriter: Rewriter, node: Node, op: Op) -> None:
    builder = Builder(rewriter.graph, node, node.origin)
    rewriter.replace_by(node, builder.apply(op, node.inputs))


@dataclass(frozen=True)
class Everywhere:
    """Runs a pass on the graph, then on the graphs that its operators hold."""

    step: Pass

    @property
    def name(self) -> str:
        return self.step.name

    def run(self, graph: Graph, context: Context) -> int:
        return self.step.run(graph, context) + InBodies(self.step).run(graph, context)
