"""The invariants of a graph, numbered, and the check of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nngraph.ir.attributes import op_key, subgraphs
from nngraph.ir.graph import Graph, Node, User, Value
from nngraph.ir.op import Op
from nngraph.ir.types import TensorType

__all__ = ["INVARIANTS", "InvalidGraph", "verify"]

INVARIANTS: Final = {
    1: "Nodes form one chain, linked both ways, as long as the graph says; each stands in it once.",
    2: "A node reads only parameters of the graph and outputs of nodes before it.",
    3: "Every node and value belongs to the graph that holds it, and knows its producer and place.",
    4: "A value's uses are exactly the inputs that read it, each once.",
    5: "A node's operator is of the kind `Op`, and its attributes are values that text can carry.",
    6: "A node's output types are what its operator infers from the types of its inputs.",
    7: "Each state has one value after a call, of the state's own type.",
    8: "Scalars have no axes.",
    9: "No two inputs share a name, no two outputs; inputs without a name are told by position.",
    10: "Each output has a name or the empty text, and is a value of the graph.",
    11: "Nested graphs are valid themselves, and have neither states nor scalars: they are closed.",
}


class InvalidGraph(ValueError):
    """A graph breaks an invariant; the text gives its number, the node and where it comes from.

    Attributes:
        invariant: the number in ``INVARIANTS``.
        node: the node where it shows, if it shows at one.
    """

    def __init__(self, graph: Graph, invariant: int, what: str, node: Node | None = None) -> None:
        self.invariant = invariant
        self.node = node
        place = ""
        if node is not None:
            origin = str(node.origin) or "an unknown place"
            place = f" at {getattr(node.op, 'name', node.op)} from {origin}"
        super().__init__(
            f"graph {graph.name!r} breaks invariant {invariant}{place}: {what}\n"
            f"  {invariant}. {INVARIANTS[invariant]}"
        )


def verify(graph: Graph) -> None:
    """Checks every invariant in time linear in the size of the graph.

    Raises:
        InvalidGraph: for the first one that is broken.
    """
    nodes = _chain(graph)
    _interface(graph)
    reads: dict[Value, set[tuple[User, int]]] = {v: set() for v in graph.parameters}
    for node in nodes:
        _reads(graph, node, reads)
        _node(graph, node)
        for index, out in enumerate(node.outputs):
            if out.graph is not graph or out.producer is not node or out.index != index:
                raise InvalidGraph(graph, 3, f"output {index} is not marked as its own", node)
            reads[out] = set()
    _results(graph, reads)
    _uses(graph, reads)


def _chain(graph: Graph) -> list[Node]:
    """The nodes in order, after a look at every link (invariants 1 and 3)."""
    nodes: list[Node] = []
    seen: set[Node] = set()
    node, before = graph._first, None
    while node is not None:
        if node in seen or node._prev is not before or not node._attached:
            raise InvalidGraph(graph, 1, "the links around it disagree", node)
        if node.graph is not graph:
            raise InvalidGraph(graph, 3, f"it belongs to graph {node.graph.name!r}", node)
        seen.add(node)
        nodes.append(node)
        node, before = node._next, node
    if graph._last is not before or len(nodes) != len(graph):
        raise InvalidGraph(graph, 1, f"{len(nodes)} nodes are linked, {len(graph)} counted")
    return nodes


def _interface(graph: Graph) -> None:
    """Invariants 3, 7, 8, 9 and 10 of inputs, scalars, states and outputs."""
    states = graph._states
    if len(graph._next_states._inputs) != len(states):
        wrong = f"{len(states)} states, {len(graph._next_states._inputs)} values after a call"
        raise InvalidGraph(graph, 7, wrong)
    for kind in (graph._inputs, tuple(graph._scalars.values()), tuple(states.values())):
        for index, value in enumerate(kind):
            if value.graph is not graph or value.producer is not None or value.index != index:
                raise InvalidGraph(graph, 3, f"parameter {value!r} is not marked as its own")
    for name, value in graph._scalars.items():
        if value.type.rank:
            raise InvalidGraph(graph, 8, f"scalar {name!r} is {value.type}")
    for state in graph.states:
        if state.output.type != state.input.type:
            wrong = f"state {state.name!r} is {state.input.type} and becomes {state.output.type}"
            raise InvalidGraph(graph, 7, wrong)
    if len(graph._labels) != len(graph._outputs._inputs):
        wrong = f"{len(graph._outputs._inputs)} outputs, {len(graph._labels)} names"
        raise InvalidGraph(graph, 10, wrong)
    for twice in (_twice([v.hint for v in graph._inputs]), _twice(graph.output_names)):
        if twice:
            raise InvalidGraph(graph, 9, f"{twice!r} names two")


def _twice(names: Sequence[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name and name in seen:
            return name
        seen.add(name)
    return ""


def _reads(graph: Graph, node: Node, reads: dict[Value, set[tuple[User, int]]]) -> None:
    for position, value in enumerate(node._inputs):
        if value.graph is not graph:
            wrong = f"input {position} belongs to graph {value.graph.name!r}"
            raise InvalidGraph(graph, 3, wrong, node)
        if value not in reads:
            raise InvalidGraph(graph, 2, f"input {position} is made later or no more", node)
        reads[value].add((node, position))


def _node(graph: Graph, node: Node) -> None:
    """Invariants 5, 6 and 11 of one node."""
    if not isinstance(node.op, Op):
        raise InvalidGraph(graph, 5, f"{node.op!r} is no operator", node)
    try:
        op_key(node.op)
    except TypeError as error:
        raise InvalidGraph(graph, 5, str(error), node) from None
    types = _inferred(graph, node)
    found = tuple(v.type for v in node.outputs)
    if found != types:
        wrong = f"has {', '.join(map(str, found))}; infers {', '.join(map(str, types))}"
        raise InvalidGraph(graph, 6, wrong, node)
    for nested in subgraphs(node.op):
        inner = nested.graph
        if inner._states or inner._scalars:
            raise InvalidGraph(graph, 11, f"graph {inner.name!r} is not closed", node)
        try:
            verify(inner)
        except InvalidGraph as error:
            raise InvalidGraph(graph, 11, str(error), node) from error


def _inferred(graph: Graph, node: Node) -> tuple[TensorType, ...]:
    try:
        return tuple(node.op.infer(*(v.type for v in node._inputs)))
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise InvalidGraph(graph, 6, f"refuses its inputs: {error}", node) from error


def _results(graph: Graph, reads: dict[Value, set[tuple[User, int]]]) -> None:
    for number, results in ((10, graph._outputs), (7, graph._next_states)):
        for position, value in enumerate(results._inputs):
            if value not in reads:
                wrong = f"result {position}, {value!r}, is made by no node of the graph"
                raise InvalidGraph(graph, number, wrong)
            reads[value].add((results, position))


def _uses(graph: Graph, reads: dict[Value, set[tuple[User, int]]]) -> None:
    for value, wanted in reads.items():
        if value._uses.keys() != wanted:
            wrong = f"{value!r} counts {len(value._uses)} uses; {len(wanted)} inputs read it"
            raise InvalidGraph(graph, 4, wrong, value.producer)
