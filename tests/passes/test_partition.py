"""What a forward pass keeps for its backward pass."""

from __future__ import annotations

import numpy as np
import pytest

import nngraph as ng
from nngraph.interpreter import evaluate
from nngraph.ir.builder import Builder
from nngraph.ir.dtypes import float32
from nngraph.ir.graph import Graph, Value
from nngraph.ir.types import TensorType
from nngraph.ops.elementwise import cast, exp, gt, mul, sin, where
from nngraph.ops.linalg import matmul
from nngraph.ops.shape import transpose
from nngraph.passes.partition import partition


def graph_of(*shapes: tuple[int, ...]) -> tuple[Graph, list[Value]]:
    graph = Graph("f")
    return graph, [graph.add_input(TensorType(float32, s), f"x{i}") for i, s in enumerate(shapes)]


def names(values: tuple[Value, ...]) -> list[str]:
    return [v.hint or (v.producer.op.name if v.producer is not None else "") for v in values]


def test_what_is_cheap_is_computed_again() -> None:
    graph, (x, seed) = graph_of((8,), (8,))
    with Builder(graph):
        y = mul(mul(x, x), x)
        gradient = mul(y, seed)
    parts = partition([seed], [gradient], [x], "back")
    assert names(parts.kept) == ["x0"]
    (found,) = evaluate(parts.graph, [np.full(8, 2, np.float32), np.ones(8, np.float32)])
    assert found.tolist() == [8] * 8


def test_what_is_heavy_is_kept() -> None:
    graph, (x, seed) = graph_of((8,), (8,))
    with Builder(graph):
        gradient = mul(mul(exp(x), x), seed)
    parts = partition([seed], [gradient], [x], "back")
    assert names(parts.kept) == ["mul"]
    assert len(parts.graph) == 1


def test_products_are_kept_and_not_computed_again() -> None:
    graph, (x, w, seed) = graph_of((2, 3), (3, 4), (2, 4))
    with Builder(graph):
        y = matmul(x, w)
        gradients = [matmul(transpose(x, (1, 0)), mul(y, seed))]
    parts = partition([seed], gradients, [x, w], "back")
    assert sorted(names(parts.kept)) == ["matmul", "x0"]
    assert [n.op.name for n in parts.graph.nodes].count("matmul") == 1


def test_the_smallest_values_are_kept() -> None:
    """A mask of bytes, and not the float64 numbers that it is made from."""
    graph, (x, seed) = graph_of((8,), (8,))
    with Builder(graph):
        y = sin(x)
        gradient = where(gt(y, mul(y, y)), seed, mul(seed, seed))
    (kept,) = partition([seed], [gradient], [], "back").kept
    assert kept.type.dtype is ng.bool


def test_a_few_small_values_are_better_than_a_large_one() -> None:
    graph, (rows, columns, seed) = graph_of((64, 1), (1, 64), (64, 64))
    with Builder(graph):
        gradient = mul(mul(exp(rows), exp(columns)), seed)
    kept = partition([seed], [gradient], [], "back").kept
    assert names(kept) == ["exp", "exp"]


def test_gradients_that_need_no_seed_and_constants() -> None:
    graph, (x, seed) = graph_of((3,), (3,))
    with Builder(graph):
        doubled = mul(x, cast(x, float32))
    parts = partition([seed], [seed, doubled, seed], [x], "back")
    arrays = [np.arange(3, dtype=np.float32), np.ones(3, np.float32)]
    found = evaluate(parts.graph, arrays)
    assert [a.tolist() for a in found] == [[1, 1, 1], [0, 1, 4], [1, 1, 1]]


def test_the_given_graph_stays() -> None:
    graph, (x, seed) = graph_of((3,), (3,))
    with Builder(graph):
        gradient = mul(exp(x), seed)
    before = len(graph)
    partition([seed], [gradient], [x], "back")
    assert len(graph) == before


@pytest.mark.parametrize("length", [50, 3000])
def test_long_chains_are_cut_too(length: int) -> None:
    graph, (x, seed) = graph_of((4,), (4,))
    with Builder(graph):
        y, gradients = x, seed
        for _ in range(length):
            y = mul(y, y)
            gradients = mul(gradients, y)
    kept = partition([seed], [gradients], [x], "back").kept
    assert names(kept) == ["x0"] if length == 50 else len(kept) > 1
