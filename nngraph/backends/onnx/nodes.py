"""Writes the nodes of a graph, each by its operator's emission."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nngraph.backends.errors import Gap
from nngraph.backends.onnx.choices import Choices
from nngraph.backends.onnx.emission import Emission, Emissions, Site
from nngraph.backends.onnx.kernels import HALF
from nngraph.backends.onnx.writer import Missing, Writer
from nngraph.ir.dtypes import float32
from nngraph.ir.graph import Graph, Node, Value

__all__ = ["Names", "write_nodes"]

Names = dict[Value, str]


def write_nodes(
    graph: Graph, writer: Writer, names: Names, choices: Choices, emissions: Emissions
) -> list[Gap]:
    """Writes every node of ``graph``; ``names`` knows its parameters and learns the rest.

    Returns:
        What the runtime cannot do; if there is anything, what was written is incomplete.
    """
    gaps: list[Gap] = []
    for node in graph.nodes:
        try:
            outs = _write_node(node, writer, names, choices, emissions)
        except Missing as reason:
            gaps.append(Gap(f"{node.op.name}: {reason}", str(node.origin), node.op.advice))
            outs = [writer.declare("missing", v.type) for v in node.outputs]
        names.update(zip(node.outputs, outs, strict=True))
    return gaps


def _write_node(
    node: Node, writer: Writer, names: Names, choices: Choices, emissions: Emissions
) -> Sequence[str]:
    emission = emissions.get(type(node.op))
    if emission is None:
        raise Missing("there is no way to write it with ONNX operators")
    writer.scope, writer.doc = node.origin.module.replace(".", "/"), str(node.origin)
    results = tuple(v.type for v in node.outputs)
    if all(0 in t.shape and t.is_static for t in results):
        return [writer.constant(np.zeros(t.static_shape, t.dtype.numpy)) for t in results]
    site = _site(node, emission, writer, [names[v] for v in node.inputs], choices, emissions)
    outs = emission.emit(site)
    listed = [outs] if isinstance(outs, str) else list(outs)
    return [writer.cast(o, t.dtype) for o, t in zip(listed, results, strict=True)]


def _site(
    node: Node,
    emission: Emission,
    writer: Writer,
    inputs: Sequence[str],
    choices: Choices,
    emissions: Emissions,
) -> Site:
    types = tuple(v.type for v in node.inputs)
    if not emission.native:
        types = tuple(t.with_dtype(float32) if t.dtype in HALF else t for t in types)
        inputs = [writer.cast(n, t.dtype) for n, t in zip(inputs, types, strict=True)]
    results = tuple(v.type for v in node.outputs)
    return Site(writer, node, tuple(inputs), types, results, choices, emissions)
