"""A graph as an operator attribute: never changed, equal and hashed by its text."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the nodes of a graph hold such attributes
    from nngraph.ir.graph import Graph

__all__ = ["Subgraph"]


class Subgraph:
    """Wraps a graph that nobody changes any more (origins and names don't count for equality)."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def text(self) -> str:
        """The graph's text without origins and names."""
        return self.graph.text(origins=False, names=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Subgraph) and (
            self.graph is other.graph or self.text == other.text
        )

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Subgraph({len(self.graph)} nodes)"
