"""Expands operators that a backend lacks into those that it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nngraph.ir.builder import Recording
from nngraph.ir.dims import UnknownSize
from nngraph.ir.graph import Graph, Node
from nngraph.ir.rewriter import Rewriter
from nngraph.passes.base import Context

__all__ = ["Decompose", "keep_primitives"]

_DEEPEST = 32


def keep_primitives(node: Node) -> bool:
    """Keeps what has no decomposition: everything that can be expanded is."""
    return not type(node.op).defines("decompose")


@dataclass(frozen=True)
class Decompose:
    """Replaces each node that ``keep`` refuses by its decomposition, and goes on with the parts.

    Operators without a decomposition stay: the backend reports them, with all its other gaps.
    """

    keep: Callable[[Node], bool] = keep_primitives
    name: str = "decompose"

    def run(self, graph: Graph, context: Context) -> int:
        rewriter = Rewriter(graph, self.name)
        for node in graph.nodes:  # parts go before the node, so the iteration does not meet them
            self._expand(rewriter, node, ())
        return rewriter.changes

    def _expand(self, rewriter: Rewriter, node: Node, inside: tuple[str, ...]) -> None:
        """Expands one node and its parts.

        Raises:
            RuntimeError: if decompositions lead back to themselves.
        """
        if not type(node.op).defines("decompose") or self.keep(node):
            return
        if len(inside) > _DEEPEST:
            path = " -> ".join(dict.fromkeys(inside))
            raise RuntimeError(f"decomposing {path} never ends: some part is made of itself")
        origin = node.origin.through(self.name)
        with Recording(rewriter.graph, node, origin) as builder:
            try:
                values = tuple(node.op.decompose(*node.inputs))
            except UnknownSize:  # stays as it is: what a backend lacks, it names with its origin
                return
        rewriter.replace_by(node, values)
        for part in builder.nodes:
            self._expand(rewriter, part, (*inside, node.op.name))
