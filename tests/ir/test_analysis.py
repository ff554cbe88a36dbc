from __future__ import annotations

import subprocess
import sys

from nngraph.ir.analysis import ancestors, descendants, last_reads, live_bytes, to_networkx
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph
from tests.support.toy import F32, Halves, add, neg


def diamond() -> Graph:
    graph = Graph("diamond")
    x, w = graph.add_input(F32, "x"), graph.add_state("w", F32)
    with Builder(graph):
        top = neg(x)
        left, right = neg(top), add(top, w)
        graph.add_output(add(left, right), "y")
        graph.set_state("w", right)
    return graph


def test_networkx_has_parameters_nodes_and_results() -> None:
    graph = diamond()
    view = to_networkx(graph)
    kinds = sorted(data["kind"] for _, data in view.nodes(data=True))
    assert kinds == ["input", "next state", *["node"] * 4, "output", "state"]
    assert (view.number_of_nodes(), view.number_of_edges()) == (8, 8)
    top, left, right, last = graph.nodes
    assert view.edges[top, left]["values"] == (top.output,)
    assert view.has_edge(last, ("output", "y")) and view.has_edge(right, ("next state", "w"))


def test_networkx_answers_questions_about_the_graph() -> None:
    import networkx as nx

    graph = diamond()
    top, _, _, last = graph.nodes
    view = to_networkx(graph)
    assert nx.is_directed_acyclic_graph(view)
    assert nx.immediate_dominators(view, graph.inputs[0])[last] is top


def test_two_values_along_one_edge() -> None:
    graph = Graph()
    low, high = graph.add_node(Halves(), [graph.add_input(F32)]).outputs
    with Builder(graph):
        total = add(low, high)
    view = to_networkx(graph)
    assert view.edges[low.producer, total.producer]["values"] == (low, high)


def test_networkx_is_imported_late() -> None:
    code = "import sys, nngraph.ir.analysis; raise SystemExit('networkx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_descendants_and_ancestors() -> None:
    graph = diamond()
    top, left, right, last = graph.nodes
    assert descendants(graph, [graph.states[0].input]) == {right, last}
    assert descendants(graph, graph.inputs) == {top, left, right, last}
    assert ancestors([left.output]) == {top, left}
    assert ancestors(graph.inputs) == set()


def test_lifetimes() -> None:
    graph = diamond()
    top, left, right, last = (n.output for n in graph.nodes)
    table = last_reads(graph)
    assert [table[v] for v in (graph.inputs[0], top, left, right, last)] == [0, 2, 3, 4, 4]
    assert live_bytes(graph) == [24, 24, 32, 24]


def test_lifetime_of_what_nobody_reads() -> None:
    graph = Graph()
    x = graph.add_input(F32)
    with Builder(graph):
        unread = neg(graph.add_state("w", F32))
    table = last_reads(graph)
    assert (table[x], table[unread]) == (-1, 0)
    assert live_bytes(graph) == [16]
