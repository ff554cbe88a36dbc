"""Finds the smallest part of a graph that a backend computes otherwise than the reference.

First by passes: the one after which the graph, evaluated in NumPy, means something else. Then by
nodes, as in delta debugging: a part is cut out, with the values that it meets as its inputs,
compiled alone, and kept if it still disagrees.

Paper: Zeller and Hildebrandt, Simplifying and isolating failure-inducing input, 2002,
https://doi.org/10.1109/32.988498
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nngraph.backends.arrays import aligned_copy
from nngraph.backends.build import Built, build
from nngraph.ir.analysis import ancestors
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Array
from nngraph.passes.base import Context
from nngraph.runtime.agreement import Difference, differences, result_names

__all__ = ["Reduced", "first_wrong_pass", "reduced"]


@dataclass(frozen=True)
class Reduced:
    """A part of a graph that disagrees when it is compiled alone.

    Attributes:
        graph: it, with what it meets as inputs.
        arguments: those inputs.
        differences: how far its results are from the reference, the faults alone.
        tried: how many parts were compiled.
    """

    graph: Graph
    arguments: tuple[Array, ...]
    differences: tuple[Difference, ...]
    tried: int


def first_wrong_pass(
    graph: Graph, built: Built[Any], arguments: Sequence[Array]
) -> tuple[str, Difference] | None:
    """The first pass of the backend after which the graph has other results in NumPy.

    Args:
        graph: as traced, of static sizes.
        built: what it was compiled to.
        arguments: one for each parameter of the graph.

    Returns:
        The name of the pass, and the result that is farthest; None if every pass is right.
    """
    names = result_names(graph)
    found: list[tuple[str, Difference]] = []

    def reference(*arrays: Array) -> Sequence[Array]:
        return evaluate(graph, arrays)

    def look(step: Any, now: Graph, changes: int) -> None:
        if found or not changes:
            return
        rows = differences(reference, arguments, evaluate(now, arguments), names)
        worst = max(rows, key=lambda row: row.excess)
        if worst.is_fault:
            found.append((step.name, worst))

    pipeline = built.backend.pipeline(built.target).observed(look)
    pipeline.run(graph.clone(), Context(strict=built.target.strict))
    return found[0] if found else None


def reduced(graph: Graph, built: Built[Any], arguments: Sequence[Array]) -> Reduced | None:
    """The smallest part that was found; None if the graph itself does not disagree.

    Args:
        graph: as traced, of static sizes.
        built: what it was compiled to.
        arguments: one for each parameter of the graph.

    Raises:
        UnsupportedGraph: if the backend lacks something.
    """
    search = _Search(graph, built, arguments)
    nodes = list(graph.nodes)
    if not search.faults(nodes):
        return None
    nodes = search.of_one_result(nodes)
    nodes = search.without_what_is_before(nodes)
    nodes = search.without_single_nodes(nodes)
    part, given = search.cut(nodes)
    return Reduced(part, given, tuple(search.faults(nodes)), search.tried)


class _Search:
    """Tries parts of one graph."""

    def __init__(self, graph: Graph, built: Built[Any], arguments: Sequence[Array]) -> None:
        self.graph = graph
        self.built = built
        self.tried = 0
        self.values: dict[Value, Array] = dict(zip(graph.parameters, arguments, strict=True))

        def note(node: Node, inputs: tuple[Array, ...], outputs: tuple[Array, ...]) -> None:
            self.values.update(zip(node.outputs, outputs, strict=True))

        evaluate(graph, arguments, note)

    def cut(self, nodes: Sequence[Node]) -> tuple[Graph, tuple[Array, ...]]:
        """A graph of these nodes alone, in their order, and its arguments."""
        part = Graph(f"{self.graph.name}_part")
        inside = Counter(value for node in nodes for value in node.inputs)
        made_here = dict.fromkeys(value for node in nodes for value in node.outputs)
        table: dict[Value, Value] = {}
        given: list[Array] = []
        for value in dict.fromkeys(v for node in nodes for v in node.inputs):
            if value not in made_here:
                table[value] = part.add_input(value.type, value.hint)
                given.append(self.values[value])
        for node in nodes:
            made = part.add_node(node.op, [table[v] for v in node.inputs], node.origin)
            table.update(zip(node.outputs, made.outputs, strict=True))
        for value in made_here:  # what others read, or nobody
            if value.use_count > inside[value] or not value.is_used:
                part.add_output(table[value], value.hint or f"out{len(part.outputs)}")
        return part, tuple(given)

    def faults(self, nodes: Sequence[Node]) -> list[Difference]:
        """The results of a part that disagree when it is compiled alone."""
        self.tried += 1
        part, given = self.cut(nodes)
        if not part.outputs:
            return []
        executable = build(self.built.backend, part, self.built.target).executable
        got, _ = executable.run([aligned_copy(a) for a in given], [], [])

        def reference(*arrays: Array) -> Sequence[Array]:
            return evaluate(part, arrays)

        return [r for r in differences(reference, given, got, result_names(part)) if r.is_fault]

    def of_one_result(self, nodes: Sequence[Node]) -> list[Node]:
        """What one of the results that disagree depends on."""
        best = list(nodes)
        for result in dict.fromkeys(self.graph.results):
            below = {*ancestors([result])}
            kept = [node for node in nodes if node in below]
            if kept and len(kept) < len(best) and self.faults(kept):
                best = kept
        return best

    def without_what_is_before(self, nodes: list[Node]) -> list[Node]:
        """Bisects: the last nodes that disagree, with what the others give them as inputs."""
        low, high = 0, len(nodes) - 1  # from `low` on they disagree; from beyond `high` on, none do
        while low < high:
            middle = (low + high + 1) // 2
            if self.faults(nodes[middle:]):
                low = middle
            else:
                high = middle - 1
        return nodes[low:]

    def without_single_nodes(self, nodes: list[Node]) -> list[Node]:
        """Leaves out half of them, a quarter, ..., one, as long as the rest disagrees."""
        size = len(nodes) // 2
        while size:
            start = len(nodes) - size
            while start >= 0 and len(nodes) > 1:
                rest = nodes[:start] + nodes[start + size :]
                if rest and self.faults(rest):
                    nodes = rest
                start -= size
            size //= 2
        return nodes
