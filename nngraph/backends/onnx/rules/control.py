"""Loops: a scan over time becomes ONNX's Scan, its body a graph of its own."""

from __future__ import annotations

from collections.abc import Sequence

from nngraph import ops
from nngraph.backends.onnx.emission import Emission, Emissions, OpSite, Site
from nngraph.backends.onnx.model import OnnxGraph
from nngraph.backends.onnx.nodes import write_nodes
from nngraph.backends.onnx.rules.shape import filled
from nngraph.backends.onnx.writer import Missing, Writer
from nngraph.ir.graph import Graph, Value

__all__ = ["EMISSIONS"]


def _scan(s: OpSite[ops.Scan]) -> Sequence[str]:
    """Constants of the loop are read from the surrounding graph by name."""
    op, body = s.op, s.op.body.graph
    first, second = op.carries, op.carries + op.consts
    sequences = s.inputs[second:]
    if op.length == 0:
        stacks = (filled(s, 0, t.dtype, t.shape) for t in s.results[first:])
        return *s.inputs[:first], *stacks
    if not sequences:
        raise Missing("a loop without sequences")
    inner = Writer(s.writer)
    names = dict(zip(body.inputs[first:second], s.inputs[first:second], strict=True))
    moving = [*body.inputs[:first], *body.inputs[second:]]
    for position, value in enumerate(moving):
        names[value] = inner.declare(value.hint or f"step_{position}", value.type)
    graph = _body(s, inner, body, moving, names)
    direction = int(op.reverse)
    return s.writer.ops(
        "Scan",
        (*s.inputs[:first], *sequences),
        len(s.results),
        [t.dtype for t in s.results],
        body=graph,
        num_scan_inputs=len(sequences),
        scan_input_directions=[direction] * len(sequences),
        scan_output_directions=[direction] * (len(s.results) - first) or None,
    )


def _body(
    s: Site, writer: Writer, body: Graph, moving: Sequence[Value], names: dict[Value, str]
) -> OnnxGraph:
    gaps = write_nodes(body, writer, names, s.choices, s.emissions)
    if gaps:
        raise Missing("in the loop's body: " + "; ".join(map(str, gaps)))
    results = []
    for value in body.outputs:
        # Each result needs a name of its own that a node of the body makes.
        copy = writer.op("Identity", names[value])
        results.append((copy, value.type))
    inputs = [(names[v], v.type) for v in moving]
    return OnnxGraph(writer.fresh("body"), writer.nodes, inputs, results)


EMISSIONS: Emissions = {ops.Scan: Emission(_scan, native=True)}
