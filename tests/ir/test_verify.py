from __future__ import annotations

from collections.abc import Callable

import pytest

from nngraph.ir.attributes import Subgraph
from nngraph.ir.graph import Graph, Node
from nngraph.ir.origin import Origin
from nngraph.ir.types import tensor_type
from nngraph.ir.verify import INVARIANTS, InvalidGraph, verify
from tests.support.toy import F32, Add, Halves, Neg, Tagged, body, chain

F64 = tensor_type("f64", (2,))


def example() -> Graph:
    """Makes x -> neg -> add(neg, x), a scalar, a state that becomes the sum, one named output."""
    graph = Graph("step")
    x = graph.add_input(F32, "x")
    graph.add_scalar("lr", tensor_type("f32"))
    graph.add_state("w", F32)
    first = graph.add_node(Neg(), [x], Origin("net.first", "train.py", 3))
    second = graph.add_node(Add(), [first.output, x], Origin("net.second", "train.py", 4))
    graph.set_state("w", second.output)
    graph.add_output(second.output, "y")
    return graph


def nodes(graph: Graph) -> list[Node]:
    return list(graph.nodes)


def test_good_graphs_pass() -> None:
    verify(Graph())
    verify(example())
    verify(chain(100))
    nested = example()
    nested.add_node(Tagged((body(), 1)), [nested.inputs[0]])
    verify(nested)


def broken_link(graph: Graph) -> None:
    nodes(graph)[1]._prev = None


def broken_end(graph: Graph) -> None:
    graph._last = graph._first


def wrong_count(graph: Graph) -> None:
    graph._size = 3


def cycle_of_links(graph: Graph) -> None:
    first, second = nodes(graph)
    second._next = first


def erased_but_linked(graph: Graph) -> None:
    nodes(graph)[0]._attached = False


def wrong_order(graph: Graph) -> None:
    first, second = nodes(graph)
    graph.move_before(second, first)


def reads_erased(graph: Graph) -> None:
    graph._unlink(nodes(graph)[0])


def node_of_another_graph(graph: Graph) -> None:
    nodes(graph)[0].graph = Graph("other")


def value_of_another_graph(graph: Graph) -> None:
    nodes(graph)[1]._inputs[1] = Graph("other").add_input(F32)


def wrong_producer(graph: Graph) -> None:
    first, second = nodes(graph)
    first.outputs[0].producer = second


def wrong_index(graph: Graph) -> None:
    nodes(graph)[0].outputs[0].index = 1


def parameter_with_producer(graph: Graph) -> None:
    graph.inputs[0].producer = nodes(graph)[0]


def wrong_state_index(graph: Graph) -> None:
    graph.states[0].input.index = 4


def use_missing(graph: Graph) -> None:
    del graph.inputs[0]._uses[(nodes(graph)[1], 1)]


def use_too_many(graph: Graph) -> None:
    graph.inputs[0]._uses[(nodes(graph)[1], 0)] = None


def result_use_missing(graph: Graph) -> None:
    graph.outputs[0]._uses.popitem()


def no_operator(graph: Graph) -> None:
    nodes(graph)[0].op = "neg"  # type: ignore[assignment]


def unprintable_attribute(graph: Graph) -> None:
    nodes(graph)[0].op = Tagged([1])


def wrong_type(graph: Graph) -> None:
    nodes(graph)[0].outputs[0].type = F64


def wrong_number_of_outputs(graph: Graph) -> None:
    node = nodes(graph)[0]
    node.outputs = (*node.outputs, nodes(graph)[1].output)


def operator_that_refuses(graph: Graph) -> None:
    nodes(graph)[1].op = Neg()


def operator_of_other_types(graph: Graph) -> None:
    nodes(graph)[0].op = Halves()


def state_of_other_type(graph: Graph) -> None:
    graph.states[0].input.type = F64


def state_without_value(graph: Graph) -> None:
    graph._states["v"] = graph.states[0].input


def scalar_with_axes(graph: Graph) -> None:
    graph.scalars["lr"].type = F32


def inputs_of_one_name(graph: Graph) -> None:
    graph.add_input(F32, "x")


def outputs_of_one_name(graph: Graph) -> None:
    graph.add_output(graph.inputs[0], "y")


def output_without_name(graph: Graph) -> None:
    graph._labels.clear()


