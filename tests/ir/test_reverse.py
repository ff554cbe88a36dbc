from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from nngraph import ops
from nngraph.ir.builder import Builder
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Array
from nngraph.ir.origin import Origin
from nngraph.ir.types import tensor_type
from nngraph.ir.verify import verify
from tests.support.gradients import gradients

D = tensor_type("f64", (3,))
X = np.array([0.5, -1.25, 2.0])
Y = np.array([1.5, 0.75, -0.5])


def derive(build: Callable[..., Value], order: int = 1) -> tuple[Graph, list[Array]]:
    """The gradients of a function of x and y, as results of a graph."""
    graph = Graph()
    x, y = graph.add_input(D, "x"), graph.add_input(D, "y")
    with Builder(graph):
        out = build(x, y)
    for _ in range(order):
        found = gradients(graph, [out], [x, y])
        with Builder(graph):
            zero = ops.zeros_like(x)
            grads = [zero if g is None else g for g in found]
            out = ops.sum(ops.mul(grads[0], grads[0]))
    for g in grads:
        graph.add_output(g)
    verify(graph)
    return graph, list(evaluate(graph, [X, Y]))


def close(found: Sequence[Array], *wanted: Array) -> None:
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_products_and_sums() -> None:
    _, found = derive(lambda x, y: ops.sum(ops.mul(x, ops.add(x, y))))
    close(found, 2 * X + Y, X)


def test_an_output_that_is_no_scalar_means_its_sum() -> None:
    _, found = derive(lambda x, y: ops.mul(x, y))
    close(found, Y, X)


def test_higher_order() -> None:
    _, found = derive(lambda x, y: ops.sum(ops.mul(ops.mul(x, x), x)), order=2)
    close(found, 2 * (3 * X**2) * (6 * X), np.zeros(3))  # of the sum of (3 x**2)**2


def test_seeds_weigh_outputs() -> None:
    graph = Graph()
    x, seed = graph.add_input(D, "x"), graph.add_input(D, "seed")
    with Builder(graph):
        first, second = ops.mul(x, x), ops.neg(x)
    (grad,) = gradients(graph, [first, second], [x], [seed])
    assert grad is not None
    graph.add_output(grad)
    close(evaluate(graph, [X, Y]), 2 * X * Y - 1)


def test_intermediate_values_and_the_output_itself() -> None:
    graph = Graph()
    x = graph.add_input(D, "x")
    with Builder(graph):
        middle = ops.mul(x, x)
        out = ops.sum(ops.mul(middle, middle))
    grads = gradients(graph, [out], [middle, out, x])
    for g in grads:
        assert g is not None
        graph.add_output(g)
    close(evaluate(graph, [X]), 2 * X**2, np.array(1.0), 4 * X**3)


def test_what_does_not_matter_has_no_gradient() -> None:
    graph = Graph()
    x, y, n = graph.add_input(D), graph.add_input(D), graph.add_input(tensor_type("i64", (3,)))
    with Builder(graph):
        out = ops.sum(ops.mul(x, ops.cast(ops.gt(y, 0.0), x.type.dtype)))
    assert [g is None for g in gradients(graph, [out], [x, y, n])] == [False, True, True]


def test_one_value_read_often_adds_up() -> None:
    _, found = derive(lambda x, y: ops.sum(ops.add(ops.add(x, x), ops.mul(x, y))))
    close(found, 2 + Y, X)


def test_origins_name_the_forward_node_and_grad() -> None:
    graph = Graph()
    x = graph.add_input(D, "x")
    with Builder(graph, origin=Origin("net.act", "m.py", 3)):
        out = ops.sum(ops.tanh(x))
    before = len(graph)
    gradients(graph, [out], [x])
    new = [str(n.origin) for n in list(graph.nodes)[before + 1 :]]
    assert new and set(new) == {"net.act @ m.py:3 · grad"}


def test_nodes_that_no_output_needs_are_not_differentiated() -> None:
    graph = Graph()
    x = graph.add_input(D, "x")
    with Builder(graph):
        ops.exp(ops.exp(x))
        out = ops.neg(x)
    before = len(graph)
    gradients(graph, [out], [x])
    assert [n.op.name for n in list(graph.nodes)[before:]] == ["full", "neg"]


@pytest.mark.parametrize("composite", [lambda x: ops.softmax(x, 0), lambda x: ops.logsumexp(x, 0)])
def test_composites_agree_with_finite_differences(composite: Callable[[Value], Value]) -> None:
    def build(x: Value, y: Value) -> Value:
        return ops.sum(ops.mul(composite(x), y))

    graph = Graph()
    x, y = graph.add_input(D), graph.add_input(D)
    with Builder(graph):
        graph.add_output(build(x, y))
    _, (found, _) = derive(build)
    for i in range(3):
        low, high = X.copy(), X.copy()
        low[i] -= 1e-6
        high[i] += 1e-6
        slope = (evaluate(graph, [high, Y])[0] - evaluate(graph, [low, Y])[0]) / 2e-6
        assert abs(slope - found[i]) < 1e-8


def test_wrong_arguments_are_refused() -> None:
    graph = Graph()
    n, x = graph.add_input(tensor_type("i64", (3,))), graph.add_input(D)
    with pytest.raises(TypeError, match=r"i64\[3\] has no gradient"):
        gradients(graph, [n], [n])
    with pytest.raises(TypeError, match="the seed of an output"):
        gradients(graph, [x], [x], [n])
    with pytest.raises(TypeError, match="2 seeds were given for 1 outputs"):
        gradients(graph, [x], [x], [x, x])
