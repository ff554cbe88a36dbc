from __future__ import annotations

import numpy as np
import pytest

from nngraph.ir.builder import Builder
from nngraph.ir.equality import difference, structurally_equal
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Array
from nngraph.ir.origin import Origin
from nngraph.ir.rewriter import Rewriter
from nngraph.ir.text import print_graph
from nngraph.ir.types import TypeMismatch, tensor_type
from nngraph.ir.verify import verify
from tests.support.toy import F32, Add, Halves, Neg, add, chain, neg


def line(length: int = 4) -> Graph:
    graph = Graph()
    value = graph.add_input(F32, "x")
    for _ in range(length):
        value = graph.add_node(Neg(), [value]).output
    graph.add_output(value)
    return graph


def test_erasing_what_follows_does_not_end_the_iteration() -> None:
    graph = line(6)
    graph._outputs.replace_input(0, graph.inputs[0])
    found = []
    for position, node in enumerate(graph.nodes):
        found.append(node)
        if position == 1:  # erase this one and the next two, as a fusion would
            rest = list(graph.nodes)[2:4]
            for later in list(graph.nodes)[4:]:
                later.replace_input(0, graph.inputs[0])
            for dead in (*reversed(rest), node):
                graph.erase(dead)
    assert len(found) == 4 and len(graph) == 3
    verify(graph)


def test_nodes_added_after_the_current_one_are_visited_and_those_before_are_not() -> None:
    graph = line(2)
    first, second = graph.nodes
    seen = []
    for node in graph.nodes:
        seen.append(node)
        if node is second and len(graph) == 2:
            graph.add_node(Neg(), [graph.inputs[0]], before=second)
            graph.add_node(Neg(), [graph.inputs[0]])
    assert seen[:2] == [first, second] and len(seen) == 3


def test_replacing_each_node_while_iterating_visits_each_once() -> None:
    graph = line(5)
    rewriter = Rewriter(graph, "twice")
    for node in graph.nodes:
        rewriter.replace(node, lambda x: (neg(neg(neg(x))),))
    assert rewriter.changes == 5 and len(graph) == 15
    assert {n.origin.transforms for n in graph.nodes} == {("twice",)}
    verify(graph)


def test_reversed_iteration_survives_erasing_ahead() -> None:
    graph = line(5)
    graph._outputs.replace_input(0, graph.inputs[0])
    seen = 0
    for node in graph.reversed_nodes:
        seen += 1
        before = node.inputs[0].producer
        graph.erase(node)
        if before is not None:
            graph.erase(before)
    assert (seen, len(graph)) == (3, 0)


def test_erased_nodes_are_not_attached() -> None:
    graph = line(1)
    (node,) = graph.nodes
    assert node.is_attached
    with pytest.raises(ValueError, match="is still read by"):
        graph.erase(node)
    graph._outputs.replace_input(0, graph.inputs[0])
    graph.erase(node)
    assert not node.is_attached and not graph.inputs[0].users


def test_states_change_and_are_dropped() -> None:
    graph = Graph()
    values = [graph.add_state(f"s{i}", F32) for i in range(4)]
    graph.set_state("s2", values[3])
    with pytest.raises(ValueError, match="'s3' is read or changed"):
        graph.drop_state("s3")
    with pytest.raises(ValueError, match="'s2' is read or changed"):
        graph.drop_state("s2")
    graph.drop_state("s0")
    graph.set_state("s2", values[2])
    graph.set_state("s3", values[1])
    verify(graph)
    assert [(s.name, s.output.hint) for s in graph.states] == [
        ("s1", "s1"),
        ("s2", "s2"),
        ("s3", "s1"),
    ]


def test_wrong_states_and_scalars_are_refused() -> None:
    graph = Graph()
    graph.add_state("w", F32)
    graph.add_scalar("lr", tensor_type("f32"))
    with pytest.raises(ValueError, match="a state 'w' already"):
        graph.add_state("w", F32)
    with pytest.raises(ValueError, match="'lr'"):
        graph.add_scalar("lr", tensor_type("f32"))
    with pytest.raises(ValueError, match="f32\\[2\\]"):
        graph.add_scalar("beta", F32)
    with pytest.raises(TypeMismatch, match="cannot become f32\\[\\]"):
        graph.set_state("w", graph.scalars["lr"])
    with pytest.raises(KeyError):
        graph.set_state("v", graph.scalars["lr"])


