"""Common subexpression elimination."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from nngraph.ir.attributes import op_key
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Trait
from nngraph.ir.rewriter import Rewriter
from nngraph.ops.scan import Scan
from nngraph.passes.base import Context

__all__ = ["CommonSubexpressions"]


@dataclass(frozen=True)
class CommonSubexpressions:
    """Keeps the first of several nodes that apply the same operator to the same values, and of
    several stacks that a loop makes of one value.

    Attributes count bit by bit (``0.0`` is not ``-0.0``), inputs of commutative operators in any
    order. Random operators are functions of their state: with the same state they are the same.
    """

    name: str = "cse"

    def run(self, graph: Graph, context: Context) -> int:
        rewriter = Rewriter(graph, self.name)
        known: dict[Hashable, Node] = {}
        for node in graph.nodes:
            first = known.setdefault(_key(node), node)
            if first is not node:
                rewriter.replace_by(node, first.outputs)
            elif isinstance(node.op, Scan):
                _merge_stacks(rewriter, node, node.op)
        return rewriter.changes


def _merge_stacks(rewriter: Rewriter, node: Node, op: Scan) -> None:
    """Of several stacks of one value the first is read; what nobody reads is dead code."""
    known: dict[Value, Value] = {}
    for made, stack in list(zip(op.body.graph.outputs, node.outputs, strict=True))[op.carries :]:
        first = known.setdefault(made, stack)
        if first is not stack and stack.is_used:
            stack.replace_uses(first)
            rewriter.changes += 1


def _key(node: Node) -> Hashable:
    inputs = [id(v) for v in node.inputs]
    if Trait.COMMUTATIVE in node.op.traits:
        inputs.sort()
    return (op_key(node.op), tuple(inputs))
