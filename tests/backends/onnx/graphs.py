"""Small graphs that the tests of the ONNX backend share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from nngraph import ops
from nngraph.backends import get_backend
from nngraph.backends.base import Target
from nngraph.backends.build import Built, build
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.types import tensor_type
from tests.support.gradients import gradients

__all__ = ["built", "kinds", "model_of", "reference", "regression", "start"]


def built(graph: Graph, **options: Any) -> Built[Any]:
    """Compiled for ONNX Runtime on one thread."""
    return build(get_backend("onnx"), graph, Target("onnx", threads=1, **options))


def reference(graph: Graph) -> Built[Any]:
    return build(get_backend("reference"), graph, Target("reference"))


def kinds(result: Built[Any]) -> list[str]:
    """The ONNX operators of a compiled graph, in order."""
    return [node.op_type for node in model_of(result).graph.node]


def model_of(result: Built[Any]) -> onnx.ModelProto:
    """The ONNX model of a compiled graph."""
    return onnx.load_model_from_string(result.artifact.model)


def regression(batch: int | str = 4, dtype: str = "float32") -> Graph:
    """One step of momentum SGD on a line: states weight, bias, momentum, and one never changed."""
    graph = Graph("regression")
    x = graph.add_input(tensor_type(dtype, (batch, 3)), "x")
    y = graph.add_input(tensor_type(dtype, (batch, 2)), "y")
    lr = graph.add_scalar("lr", tensor_type(dtype))
    weight = graph.add_state("weight", tensor_type(dtype, (3, 2)))
    bias = graph.add_state("bias", tensor_type(dtype, (2,)))
    moment = graph.add_state("moment", weight.type)
    shift = graph.add_state("shift", tensor_type(dtype, (3,)))
    with Builder(graph):
        error = ops.sub(ops.add(ops.matmul(ops.add(x, shift), weight), bias), y)
        loss = ops.mean(ops.mul(error, error))
        to_weight, to_bias = gradients(graph, [loss], [weight, bias])
        assert to_weight is not None and to_bias is not None
        new = ops.add(ops.mul(moment, 0.9), to_weight)
        graph.set_state("moment", new)
        graph.set_state("weight", ops.sub(weight, ops.mul(new, lr)))
        graph.set_state("bias", ops.sub(bias, ops.mul(to_bias, lr)))
    graph.add_output(loss, "loss")
    return graph


def start(graph: Graph, seed: int = 0) -> list[Array]:
    """Random arrays for the states."""
    rng = np.random.default_rng(seed)
    return _random([s.input.type for s in graph.states], rng)


def _random(types: Sequence[Any], rng: np.random.Generator) -> list[Array]:
    return [np.asarray(rng.standard_normal(t.static_shape)).astype(t.dtype.numpy) for t in types]