def test_values_of_other_graphs_are_refused() -> None:
    graph, other = line(), line()
    with pytest.raises(ValueError, match="belongs to another graph"):
        graph.add_node(Neg(), [other.inputs[0]])
    with pytest.raises(ValueError, match="belongs to another graph"):
        graph.add_output(other.inputs[0])
    with Builder(other), pytest.raises(RuntimeError, match="no Builder of graph 'main' is in"):
        neg(graph.inputs[0])


def test_builders_nest_and_each_graph_has_its_own() -> None:
    graph, other = line(1), line(1)
    (last,) = graph.nodes
    with Builder(graph):
        with Builder(graph, before=last), Builder(other):
            before = neg(graph.inputs[0])
            elsewhere = neg(other.inputs[0])
        after = neg(graph.inputs[0])
    assert [n.output for n in graph.nodes] == [before, last.output, after]
    assert elsewhere.graph is other
    with pytest.raises(RuntimeError, match="no Builder of graph 'main' is in force"):
        neg(graph.inputs[0])


def test_replacing_uses_reaches_results_and_checks_types() -> None:
    graph = line(1)
    graph.add_state("w", F32)
    (node,) = graph.nodes
    graph.set_state("w", node.output)
    node.output.replace_uses(graph.inputs[0])
    assert graph.results == (graph.inputs[0], graph.inputs[0])
    with pytest.raises(TypeMismatch, match="cannot replace"):
        graph.inputs[0].replace_uses(graph.add_scalar("s", tensor_type("f32")))
    verify(graph)


def test_clone_is_equal_and_independent() -> None:
    graph = chain(50)
    twin = graph.clone()
    verify(twin)
    assert print_graph(twin) == print_graph(graph) and structurally_equal(twin, graph)
    twin.add_node(Neg(), [twin.inputs[0]])
    assert len(graph) == 50 and len(twin) == 51
    assert "node 50" in str(difference(graph, twin))


def test_differences_are_told() -> None:
    def graph(op: type = Neg, name: str = "x", swap: bool = False, output: int = 2) -> Graph:
        out = Graph()
        x, y = out.add_input(F32, name), out.add_input(F32, "y")
        first = out.add_node(op(), [x]).outputs[0]
        pair = [y, x] if swap else [x, y]
        out.add_node(Add(), pair)
        out.add_output((first, x, list(out.nodes)[1].output)[output], "r")
        return out

    assert difference(graph(), graph()) is None
    assert "input x: f32[2] against input z" in str(difference(graph(), graph(name="z")))
    assert "node 0: Neg() against Halves()" in str(difference(graph(), graph(Halves)))
    assert "node 1 (add): other inputs" in str(difference(graph(), graph(swap=True)))
    assert "results" in str(difference(graph(), graph(output=1)))


def test_inlining_copies_nodes_origins_and_hints() -> None:
    inner = Graph()
    x = inner.add_input(F32)
    node = inner.add_node(Neg(), [x], Origin("m"))
    node.output.hint = "h"
    inner.add_output(node.output)
    graph = Graph()
    (out,) = inner.copy_into(Builder(graph).copy, [graph.add_input(F32)])
    assert (out.hint, out.producer.origin.module) == ("h", "m") if out.producer else False


def test_evaluation_frees_arrays_after_their_last_reader() -> None:
    graph = Graph()
    x = graph.add_input(F32)
    with Builder(graph):
        twice = add(x, x)
        graph.add_output(neg(add(twice, x)))
        graph.add_output(twice)
    seen: list[tuple[str, tuple[Array, ...]]] = []
    arrays = [np.array([1.0, 2.0], np.float32)]
    outs = evaluate(graph, arrays, lambda n, i, o: seen.append((n.op.name, o)))
    assert [name for name, _ in seen] == ["add", "add", "neg"]
    assert [o.tolist() for o in outs] == [[-3.0, -6.0], [2.0, 4.0]]


def test_rewriter_keeps_hints() -> None:
    graph = line(1)
    (node,) = graph.nodes
    node.output.hint = "loss"
    (new,) = Rewriter(graph, "t").replace(node, lambda x: (neg(x),))
    assert isinstance(new, Value) and new.hint == "loss"
