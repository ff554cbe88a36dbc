"""Weights of loops that products read transposed are transposed before the loop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nngraph import ops
from nngraph.backends.tvm.turned import TurnedWeights
from nngraph.ir.attributes import Subgraph
from nngraph.ir.builder import Builder
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph, Value
from nngraph.ir.types import tensor_type
from nngraph.ir.verify import verify
from nngraph.ops.scan import Scan
from nngraph.passes.base import Context

STATE, WEIGHT = tensor_type("f32", (2, 3)), tensor_type("f32", (3, 3))
Step = Callable[[Value, Value, Value, Value], tuple[Value, ...]]


def product(h: Value, w: Value, b: Value, x: Value) -> tuple[Value, ...]:
    new = ops.add(ops.matmul(h, w, transpose_b=True), x)
    return new, ops.matmul(x, w, transpose_b=True)


def looped(step: Step, steps: int) -> Graph:
    body = Graph("body")
    inputs = [body.add_input(t) for t in (STATE, WEIGHT, STATE, STATE)]
    with Builder(body):
        for value in step(*inputs):
            body.add_output(value)
    graph = Graph("looped")
    sequence = STATE.with_shape((steps, *STATE.shape))
    given = [graph.add_input(t) for t in (STATE, WEIGHT, STATE, sequence)]
    with Builder(graph):
        for value in ops.scan(Subgraph(body), given[:1], given[1:3], given[3:], steps):
            graph.add_output(value)
    return graph


def names(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def test_a_weight_is_turned_once() -> None:
    graph = looped(product, 4)
    before = graph.clone()
    assert TurnedWeights().run(graph, Context()) == 1
    verify(graph)
    assert names(graph) == ["transpose", "scan"]
    (scan,) = [n.op for n in graph.nodes if isinstance(n.op, Scan)]
    assert {str(n.op) for n in scan.body.graph.nodes if isinstance(n.op, ops.MatMul)} == {
        str(ops.MatMul(False, False))
    }
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(v.type.static_shape, np.float32) for v in graph.inputs]
    for got, want in zip(evaluate(graph, arrays), evaluate(before, arrays), strict=True):
        np.testing.assert_allclose(got, want, 1e-6)
    assert TurnedWeights().run(graph, Context()) == 0


def also_read(h: Value, w: Value, b: Value, x: Value) -> tuple[Value, ...]:
    return ops.matmul(h, w, transpose_b=True), ops.add(w, w)


def given_back(h: Value, w: Value, b: Value, x: Value) -> tuple[Value, ...]:
    return ops.matmul(h, w, transpose_b=True), w


def as_it_is(h: Value, w: Value, b: Value, x: Value) -> tuple[Value, ...]:
    return (ops.matmul(h, w),)


def of_itself(h: Value, w: Value, b: Value, x: Value) -> tuple[Value, ...]:
    return ops.add(h, x), ops.matmul(w, w, transpose_b=True)


def of_the_step(h: Value, w: Value, b: Value, x: Value) -> tuple[Value, ...]:
    return ops.add(h, b), ops.matmul(h, x, transpose_b=True)


@pytest.mark.parametrize(
    ("step", "steps"),
    [
        (product, 3),
        (also_read, 4),
        (given_back, 4),
        (as_it_is, 4),
        (of_itself, 4),
        (of_the_step, 4),
    ],
)
def test_others_stay(step: Step, steps: int) -> None:
    graph = looped(step, steps)
    assert TurnedWeights().run(graph, Context()) == 0
    assert names(graph) == ["scan"]
