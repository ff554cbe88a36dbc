"""Passes that bring a graph to operators and forms that ONNX has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nngraph.backends.onnx.emit_table import RULES
from nngraph.ir.graph import Graph, Node
from nngraph.ir.op import Op
from nngraph.ir.rewriter import Rewriter
from nngraph.passes.base import Context

__all__ = ["Decompose", "RemoveDead"]


def _writable(op: Op, node: Node) -> bool:
    rule = RULES.get(type(op))
    if rule is None:
        return False
    return rule.lacks is None or not rule.lacks(op, [v.type for v in node.inputs])


@dataclass(frozen=True)
class Decompose:
    """Replaces operators without an emission rule by what they are made of."""

    name: str = "onnx.decompose"

    def run(self, graph: Graph, context: Context) -> int:
        rewriter = Rewriter(graph, "decompose")
        changed = True
        while changed:
            before = rewriter.changes
            for node in graph.nodes:
                if not _writable(node.op, node) and type(node.op).defines("decompose"):
                    rewriter.replace(node, _parts(node.op))
            changed = rewriter.changes > before
        return rewriter.changes


def _parts(op: Op) -> Any:
    return op.decompose


@dataclass(frozen=True)
class RemoveDead:
    """Removes nodes whose results nobody reads."""

    name: str = "onnx.remove-dead"

    def run(self, graph: Graph, context: Context) -> int:
        rewriter = Rewriter(graph)
        for node in graph.reversed_nodes:
            if not any(v.is_used for v in node.outputs):
                rewriter.erase(node)
        return rewriter.changes
