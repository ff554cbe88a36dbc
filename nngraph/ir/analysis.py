"""Questions about whole graphs: who depends on what, what is alive when, and networkx."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nngraph.ir.graph import Graph, Node, Value

__all__ = ["ancestors", "descendants", "last_reads", "live_bytes", "to_networkx"]


def to_networkx(graph: Graph) -> Any:
    """A ``networkx.DiGraph`` whose nodes are parameters (``Value``), ``Node`` objects and results.

    Each graph node has ``kind`` (``"input"``, ``"scalar"``, ``"state"``, ``"node"``, ``"output"``,
    ``"next state"``) and ``label``; each edge has ``values``, the tensors that flow along it.
    Results are pairs ``(kind, name)``.
    """
    import networkx as nx

    out = nx.DiGraph(name=graph.name)
    for value in graph.inputs:
        out.add_node(value, kind="input", label=value.hint)
    for name, value in graph.scalars.items():
        out.add_node(value, kind="scalar", label=name)
    for state in graph.states:
        out.add_node(state.input, kind="state", label=state.name)
    for node in graph.nodes:
        out.add_node(node, kind="node", label=node.op.name)
        for value in node.inputs:
            _connect(out, value, node)
    for position, (value, name) in enumerate(zip(graph.outputs, graph.output_names, strict=True)):
        key = ("output", name or str(position))
        out.add_node(key, kind="output", label=name)
        _connect(out, value, key)
    for state in graph.states:
        key = ("next state", state.name)
        out.add_node(key, kind="next state", label=state.name)
        _connect(out, state.output, key)
    return out


def _connect(out: Any, value: Value, reader: object) -> None:
    source = value.producer or value
    if out.has_edge(source, reader):
        values = out.edges[source, reader]["values"]
        out.edges[source, reader]["values"] = tuple(dict.fromkeys((*values, value)))
    else:
        out.add_edge(source, reader, values=(value,))


def descendants(graph: Graph, values: Iterable[Value]) -> set[Node]:
    """The nodes that depend on any of ``values``."""
    reached = set(values)
    found: set[Node] = set()
    for node in graph.nodes:
        if any(v in reached for v in node.inputs):
            found.add(node)
            reached.update(node.outputs)
    return found


def ancestors(values: Iterable[Value]) -> set[Node]:
    """The nodes that ``values`` depend on."""
    found: set[Node] = set()
    open_nodes = [v.producer for v in values if v.producer is not None]
    while open_nodes:
        node = open_nodes.pop()
        if node not in found:
            found.add(node)
            open_nodes += [v.producer for v in node.inputs if v.producer is not None]
    return found


def last_reads(graph: Graph) -> dict[Value, int]:
    """For each value the position of the node after which nobody reads it any more.

    A value that no node reads dies where it is made (parameters: at -1). Results of the graph live
    to its end, the number of nodes.
    """
    last: dict[Value, int] = dict.fromkeys(graph.parameters, -1)
    position = -1
    for position, node in enumerate(graph.nodes):
        last.update(dict.fromkeys((*node.inputs, *node.outputs), position))
    last.update(dict.fromkeys(graph.results, position + 1))
    return last


def live_bytes(graph: Graph) -> list[int]:
    """Bytes of the values alive while each node runs; parameters count from the start.

    Raises:
        ValueError: if a shape is symbolic.
    """
    dying: dict[int, int] = {}
    for value, end in last_reads(graph).items():
        dying[end] = dying.get(end, 0) + value.type.nbytes
    alive = sum(v.type.nbytes for v in graph.parameters) - dying.get(-1, 0)
    series = []
    for position, node in enumerate(graph.nodes):
        alive += sum(v.type.nbytes for v in node.outputs)
        series.append(alive)
        alive -= dying.get(position, 0)
    return series
