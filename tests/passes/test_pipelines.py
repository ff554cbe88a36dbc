"""Decomposition, nested graphs, verification between passes, and the standard pipeline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from nngraph import ops
from nngraph.ir.attributes import Subgraph
from nngraph.ir.builder import Builder
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph, Node
from nngraph.ir.op import Op, Sample, apply1
from nngraph.ir.origin import Origin
from nngraph.ir.types import TensorType, tensor_type
from nngraph.ir.verify import InvalidGraph, verify
from nngraph.passes.base import Context, Pipeline, Until
from nngraph.passes.dce import DeadCode
from nngraph.passes.decompose import Decompose
from nngraph.passes.nested import InBodies
from nngraph.passes.pipelines import clean_up, standard
from nngraph.passes.verify import verify_after
from tests.support.counting import calls

F = tensor_type("f32", (2, 3))


@dataclass(frozen=True)
class Shell(Op):
    """Made of ``depth`` shells, one in the other; -1 means itself, so without end."""

    depth: int
    name: ClassVar[str] = "shell"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return types

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        (x,) = inputs
        if self.depth == 0:
            return (ops.neg(x),)
        return (apply1(Shell(max(self.depth - 1, -1)), x),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return ()


def shells(depth: int) -> Graph:
    graph = Graph()
    x = graph.add_input(F, "x")
    graph.add_output(graph.add_node(Shell(depth), [x], Origin("m")).output, "y")
    return graph


def test_decomposition_goes_on_with_the_parts() -> None:
    graph = shells(3)
    assert Decompose().run(graph, Context()) == 4
    (node,) = graph.nodes
    assert node.op == ops.Neg() and str(node.origin) == "m · decompose"


def test_decomposition_keeps_what_the_backend_has() -> None:
    graph = shells(3)
    kept = Decompose(lambda node: node.op == Shell(1))
    assert kept.run(graph, Context()) == 2
    assert [n.op for n in graph.nodes] == [Shell(1)]
    assert kept.run(graph, Context()) == 0


def test_decomposition_leaves_what_has_none() -> None:
    graph = Graph()
    graph.add_output(graph.add_node(ops.Neg(), [graph.add_input(F)]).output)
    assert Decompose(lambda node: False).run(graph, Context()) == 0


def test_endless_decomposition_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="decomposing shell never ends"):
        Decompose().run(shells(-1), Context())


def looped() -> Graph:
    """A loop whose body computes -(-carry) + x and something that nobody reads."""
    body = Graph("body")
    carry, x = body.add_input(F, "carry"), body.add_input(F, "x")
    with Builder(body):
        ops.abs(carry)
        body.add_output(ops.add(ops.neg(ops.neg(carry)), x))
    graph = Graph()
    start = graph.add_input(F, "start")
    xs = graph.add_input(tensor_type("f32", (4, 2, 3)), "xs")
    scan = ops.Scan(Subgraph(body), carries=1, consts=0, length=4, reverse=False)
    graph.add_output(graph.add_node(scan, [start, xs], Origin("loop")).output)
    return graph


def test_passes_reach_nested_graphs() -> None:
    graph = looped()
    arrays = [np.ones((2, 3), np.float32), np.arange(24, dtype=np.float32).reshape(4, 2, 3)]
    before = evaluate(graph, arrays)
    untouched = next(iter(graph.nodes)).op
    assert standard().run(graph, Context()) > 0
    verify(graph)
    (node,) = graph.nodes
    assert str(node.origin) == "loop"
    (names,) = ([n.op.name for n in node.op.body.graph.nodes],)
    assert names == ["add"]
    assert len(untouched.body.graph) == 4, "nested graphs never change in place"
    np.testing.assert_array_equal(before[0], evaluate(graph, arrays)[0])
    assert InBodies(DeadCode()).run(graph, Context()) == 0


def test_verifier_names_the_pass() -> None:
    @dataclass(frozen=True)
    class Breaks:
        name: str = "breaks"

        def run(self, graph: Graph, context: Context) -> int:
            next(iter(graph.nodes)).outputs[0].type = tensor_type("f64")
            return 1

    graph = looped()
    with pytest.raises(InvalidGraph) as caught:
        Pipeline((DeadCode(), Breaks())).observed(verify_after).run(graph, Context())
    assert "left so by the pass 'breaks' (1 changes)" in caught.value.__notes__[0]


def test_pipelines_log_each_pass_and_nest() -> None:
    context = Context()
    seen: list[tuple[str, int]] = []
    inner = Pipeline((DeadCode(),), "inner").observed(lambda p, g, n: seen.append((p.name, n)))
    assert Pipeline((inner, DeadCode())).run(shells(0), context) == 0
    assert seen == [("dce", 0)]
    assert [line.split(":")[0] for line in context.log] == ["dce", "inner", "dce"]


def test_a_pass_that_never_settles_is_an_error() -> None:
    @dataclass(frozen=True)
    class Restless:
        name: str = "restless"

        def run(self, graph: Graph, context: Context) -> int:
            return 1

    with pytest.raises(RuntimeError, match="restless still changes the graph after 3 rounds"):
        Until(Restless(), 3).run(Graph(), Context())


def test_the_standard_pipeline_expands_and_cleans() -> None:
    def keep(node: Node) -> bool:
        return not isinstance(node.op, ops.Softmax)

    graph = Graph()
    x = graph.add_input(F, "x")
    graph.add_output(graph.add_node(ops.Softmax(1), [x], Origin("head")).output, "p")
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3)]
    before = evaluate(graph, arrays)
    standard(keep).observed(verify_after).run(graph, Context())
    names = [n.op.name for n in graph.nodes]
    assert "softmax" not in names and len(names) > 1
    np.testing.assert_allclose(before[0], evaluate(graph, arrays)[0], rtol=1e-6)
    assert clean_up().run(graph, Context()) == 0


def layers(count: int) -> Graph:
    """A chain in which every family of rules finds something to do."""
    graph = Graph()
    value = graph.add_input(tensor_type("f32", (3, 3)), "x")
    with Builder(graph):
        bias = ops.broadcast_to(ops.scalar(1.0, value), (3, 3))
        for _ in range(count):
            value = ops.matmul(ops.transpose(value, (1, 0)), ops.relu(ops.mul(value, bias)))
            value = ops.add(ops.neg(ops.neg(value)), ops.sub(value, ops.mul(bias, bias)))
    graph.add_output(value)
    return graph


@pytest.mark.parametrize("step", [clean_up(), standard(lambda node: False)], ids=["clean", "all"])
def test_passes_take_linear_time(step: Pipeline) -> None:
    small, large = layers(10), layers(80)
    assert calls(lambda: step.run(large, Context())) < 1.2 * 8 * calls(
        lambda: step.run(small, Context())
    )
