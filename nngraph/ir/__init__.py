"""The graph: types, operators, values, nodes, text, checks. Names no operator."""

from __future__ import annotations

from nngraph.ir.graph import Graph
from nngraph.ir.text import print_graph

# ``print(graph)`` shows all of it, although the graph knows nothing of its printer.
Graph.__str__ = print_graph  # type: ignore[assignment, method-assign]
