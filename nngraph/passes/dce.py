"""Dead code elimination."""

from __future__ import annotations

from dataclasses import dataclass

from nngraph.ir.graph import Graph, Node
from nngraph.ir.rewriter import Rewriter
from nngraph.ops.scan import Scan
from nngraph.passes.base import Context

__all__ = ["DeadCode"]


@dataclass(frozen=True)
class DeadCode:
    """Removes nodes none of whose outputs is read, and what a loop stacks and nobody reads.

    Parameters stay, used or not.
    """

    name: str = "dce"

    def run(self, graph: Graph, context: Context) -> int:
        rewriter = Rewriter(graph, self.name)
        for node in graph.reversed_nodes:
            if not any(v.is_used for v in node.outputs):
                rewriter.erase(node)
            elif isinstance(node.op, Scan) and not all(v.is_used for v in node.outputs):
                _drop_stacks(rewriter, node, node.op)
        return rewriter.changes


def _drop_stacks(rewriter: Rewriter, node: Node, op: Scan) -> None:
    unread = {i for i, v in enumerate(node.outputs) if i >= op.carries and not v.is_used}
    if not unread:
        return

    made = rewriter.graph.add_node(op.without(unread), node.inputs, node.origin, node)
    kept = iter(made.outputs)
    for position, value in enumerate(node.outputs):
        if position not in unread:
            value.replace_uses(next(kept))
    rewriter.erase(node)