def output_of_nowhere(graph: Graph) -> None:
    loose = graph.add_node(Neg(), [graph.inputs[0]])
    graph.add_output(loose.output)
    loose._release()
    graph._unlink(loose)


def state_from_nowhere(graph: Graph) -> None:
    loose = graph.add_node(Neg(), [graph.inputs[0]])
    graph.set_state("w", loose.output)
    loose._release()
    graph._unlink(loose)


def bad_nested_graph(graph: Graph) -> None:
    inner = example()
    inner._states.clear()
    inner._next_states._release()
    inner._scalars.clear()
    wrong_type(inner)
    graph.add_node(Tagged(Subgraph(inner)), [graph.inputs[0]], Origin("net.loop"))


def nested_graph_with_state(graph: Graph) -> None:
    inner = Graph("inner")
    inner.add_state("s", F32)
    graph.add_node(Tagged((1, Subgraph(inner))), [graph.inputs[0]], Origin("net.loop"))


BREAKS: list[tuple[Callable[[Graph], None], int, str]] = [
    (broken_link, 1, "add from net.second @ train.py:4"),
    (broken_end, 1, "2 nodes are linked"),
    (wrong_count, 1, "2 nodes are linked, 3 counted"),
    (cycle_of_links, 1, "neg from net.first"),
    (erased_but_linked, 1, "neg from net.first"),
    (wrong_order, 2, "add from net.second @ train.py:4: input 0 is made later"),
    (reads_erased, 2, "add from net.second"),
    (node_of_another_graph, 3, "it belongs to graph 'other'"),
    (value_of_another_graph, 3, "input 1 belongs to graph 'other'"),
    (wrong_producer, 3, "neg from net.first @ train.py:3"),
    (wrong_index, 3, "output 0 is not marked"),
    (parameter_with_producer, 3, "parameter"),
    (wrong_state_index, 3, "parameter"),
    (use_missing, 4, "counts 1 uses; 2 inputs read it"),
    (use_too_many, 4, "counts 3 uses; 2 inputs read it"),
    (result_use_missing, 4, "counts 1 uses; 2 inputs read it"),
    (no_operator, 5, "'neg' is no operator"),
    (unprintable_attribute, 5, "cannot be an operator attribute"),
    (wrong_type, 6, "has f64[2]; infers f32[2]"),
    (wrong_number_of_outputs, 6, "has f32[2], f32[2]; infers f32[2]"),
    (operator_that_refuses, 6, "refuses its inputs"),
    (operator_of_other_types, 6, "infers f32[1], f32[1]"),
    (state_of_other_type, 7, "state 'w' is f64[2] and becomes f32[2]"),
    (state_without_value, 7, "2 states, 1 values after a call"),
    (state_from_nowhere, 7, "made by no node"),
    (scalar_with_axes, 8, "scalar 'lr' is f32[2]"),
    (inputs_of_one_name, 9, "'x' names two"),
    (outputs_of_one_name, 9, "'y' names two"),
    (output_without_name, 10, "1 outputs, 0 names"),
    (output_of_nowhere, 10, "made by no node"),
    (bad_nested_graph, 11, "tagged from net.loop: graph 'step' breaks invariant 6"),
    (nested_graph_with_state, 11, "graph 'inner' is not closed"),
]


@pytest.mark.parametrize(
    ("break_it", "invariant", "says"), BREAKS, ids=lambda p: getattr(p, "__name__", "")
)
def test_each_break_is_found(break_it: Callable[[Graph], None], invariant: int, says: str) -> None:
    graph = example()
    verify(graph)
    break_it(graph)
    with pytest.raises(InvalidGraph) as caught:
        verify(graph)
    assert caught.value.invariant == invariant, str(caught.value)
    assert says in str(caught.value)
    assert f"breaks invariant {invariant}" in str(caught.value)
    assert INVARIANTS[invariant] in str(caught.value)


def test_every_invariant_is_broken_by_a_test() -> None:
    assert {number for _, number, _ in BREAKS} == set(INVARIANTS)


def test_error_holds_the_node_and_admits_unknown_places() -> None:
    graph = Graph()
    node = graph.add_node(Neg(), [graph.add_input(F32)])
    node.outputs[0].type = F64
    with pytest.raises(InvalidGraph, match="neg from an unknown place") as caught:
        verify(graph)
    assert caught.value.node is node
