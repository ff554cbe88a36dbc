"""Adds nodes at an insertion point, with the origin that they carry."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self

from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Op
from nngraph.ir.origin import NOWHERE, Origin

__all__ = ["Builder", "Recording"]

_stack: ContextVar[tuple[Builder, ...]] = ContextVar("nngraph_builders", default=())


class Builder:
    """``with Builder(graph, before=node):`` makes operator functions add nodes there.

    Attributes:
        graph: what it adds to.
        before: new nodes go before this one; None appends.
        origin: stamped on each new node.
    """

    def __init__(self, graph: Graph, before: Node | None = None, origin: Origin = NOWHERE) -> None:
        self.graph = graph
        self.before = before
        self.origin = origin
        self._tokens: list[Token[tuple[Builder, ...]]] = []

    def add(self, op: Op, inputs: Sequence[Value], origin: Origin) -> tuple[Value, ...]:
        """Adds a node with an origin of its own."""
        return self.graph.add_node(op, inputs, origin, self.before).outputs

    def apply(self, op: Op, inputs: Sequence[Value]) -> tuple[Value, ...]:
        """Adds a node with the builder's origin."""
        return self.add(op, inputs, self.origin)

    @staticmethod
    def current() -> Builder:
        """The innermost builder in force.

        Raises:
            RuntimeError: if there is none.
        """
        stack = _stack.get()
        if not stack:
            raise RuntimeError("no Builder is in force: wrap the code in `with Builder(graph):`")
        return stack[-1]

    def __enter__(self) -> Self:
        self._tokens.append(_stack.set((*_stack.get(), self)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        _stack.reset(self._tokens.pop())


class Recording(Builder):
    """A builder that notes the nodes it adds."""

    def __init__(self, graph: Graph, before: Node | None = None, origin: Origin = NOWHERE) -> None:
        super().__init__(graph, before, origin)
        self.nodes: list[Node] = []

    def add(self, op: Op, inputs: Sequence[Value], origin: Origin) -> tuple[Value, ...]:
        node = self.graph.add_node(op, inputs, origin, self.before)
        self.nodes.append(node)
        return node.outputs
