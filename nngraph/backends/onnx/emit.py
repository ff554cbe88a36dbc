"""Turns a graph into an ONNX model: the walk over nodes, names of inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import onnx
from onnx import helper

from nngraph.backends.base import Gap
from nngraph.backends.onnx.choices import Choices
from nngraph.backends.onnx.nodes import Names, write_nodes
from nngraph.backends.onnx.rules.table import RULES
from nngraph.backends.onnx.writer import Writer, tensor_proto, value_info
from nngraph.ir.graph import Graph
from nngraph.ir.types import TensorType
from nngraph.version import __version__

__all__ = ["IR_VERSION", "OPSET", "OnnxArtifact", "emit_graph", "find_gaps"]

# What stock runtimes of the last two years load; from opset 22 on some kernels are missing.
OPSET = 21
IR_VERSION = 10


@dataclass(frozen=True)
class OnnxArtifact:
    """An ONNX model with the names that a caller feeds and reads.

    Attributes:
        model: the ``onnx.ModelProto``.
        inputs: ONNX names of the graph's inputs, in order; ``scalars`` likewise.
        states: for each state its own name, the ONNX input, and the ONNX output (None if no call
            changes it).
        outputs: ONNX names of the graph's outputs.
        input_types: types of the inputs; ``scalar_types``, ``state_types`` and ``output_types``
            likewise.
    """

    model: onnx.ModelProto
    inputs: tuple[str, ...]
    scalars: tuple[str, ...]
    states: tuple[tuple[str, str, str | None], ...]
    outputs: tuple[str, ...]
    input_types: tuple[TensorType, ...]
    scalar_types: tuple[TensorType, ...]
    state_types: tuple[TensorType, ...]
    output_types: tuple[TensorType, ...]


def find_gaps(graph: Graph, choices: Choices) -> list[Gap]:
    """Everything in ``graph`` that has no form in ONNX Runtime."""
    writer = Writer()
    names, _ = _declare(graph, writer)
    return write_nodes(graph, writer, names, choices, RULES)


def _declare(graph: Graph, writer: Writer) -> tuple[Names, dict[str, list[str]]]:
    names: Names = {}
    groups: dict[str, list[str]] = {"inputs": [], "scalars": [], "states": []}
    for position, value in enumerate(graph.inputs):
        hint = value.hint or f"input_{position}"
        groups["inputs"].append(writer.declare(hint, value.type))
        names[value] = groups["inputs"][-1]
    for name, value in graph.scalars.items():
        groups["scalars"].append(writer.declare(name, value.type))
        names[value] = groups["scalars"][-1]
    for state in graph.states:
        groups["states"].append(writer.declare(state.name, state.input.type))
        names[state.input] = groups["states"][-1]
    return names, groups


def emit_graph(graph: Graph, choices: Choices, name: str = "") -> OnnxArtifact:
    """The model of a graph that has no gaps.

    Raises:
        ValueError: if it has; ask ``find_gaps`` first.
    """
    writer = Writer()
    names, groups = _declare(graph, writer)
    # Reserved now, so that inner names never take them.
    outputs = [writer.fresh(n or f"output_{i}") for i, n in enumerate(graph.output_names)]
    following = [writer.fresh(f"{s.name}.next") if s.is_changed else None for s in graph.states]
    gaps = write_nodes(graph, writer, names, choices, RULES)
    if gaps:
        raise ValueError(f"the graph has gaps: {'; '.join(map(str, gaps))}")
    changed = [s for s in graph.states if s.is_changed]
    values = [*graph.outputs, *(s.output for s in changed)]
    finals = [*outputs, *(f for f in following if f is not None)]
    _name_results(writer, [names[v] for v in values], finals)
    states = tuple(
        (s.name, i, o) for s, i, o in zip(graph.states, groups["states"], following, strict=True)
    )
    given = [value_info(names[v], v.type) for v in graph.parameters]
    results = [value_info(n, v.type) for n, v in zip(finals, values, strict=True)]
    return OnnxArtifact(
        _model(writer, name or graph.name, given, results),
        tuple(groups["inputs"]),
        tuple(groups["scalars"]),
        states,
        tuple(outputs),
        tuple(v.type for v in graph.inputs),
        tuple(v.type for v in graph.scalars.values()),
        tuple(s.input.type for s in graph.states),
        tuple(v.type for v in graph.outputs),
    )


def _name_results(writer: Writer, sources: Sequence[str], finals: Sequence[str]) -> None:
    """Gives results their names: renames what a node makes, once; copies anything else."""
    made = {name for node in writer.nodes for name in node.output}
    renamed: dict[str, str] = {}
    for source, final in zip(sources, finals, strict=True):
        writer.dtypes[final] = writer.dtypes[source]
        if source in made and source not in renamed:
            renamed[source] = final
        else:
            node = helper.make_node("Identity", [source], [final], name=writer.fresh(final))
            writer.nodes.append(node)
    for node in writer.nodes:
        _rename(node, renamed)


def _rename(node: onnx.NodeProto, renamed: dict[str, str]) -> None:
    for names in (node.input, node.output):
        for position, name in enumerate(names):
            if name in renamed:
                names[position] = renamed[name]
    for attribute in node.attribute:
        for inner in attribute.g.node:
            _rename(inner, renamed)
        for result in attribute.g.output:
            result.name = renamed.get(result.name, result.name)


def used_names(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    """All names that nodes and the graphs in their attributes read."""
    found: set[str] = set()
    for node in nodes:
        found.update(node.input)
        for attribute in node.attribute:
            found |= used_names(attribute.g.node)
            found.update(result.name for result in attribute.g.output)
    return found


def _model(
    writer: Writer,
    name: str,
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    used = used_names(writer.nodes)
    constants = [tensor_proto(a, n) for n, a in writer.initializers.items() if n in used]
    graph = helper.make_graph(writer.nodes, name, inputs, outputs, constants)
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="nngraph",
        producer_version=__version__,
    )
