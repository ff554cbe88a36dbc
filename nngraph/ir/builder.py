"""Adds nodes at an insertion point, with the origin that they carry."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Op
from nngraph.ir.origin import NOWHERE, Origin

__all__ = ["Builder", "Recording"]


class Builder:
    """``with Builder(graph, before=node):`` makes operator functions add nodes there.

    Builders nest; each graph has its own, so that code may build two graphs at once.

    Attributes:
        graph: what it adds to.
        before: new nodes go before this one; None appends.
        origin: stamped on each new node.
    """

    def __init__(self, graph: Graph, before: Node | None = None, origin: Origin = NOWHERE) -> None:
        self.graph = graph
        self.before = before
        self.origin = origin

    def add(self, op: Op, inputs: Sequence[Value], origin: Origin) -> tuple[Value, ...]:
        """Adds a node with an origin of its own."""
        return self.graph.add_node(op, inputs, origin, self.before).outputs

    def apply(self, op: Op, inputs: Sequence[Value]) -> tuple[Value, ...]:
        """Adds a node with the builder's origin."""
        return self.add(op, inputs, self.origin)

    def copy(self, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
        """Adds a node like ``node``, of any graph, that reads ``inputs``."""
        return self.add(node.op, inputs, node.origin)

    def __enter__(self) -> Self:
        self.graph._appliers.append(self.apply)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.graph._appliers.pop()


class Recording(Builder):
    """A builder that notes the nodes it adds."""

    def __init__(self, graph: Graph, before: Node | None = None, origin: Origin = NOWHERE) -> None:
        super().__init__(graph, before, origin)
        self.nodes: list[Node] = []

    def add(self, op: Op, inputs: Sequence[Value], origin: Origin) -> tuple[Value, ...]:
        node = self.graph.add_node(op, inputs, origin, self.before)
        self.nodes.append(node)
        return node.outputs
