"""Dead code elimination."""

from __future__ import annotations

from dataclasses import dataclass

from nngraph.ir.graph import Graph
from nngraph.ir.rewriter import Rewriter
from nngraph.passes.base import Context

__all__ = ["DeadCode"]


@dataclass(frozen=True)
class DeadCode:
    """Removes nodes none of whose outputs is read; parameters stay, used or not."""

    name: str = "dce"

    def run(self, graph: Graph, context: Context) -> int:
        rewriter = Rewriter(graph, self.name)
        for node in graph.reversed_nodes:
            if not any(v.is_used for v in node.outputs):
                rewriter.erase(node)
        return rewriter.changes
