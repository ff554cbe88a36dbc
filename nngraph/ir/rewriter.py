"""Replaces nodes by what a rule builds in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph, Node, Value

__all__ = ["Rewriter"]


class Rewriter:
    """Rewrites one graph for one named transform and counts the changes."""

    def __init__(self, graph: Graph, transform: str = "") -> None:
        self.graph = graph
        self.transform = transform
        self.changes = 0

    def replace(self, node: Node, build: Callable[..., Sequence[Value]]) -> tuple[Value, ...]:
        """Puts ``build(*node.inputs)`` in the node's place and erases the node.

        New nodes go before it and carry its origin, with the transform's name added.
        """
        with self.at(node):
            new = tuple(build(*node.inputs))
        self.replace_by(node, new)
        return new

    def replace_by(self, node: Node, values: Sequence[Value]) -> None:
        """Makes readers of the node's outputs read ``values`` and erases the node."""
        for old, new in zip(node.outputs, values, strict=True):
            if old.hint and not new.hint and new.producer is not None:
                new.hint = old.hint
            old.replace_uses(new)
        self.graph.erase(node)
        self.changes += 1

    def at(self, node: Node) -> Builder:
        """A builder that inserts before ``node`` with its origin."""
        return Builder(self.graph, node, node.origin.through(self.transform))

    def erase(self, node: Node) -> None:
        """Removes a node that nobody reads."""
        self.graph.erase(node)
        self.changes += 1
