"""Gradients and decompositions of operators over symbolic sizes build and verify."""

from __future__ import annotations

from typing import Any

import pytest

from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph
from nngraph.ir.op import Op
from nngraph.ir.types import TensorType, tensor_type
from nngraph.ir.verify import verify
from nngraph.ops import (
    AvgPool,
    BatchNormInference,
    BatchNormTraining,
    Conv,
    CrossEntropy,
    Embedding,
    GatherElements,
    Gelu,
    LayerNorm,
    LogSoftmax,
    MaxPool,
    ScaledDotProductAttention,
    ScatterSlices,
    Softmax,
    Sort,
    Take,
)
from tests.support.contract import gradient_graph


def f32(*shape: int | str) -> TensorType:
    return tensor_type("f32", shape)


def i64(*shape: int | str) -> TensorType:
    return tensor_type("i64", shape)


PAIRS = ((1, 1), (1, 1))
IMAGE, CHANNELS = f32("n", 3, "h", "w"), f32(3)
CASES: list[tuple[Op, tuple[TensorType, ...]]] = [
    (Conv((2, 2), PAIRS, (1, 1), 1), (IMAGE, f32(4, 3, 3, 3))),
    (MaxPool((3, 3), (2, 2), PAIRS, (1, 1)), (IMAGE,)),
    (AvgPool((2, 2), (2, 2), PAIRS), (IMAGE,)),
    (BatchNormTraining(1e-5), (IMAGE, CHANNELS, CHANNELS)),
    (BatchNormInference(1e-5), (IMAGE, CHANNELS, CHANNELS, CHANNELS, CHANNELS)),
    (LayerNorm(1, 1e-5), (f32("n", "t", 8), f32(8), f32(8))),
    (Softmax(1), (f32("n", "c"),)),
    (LogSoftmax(0), (f32("n", "c"),)),
    (Gelu("tanh"), (f32("n", 4),)),
    (CrossEntropy(-100, 0.1), (f32("n", 10, "t"), i64("n", "t"))),
    (CrossEntropy(), (f32("n", 10), i64("n"), f32(10))),
    (Embedding(0), (f32("v", 8), i64("n", "t"))),
    (Take(0), (f32("v", 8), i64("n"))),
    (ScatterSlices(0, "max"), (f32("v", 8), i64("n"), f32("n", 8))),
    (GatherElements(1), (f32("n", 8), i64("n", "k"))),
    (Sort(1), (f32("n", "t"),)),
    (ScaledDotProductAttention(True), (f32("n", 4, "t", 8),) * 3),
    (ScaledDotProductAttention(), (*(f32("n", 4, "t", 8),) * 3, tensor_type("bool", ("t", "t")))),
]


def expand(graph: Graph) -> None:
    """Decomposes until no composite is left."""
    for node in graph.nodes:
        if node.op.defines("decompose"):
            with Builder(graph, before=node):
                made = node.op.decompose(*node.inputs)
            for old, new in zip(node.outputs, made, strict=True):
                old.replace_uses(new)
            graph.erase(node)
            expand(graph)
            return


@pytest.mark.parametrize(("op", "types"), CASES, ids=lambda v: v.name if isinstance(v, Op) else "")
def test_symbolic_sizes(op: Op, types: Any) -> None:
    graph = Graph()
    inputs = [graph.add_input(t) for t in types]
    with Builder(graph) as builder:
        for value in builder.apply(op, inputs):
            graph.add_output(value)
    gradients = gradient_graph(graph)
    expand(gradients)
    verify(gradients)
    wanted = [t for t in types if t.dtype.is_floating_point]
    assert [v.type for v in gradients.outputs] == wanted
    assert not any(n.op.defines("decompose") for n in gradients.nodes)
