"""Compiling a deep network takes work in proportion to its size: counted, not timed."""

from __future__ import annotations

import pytest

from benchmarks.compile_time import trace
from nngraph import ops
from nngraph.backends import get_backend
from nngraph.backends.base import Target, emit, lower
from nngraph.backends.cache import artifact_key
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph
from nngraph.ir.types import tensor_type
from tests.support.counting import calls

FEW, MANY = 10, 60


@pytest.fixture(scope="module")
def graphs() -> dict[int, Graph]:
    trace(2)  # imports, and tables that are filled once
    return {layers: trace(layers) for layers in (FEW, MANY)}


def test_tracing_grows_linearly(graphs: dict[int, Graph]) -> None:
    few, many = (calls(lambda n=n: trace(n)) for n in (FEW, MANY))
    assert many / few < 1.1 * len(graphs[MANY]) / len(graphs[FEW])


@pytest.mark.parametrize("backend", ["reference", "onnx", "tvm"])
def test_passes_and_emission_grow_linearly(backend: str, graphs: dict[int, Graph]) -> None:
    target = Target(backend, threads=1)
    emit(get_backend(backend), graphs[FEW], target)
    few, many = (
        calls(lambda g=g: emit(get_backend(backend), g, target))
        for g in (graphs[FEW], graphs[MANY])
    )
    assert many / few < 1.1 * len(graphs[MANY]) / len(graphs[FEW])


def test_keys_of_artifacts_grow_linearly(graphs: dict[int, Graph]) -> None:
    target = Target("onnx", threads=1)
    few, many = (calls(lambda g=g: artifact_key(g, target)) for g in graphs.values())
    assert many / few < 1.1 * len(graphs[MANY]) / len(graphs[FEW])


def far(length: int) -> Graph:
    """A chain that is deeper than Python's calls may be, and its sums on the way."""
    graph = Graph("far")
    x = graph.add_input(tensor_type("f32", (2, 4)))
    total = graph.add_state("total", tensor_type("f32", (4,)))
    with Builder(graph):
        after = total
        for number in range(length):
            x = ops.add(ops.tanh(x), total) if number % 3 else ops.transpose(ops.neg(x), (1, 0))
            x = x if x.type.shape == (2, 4) else ops.transpose(x, (1, 0))
            if number % 50 == 0:
                after = ops.add(after, ops.sum(x, (0,)))
        graph.set_state("total", after)
    graph.add_output(x)
    return graph


@pytest.mark.parametrize("backend", ["reference", "onnx", "tvm"])
def test_depth_is_no_limit(backend: str) -> None:
    graph = far(3000)
    target = Target(backend, threads=1)
    lowered, _ = lower(get_backend(backend), graph, target)
    made = get_backend(backend).emit(lowered, target)
    assert not isinstance(made, list)
