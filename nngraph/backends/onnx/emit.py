"""Turns a graph into an ONNX model: the walk over nodes, names of inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence

from nngraph.backends.errors import Gap
from nngraph.backends.onnx.choices import Choices
from nngraph.backends.onnx.kernels import OPSET
from nngraph.backends.onnx.model import OnnxGraph, OnnxModel, OnnxNode, inner_graphs, names_read
from nngraph.backends.onnx.nodes import Names, write_nodes
from nngraph.backends.onnx.rules.table import EMISSIONS
from nngraph.backends.onnx.writer import Writer
from nngraph.ir.graph import Graph, Value
from nngraph.ir.signature import Signature, signature_of

__all__ = ["emit_model"]


def emit_model(graph: Graph, choices: Choices, opset: int = OPSET) -> OnnxModel | list[Gap]:
    """The model of a graph, or everything in it that has no form in ONNX Runtime."""
    writer, signature = Writer(opset=opset), signature_of(graph)
    names = _declare(graph, signature, writer)
    inputs = [(names[v], v.type) for v in graph.parameters]
    _compare_sizes(graph.inputs, writer, names)
    gaps = write_nodes(graph, writer, names, choices, EMISSIONS)
    if gaps:
        return gaps
    finals = {
        port.name: value for port, value in zip(signature.outputs, graph.outputs, strict=True)
    }
    for port, state in zip(signature.states, graph.states, strict=True):
        if port.output is not None:
            finals[port.output] = state.output
    _name_results(writer, [names[v] for v in finals.values()], list(finals))
    made = OnnxGraph(
        graph.name, writer.nodes, inputs, [(name, value.type) for name, value in finals.items()]
    )
    used = set(names_read(made))
    made.initializers = {n: a for n, a in writer.initializers.items() if n in used}
    return OnnxModel(made, signature, opset=opset)


def _declare(graph: Graph, signature: Signature, writer: Writer) -> Names:
    """Names of the graph's parameters; those of its results are reserved."""
    given = [p.name for p in (*signature.inputs, *signature.scalars)]
    given += [p.input for p in signature.states]
    names = {
        value: writer.declare(name, value.type)
        for name, value in zip(given, graph.parameters, strict=True)
    }
    for name in (*(p.name for p in signature.outputs), *(p.output for p in signature.states)):
        if name is not None:
            writer.fresh(name)
    return names


def _compare_sizes(inputs: Sequence[Value], writer: Writer, names: Names) -> None:
    """Lets a call fail whose inputs have different sizes where their types name one.

    The runtime does not compare them, and would broadcast 1 to the other. An input is reshaped to
    the size that another one has, which costs a copy at most, and is an error where the sizes
    differ. The name of the node says what it is for: the runtime's error shows it.
    """
    for value in inputs:
        given, shape = names[value], value.type.shape
        for axis, dim in enumerate(shape):
            source = writer.size_source(dim)
            if source is None or source == (given, axis):
                continue
            other = f"{source[0]}.shape[{source[1]}]"
            writer.scope = f"{given}.shape[{axis}] must be {other}, both are {str(dim)!r}"
            writer.doc = writer.scope
            names[value] = writer.with_size(names[value], axis, len(shape), dim)


def _name_results(writer: Writer, sources: Sequence[str], finals: Sequence[str]) -> None:
    """Gives results their names: renames what a node makes, once; copies anything else."""
    made = {name for node in writer.nodes for name in node.outputs}
    renamed: dict[str, str] = {}
    for source, final in zip(sources, finals, strict=True):
        if source in made and source not in renamed:
            renamed[source] = final
        else:
            name = writer.fresh(final)
            writer.nodes.append(OnnxNode("Identity", [source], [final], name, "", {}))
    for node in writer.nodes:
        _rename(node, renamed)


def _rename(node: OnnxNode, renamed: dict[str, str]) -> None:
    for names in (node.inputs, node.outputs):
        names[:] = [renamed.get(name, name) for name in names]
    for graph in inner_graphs(node):
        for inner in graph.nodes:
            _rename(inner, renamed)
        graph.outputs = [(renamed.get(name, name), kind) for name, kind in graph.outputs]
