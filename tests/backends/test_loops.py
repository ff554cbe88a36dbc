"""Bodies of loops go through the same passes, with the same options, as what is around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from nngraph import ops
from nngraph.backends import get_backend
from nngraph.backends.base import Target, lower
from nngraph.backends.build import build
from nngraph.backends.onnx.fused import BiasMatMul
from nngraph.ir.attributes import Subgraph, subgraphs
from nngraph.ir.builder import Builder
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Op
from nngraph.ir.types import TensorType, tensor_type
from nngraph.ir.verify import verify

ROW, WEIGHT = tensor_type("f32", (2, 1)), tensor_type("f32", (1, 1))
DEEP = ROW.with_shape((4, 2, 1))


def narrow(carry: Value, weight: Value, bias: Value, x: Value) -> Value:
    """A sum over an axis of one element, which is the element itself where no NaN has a sign."""
    total = ops.sum(ops.add(carry, x), (1,), keepdims=True)
    return ops.add(ops.matmul(total, weight), bias)


def inner_loop(carry: Value, weight: Value, bias: Value, x: Value) -> Value:
    deep = ops.broadcast_to(x, DEEP.shape)
    last, _ = ops.scan(body(narrow), [carry], [weight, bias], [deep], 4)
    return last


def body(step: Callable[..., Value]) -> Subgraph:
    graph = Graph("body")
    inputs = [graph.add_input(t) for t in (ROW, WEIGHT, tensor_type("f32", (1,)), ROW)]
    with Builder(graph):
        for _ in range(2):
            graph.add_output(step(*inputs))
    return Subgraph(graph)


def looped(step: Callable[..., Value]) -> Graph:
    graph = Graph("looped")
    inputs = [graph.add_input(t) for t in (ROW, WEIGHT, tensor_type("f32", (1,)), DEEP)]
    with Builder(graph):
        for value in ops.scan(body(step), inputs[:1], inputs[1:3], inputs[3:], 4):
            graph.add_output(value)
    return graph


def operators(graph: Graph) -> set[type[Op]]:
    """Those of the graph and of all graphs in it."""
    found: set[type[Op]] = set()
    for node in graph.nodes:
        found.add(type(node.op))
        for inner in subgraphs(node.op):
            found |= operators(inner.graph)
    return found


@pytest.mark.parametrize("step", [narrow, inner_loop])
@pytest.mark.parametrize("backend", ["onnx", "tvm"])
@pytest.mark.parametrize("strict", [True, False])
def test_strict_holds_in_bodies(backend: str, strict: bool, step: Callable[..., Value]) -> None:
    target = Target(backend, threads=1, strict=strict)
    lowered, _ = lower(get_backend(backend), looped(step), target)
    verify(lowered)
    assert (ops.Sum in operators(lowered)) is strict


@pytest.mark.parametrize("step", [narrow, inner_loop])
@pytest.mark.parametrize("backend", ["onnx", "tvm"])
def test_emission_runs_no_pass(
    backend: str, step: Callable[..., Value], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the pipeline left is what is emitted: bodies are fused before, not on the way."""
    target = Target(backend, threads=1)
    lowered, _ = lower(get_backend(backend), looped(step), target)
    fused = {"onnx": BiasMatMul, "tvm": ops.Fused}[backend]
    inner = [s.graph for n in lowered.nodes if isinstance(n.op, ops.Scan) for s in subgraphs(n.op)]
    assert inner and all(fused in operators(graph) for graph in inner)
    before = str(lowered)

    def refuse(*args: object) -> int:
        raise AssertionError("a pass ran while a graph was emitted")

    monkeypatch.setattr("nngraph.passes.base.Pipeline.run", refuse)
    artifact = get_backend(backend).emit(lowered, target)
    assert not isinstance(artifact, list) and str(lowered) == before


@pytest.mark.parametrize("step", [narrow, inner_loop])
@pytest.mark.parametrize("backend", ["onnx", "tvm"])
def test_loops_compute_the_same(backend: str, step: Callable[..., Value]) -> None:
    graph = looped(step)
    rng = np.random.default_rng(0)
    arrays = [np.asarray(rng.standard_normal(v.type.shape), np.float32) for v in graph.inputs]
    run = build(get_backend(backend), graph, Target(backend, threads=1)).executable
    for got, wanted in zip(run.run(arrays, [], [])[0], evaluate(graph, arrays), strict=True):
        np.testing.assert_allclose(got, wanted, 1e-5)


@dataclass(frozen=True)
class Unknown(Op):
    """An operator that no backend has."""

    name = "unknown"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return types


@pytest.mark.parametrize("backend", ["onnx", "tvm"])
def test_gaps_in_bodies_are_named_with_the_others(backend: str) -> None:
    def step(carry: Value, weight: Value, bias: Value, x: Value) -> Value:
        (out,) = carry.apply(Unknown(), [ops.add(carry, x)])
        return out

    graph = looped(step)
    with Builder(graph):
        (outer,) = graph.inputs[0].apply(Unknown(), graph.inputs[:1])
    graph.add_output(outer)
    gaps = get_backend(backend).emit(graph, Target(backend))
    assert isinstance(gaps, list)
    assert sum(str(gap).count("unknown") for gap in gaps) >= 3, gaps
