"""Splits a graph with a backward pass in two: what runs at once, and what runs when asked.

Between the two lie the values that the first part keeps for the second. Which they are is a minimum
cut: a value is kept, at the price of its bytes, or computed again from values that are kept, where
that is cheap. (Chen, Xu, Zhang and Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016,
say why to compute again; the cut is as in https://pytorch.org/functorch/stable/notebooks/
minifier.html and "Min-cut optimal recomputation", Horace He, 2022.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from nngraph.ir.analysis import ancestors
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Cost, Trait

__all__ = ["Backward", "partition"]

#: Values that are weighed together at most: a cut takes more than linear time.
_MOST = 400
#: What a symbolic size counts as.
_UNKNOWN = 1024


@dataclass(frozen=True)
class Backward:
    """The second part of a graph.

    Attributes:
        kept: values of the first part that it reads.
        graph: its inputs are ``kept``, then the seeds.
    """

    kept: tuple[Value, ...]
    graph: Graph


def partition(
    seeds: Sequence[Value], gradients: Sequence[Value], held: Collection[Value], name: str
) -> Backward:
    """Copies what ``gradients`` depend on to a graph of its own; the given graph stays as it is.

    Args:
        seeds: values that are inputs of the new graph, whatever makes them here.
        gradients: its outputs.
        held: values that stay in memory in any case: keeping them costs nothing.
        name: of the new graph.
    """
    late = _depending(seeds, gradients)
    read = dict.fromkeys([*(v for n in late for v in n.inputs), *gradients])
    given = set(seeds)
    border = [v for v in read if v.producer not in late and v not in given]
    kept = _cheapest(border, held)
    return Backward(tuple(kept), _copied([*kept, *seeds], gradients, late, name))


def _depending(seeds: Sequence[Value], gradients: Sequence[Value]) -> dict[Node, None]:
    """The nodes between the seeds and the gradients, in the graph's order."""
    above = ancestors(gradients)
    if not above:
        return {}
    reached = set(seeds)
    found: dict[Node, None] = {}
    makers = {v.producer for v in seeds}
    for node in seeds[0].graph.nodes:
        if node in above and node not in makers and any(v in reached for v in node.inputs):
            found[node] = None
            reached.update(node.outputs)
    return found


def _is_again(node: Node | None) -> bool:
    """Whether computing a node again costs no more than reading its result."""
    if node is None:
        return False
    op = node.op
    cheap = Trait.SHAPE in op.traits or (Trait.ELEMENTWISE in op.traits and op.cost < Cost.HEAVY)
    return (cheap or Trait.CREATION in op.traits) and len(node.outputs) == 1


def _cheapest(border: Sequence[Value], held: Collection[Value]) -> list[Value]:
    """The values to keep, from which all on the border can be computed again."""
    kept: dict[Value, None] = {}
    asked = set(border)
    for group in _groups(border):
        wanted = [v for v in group if v in asked]
        small = len(group) <= _MOST
        kept.update(dict.fromkeys(_cut(group, wanted, held) if small else _plain(wanted)))
    return list(kept)


def _plain(wanted: Iterable[Value]) -> list[Value]:
    """The border itself, without what nothing has to be kept for."""
    return [v for v in wanted if not _is_free(v)]


def _is_free(value: Value) -> bool:
    """Whether it is computed from nothing."""
    return value.producer is not None and not value.producer.inputs


def _groups(border: Sequence[Value]) -> list[dict[Value, None]]:
    """Values from which the border can be computed again, those apart that have none in common."""
    groups: list[dict[Value, None]] = []
    owner: dict[Value, int] = {}
    for value in border:
        found: dict[Value, None] = {}
        met: set[int] = set()
        waiting = [value]
        while waiting:
            each = waiting.pop()
            if each in owner:
                met.add(owner[each])
            elif each not in found:
                found[each] = None
                if _is_again(each.producer) and each.producer is not None:
                    waiting += each.producer.inputs
        into = min(met, default=len(groups))
        if into == len(groups):
            groups.append({})
        for other in sorted(met - {into}):
            found.update(groups[other])
            groups[other] = {}
        groups[into].update(found)
        owner.update(dict.fromkeys(found, into))
    return [group for group in groups if group]


def _cut(group: Collection[Value], wanted: Sequence[Value], held: Collection[Value]) -> list[Value]:
    """The minimum cut between what can't be computed again and what is wanted."""
    if len(group) == 1:
        return _plain(wanted)
    import networkx as nx

    flow = nx.DiGraph()
    flow.add_nodes_from(("source", "sink"))
    for value in group:
        if _is_free(value):
            continue
        flow.add_edge((value, "in"), (value, "out"), capacity=_price(value, held))
        node = value.producer
        if node is None or not _is_again(node):
            flow.add_edge("source", (value, "in"))
            continue
        for operand in node.inputs:
            flow.add_edge((operand, "out"), (value, "in"))
    for value in wanted:
        if not _is_free(value):
            flow.add_edge((value, "out"), "sink")
    _, (near, _) = nx.minimum_cut(flow, "source", "sink")
    return [v for v in group if (v, "in") in near and (v, "out") not in near]


def _price(value: Value, held: Collection[Value]) -> int:
    if value in held:
        return 1
    count = 1
    for dim in value.type.shape:
        count *= dim if isinstance(dim, int) else _UNKNOWN
    return 1 + 16 * count * value.type.dtype.numpy.itemsize


def _copied(
    inputs: Sequence[Value], gradients: Sequence[Value], late: Collection[Node], name: str
) -> Graph:
    graph = Graph(name)
    table = {v: graph.add_input(v.type, v.hint) for v in inputs}
    needed = _between(inputs, gradients)
    for node in gradients[0].graph.nodes if gradients else ():
        if node in needed:
            made = graph._add_copy(node, [table[v] for v in node.inputs])
            table.update(zip(node.outputs, made, strict=True))
    for value in gradients:
        graph.add_output(table[value], value.hint)
    return graph


def _between(inputs: Sequence[Value], wanted: Sequence[Value]) -> set[Node]:
    """The nodes that compute what is wanted from the inputs."""
    known = set(inputs)
    found: set[Node] = set()
    waiting = [v for v in wanted if v not in known]
    while waiting:
        node = waiting.pop().producer
        if node is None:
            raise ValueError("a value that was not kept is needed")  # never: the cut holds it off
        if node not in found:
            found.add(node)
            waiting += [v for v in node.inputs if v not in known]
    return found
