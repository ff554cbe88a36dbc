from __future__ import annotations

import numpy as np
import pytest

from nngraph import ops
from nngraph.interpreter import NonFinite, first_nonfinite, interpret
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.origin import Origin
from nngraph.ir.types import tensor_type

F = tensor_type("f32", (2,))


def step() -> Graph:
    """One step of gradient descent on the sum of w * x; gives back that sum."""
    graph = Graph("step")
    x = graph.add_input(tensor_type("f32", ("batch", 2)), "x")
    graph.add_input(tensor_type("i64", ("batch",)), "labels")
    lr = graph.add_scalar("lr", tensor_type("f32"))
    w = graph.add_state("w", F)
    graph.add_state("steps", tensor_type("i64"))
    with Builder(graph):
        graph.add_output(ops.sum(ops.mul(x, w)), "loss")
        graph.set_state("w", ops.sub(w, ops.mul(lr, ops.sum(x, 0))))
    return graph


X = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
GOOD = {
    "inputs": {"x": X, "labels": np.zeros(3, np.int64)},
    "scalars": {"lr": 0.5},
    "states": {"w": np.ones(2, np.float32), "steps": np.array(7)},
}


def test_a_call_by_name() -> None:
    found = interpret(step(), **GOOD)
    assert [o.tolist() for o in found.outputs] == [21.0]
    assert {n: a.tolist() for n, a in found.states.items()} == {"w": [-3.5, -5.0], "steps": 7}
    assert GOOD["states"]["w"].tolist() == [1.0, 1.0]


def test_a_call_by_position_with_an_observer() -> None:
    seen: list[str] = []
    arguments = {**GOOD, "inputs": [X, np.zeros(3, np.int64)]}
    interpret(step(), **arguments, observer=lambda node, i, o: seen.append(node.op.name))
    assert seen == ["mul", "sum", "sum", "mul", "sub"]


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"inputs": [X]}, ValueError, "graph 'step' takes 2 inputs, got 1"),
        ({"inputs": {"x": X}}, ValueError, "input 'labels' is missing; the graph's inputs are: x"),
        ({"scalars": {}}, ValueError, "scalar 'lr' is missing"),
        ({"scalars": {"lr": 1.0, "beta": 2.0}}, ValueError, "there is no scalar 'beta'"),
        ({"states": None}, ValueError, "state 'w' is missing; state 'steps' is missing"),
        (
            {"states": {**GOOD["states"], "w": np.ones(2)}},
            TypeError,
            r"state 'w' is float64; the graph takes f32\[2\]: convert it with .astype\('float32'\)",
        ),
        (
            {"states": {**GOOD["states"], "w": np.ones(3, np.float32)}},
            ValueError,
            r"state 'w' has the shape \[3\]; the graph takes f32\[2\]",
        ),
        ({"inputs": [X[0], np.zeros(3, np.int64)]}, ValueError, r"input 'x' has the shape \[2\]"),
        (
            {"inputs": [X, np.zeros(4, np.int64)]},
            ValueError,
            "input 'labels' has size 4 for batch; with batch=3 it must be 3",
        ),
        ({"inputs": ["x", np.zeros(3, np.int64)]}, TypeError, "is not an element type"),
    ],
)
def test_wrong_arguments_are_named(change: dict, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        interpret(step(), **{**GOOD, **change})


def net() -> Graph:
    """Computes log(x) * exp(w), line by line."""
    graph = Graph()
    x, w = graph.add_input(F, "x"), graph.add_state("w", F)
    with Builder(graph) as builder:
        builder.origin = Origin("net.log", "model.py", 3)
        left = ops.log(x)
        builder.origin = Origin("net.exp", "model.py", 4)
        right = ops.exp(w)
        builder.origin = Origin("net", "model.py", 5)
        graph.add_output(ops.mul(left, right))
    return graph


def at(*rows: object) -> list[Array]:
    return [np.asarray(r, np.float32) for r in rows]


def test_all_finite() -> None:
    assert first_nonfinite(net(), at([1, 2], [0, 1])) is None


@pytest.mark.parametrize(
    ("x", "w", "says"),
    [
        ([1, -1], [0, 0], "the result of log at net.log @ model.py:3: NaN at [1] of f32[2]"),
        ([0, 1], [0, 0], "the result of log at net.log @ model.py:3: infinity at [0] of f32[2]"),
        ([2, 2], [0, 99], "the result of exp at net.exp @ model.py:4: infinity at [1] of f32[2]"),
        ([0, -1], [99, 0], "the result of log at net.log @ model.py:3: NaN at [1] of f32[2]"),
        ([1, np.nan], [0, 0], "input 'x': NaN at [1] of f32[2]"),
        ([1, np.inf], [0, 0], "input 'x': infinity at [1] of f32[2]"),
        ([1, 2], [np.nan, 0], "state 'w': NaN at [0] of f32[2]"),
        ([1, -1], [np.nan, 0], "state 'w': NaN at [0] of f32[2]"),
    ],
)
def test_the_culprit_is_named(x: list[float], w: list[float], says: str) -> None:
    found = first_nonfinite(net(), at(x, w))
    assert isinstance(found, NonFinite) and str(found) == says
    assert (found.node is None) == ("result" not in says)


def test_a_mask_of_infinity_is_not_to_blame() -> None:
    graph = Graph()
    x = graph.add_input(F, "x")
    with Builder(graph):
        masked = ops.where(ops.gt(x, 0.0), x, float("-inf"))
        shares = ops.exp(ops.sub(masked, ops.max(masked, 0, True)))
        graph.add_output(ops.div(ops.sub(shares, 1.0), ops.sum(shares)))
        graph.add_output(ops.log(x))
    assert first_nonfinite(graph, at([1, 2])) is None
    found = first_nonfinite(graph, at([1, -2]))
    assert found is not None and found.node is not None and found.node.op.name == "log"
    nothing_left = first_nonfinite(graph, at([-1, -2]))
    assert nothing_left is not None and "result of sub: NaN" in str(nothing_left)


def test_values_that_do_not_reach_a_result_are_not_to_blame() -> None:
    graph = Graph()
    x = graph.add_input(F, "x")
    with Builder(graph):
        safe = ops.where(ops.gt(x, 0.0), ops.log(x), 0.0)
        graph.add_output(ops.sqrt(ops.neg(ops.add(ops.abs(safe), 1.0))))
    found = first_nonfinite(graph, at([1, -1]))
    assert found is not None and "sqrt" in str(found)


def test_an_infinite_constant_is_named_if_nothing_else_is() -> None:
    graph = Graph()
    x = graph.add_input(F, "x")
    with Builder(graph):
        graph.add_output(ops.add(x, float("inf")))
    assert "the result of full" in str(first_nonfinite(graph, at([1, 2])))


def test_an_input_counts_even_if_no_result_shows_it() -> None:
    graph = Graph()
    x = graph.add_input(F, "x")
    with Builder(graph):
        graph.add_output(ops.gt(x, 0.0))
    assert str(first_nonfinite(graph, at([1, np.nan]))) == "input 'x': NaN at [1] of f32[2]"
