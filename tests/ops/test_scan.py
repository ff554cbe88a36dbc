"""Loops over time against loops in PyTorch, and groups of operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from nngraph import ops
from nngraph.ir.attributes import Subgraph
from nngraph.ir.builder import Builder
from nngraph.ir.dtypes import float64
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.types import TypeMismatch, tensor_type
from nngraph.ops import Fused, Scan
from tests.support.contract import forward_graph, gradient_graph
from tests.support.oracle import compare

BATCH, INPUT, HIDDEN, TIME = 2, 3, 4, 5
RNG = np.random.default_rng(0)


def body(build: Callable[..., Sequence[Any]], *shapes: tuple[int, ...]) -> Subgraph:
    """A graph of float64 inputs of these shapes."""
    graph = Graph("body")
    inputs = [graph.add_input(tensor_type(float64, shape)) for shape in shapes]
    with Builder(graph):
        for value in build(*inputs):
            graph.add_output(value)
    return Subgraph(graph)


def rnn(h: Any, w: Any, u: Any, x: Any) -> Sequence[Any]:
    new = ops.tanh(ops.add(ops.matmul(x, w, transpose_b=True), ops.matmul(h, u, transpose_b=True)))
    return new, new


def lstm(h: Any, c: Any, w: Any, u: Any, x: Any) -> Sequence[Any]:
    gates = ops.add(ops.matmul(x, w, transpose_b=True), ops.matmul(h, u, transpose_b=True))
    i, f, g, o = ops.split(gates, (HIDDEN,) * 4, 1)
    c = ops.add(ops.mul(ops.sigmoid(f), c), ops.mul(ops.sigmoid(i), ops.tanh(g)))
    h = ops.mul(ops.sigmoid(o), ops.tanh(c))
    return h, c, h


def torch_rnn(h: Any, w: Any, u: Any, xs: Any, backwards: bool) -> Any:
    ys = []
    for x in reversed(list(xs)) if backwards else xs:
        h = torch.tanh(x @ w.T + h @ u.T)
        ys.append(h)
    return h, torch.stack(ys[::-1] if backwards else ys)


def torch_lstm(h: Any, c: Any, w: Any, u: Any, xs: Any, backwards: bool) -> Any:
    ys = []
    for x in reversed(list(xs)) if backwards else xs:
        i, f, g, o = (x @ w.T + h @ u.T).split(HIDDEN, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        ys.append(h)
    return h, c, torch.stack(ys[::-1] if backwards else ys)


def weights(gates: int) -> list[Array]:
    rows = gates * HIDDEN
    return [RNG.standard_normal((rows, INPUT)), RNG.standard_normal((rows, HIDDEN))]


@pytest.mark.parametrize("backwards", [False, True])
def test_recurrent_cell(backwards: bool) -> None:
    """The carry before each step is read from the stacked results."""
    cell = body(rnn, (BATCH, HIDDEN), (HIDDEN, INPUT), (HIDDEN, HIDDEN), (BATCH, INPUT))
    op = Scan(cell, 1, 2, TIME, backwards)
    inputs = [
        RNG.standard_normal((BATCH, HIDDEN)),
        *weights(1),
        RNG.standard_normal((TIME, BATCH, INPUT)),
    ]
    compare(op, inputs, lambda *ts: torch_rnn(*ts, backwards))
    graph = gradient_graph(forward_graph(_sample(op, inputs)))
    assert sum(isinstance(n.op, Scan) for n in graph.nodes) == 2  # no second forward loop


@pytest.mark.parametrize("backwards", [False, True])
def test_long_short_term_memory(backwards: bool) -> None:
    """The cell state is in no result: a second forward loop saves it."""
    shapes = ((BATCH, HIDDEN), (BATCH, HIDDEN), (4 * HIDDEN, INPUT), (4 * HIDDEN, HIDDEN))
    op = Scan(body(lstm, *shapes, (BATCH, INPUT)), 2, 2, TIME, backwards)
    inputs = [
        *(RNG.standard_normal((BATCH, HIDDEN)) for _ in range(2)),
        *weights(4),
        RNG.standard_normal((TIME, BATCH, INPUT)),
    ]
    compare(op, inputs, lambda *ts: torch_lstm(*ts, backwards))


def test_gradient_of_only_one_output() -> None:
    """Outputs without a gradient take no part; a const that the body ignores gets zeros."""
    cell = body(lambda h, w, unused, x: (ops.mul(h, w), ops.mul(h, x)), (), (), (), ())
    graph = Graph()
    values = [graph.add_input(tensor_type(float64, s)) for s in ((), (), (), (3,))]
    with Builder(graph):
        _, stacked = ops.scan(cell, values[:1], values[1:3], values[3:], 3)
        graph.add_output(ops.sum(stacked))
    x = np.asarray([1.0, 2.0, 4.0])
    found = evaluate(
        gradient_graph(graph), [np.float64(3), np.float64(2), np.float64(7), x, np.asarray(1.0)]
    )
    # sum = h x0 + h w x1 + h w**2 x2
    np.testing.assert_allclose(found[0], 1 + 2 * 2 + 4 * 4)
    np.testing.assert_allclose(found[1], 3 * 2 + 3 * 2 * 2 * 4)
    np.testing.assert_allclose(found[2], 0.0)
    np.testing.assert_allclose(found[3], [3.0, 6.0, 12.0])


def test_equal_bodies_make_equal_operators() -> None:
    first, second = (
        Scan(body(rnn, (2, 4), (4, 3), (4, 4), (2, 3)), 1, 2, TIME, False) for _ in range(2)
    )
    assert first == second and hash(first) == hash(second)
    assert first != Scan(first.body, 1, 2, TIME, True)


@pytest.mark.parametrize(
    ("build", "carries", "text"),
    [
        (lambda h, x: (ops.sum(h), x), 1, "the body's new carry 0"),
        (lambda h, x: (h, x), 2, "input 1"),
    ],
)
def test_misuse_is_named(build: Any, carries: int, text: str) -> None:
    op = Scan(body(build, (2,), (2,)), carries, 0, 3, False)
    with pytest.raises(TypeMismatch, match=text):
        op.infer(tensor_type(float64, (2,)), tensor_type(float64, (3, 2)))
    with pytest.raises(TypeMismatch, match="the number of inputs is 1"):
        op.infer(tensor_type(float64, (2,)))


def test_group_is_its_body() -> None:
    group = Fused(body(lambda x, y: (ops.mul(ops.exp(x), y), ops.sin(y)), (3,), (3,)))
    x = RNG.standard_normal((2, 3))
    compare(group, list(x), lambda a, b: (a.exp() * b, b.sin()))
    with pytest.raises(TypeMismatch, match="as the body takes"):
        group.infer(tensor_type(float64, (3,)), tensor_type(float64, (2,)))


def _sample(op: Any, inputs: Sequence[Array]) -> Any:
    from nngraph.ir.op import Sample

    return Sample(op, tuple(inputs))
