"""Which opsets a file may have, and whether a model's operators are in its one."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import defs

from nngraph.backends.errors import Gap
from nngraph.backends.onnx.kernels import FIRST_OPSET
from nngraph.backends.onnx.model import OnnxGraph, OnnxModel, OnnxNode, inner_graphs

__all__ = ["need_opset", "opset_gaps"]

# The newest one that onnxruntime 1.32 loads.
_NEWEST = 28


def need_opset(opset: int) -> None:
    """Passes for an opset that files can be written in.

    Raises:
        ValueError: naming those that can.
    """
    newest = min(_NEWEST, defs.onnx_opset_version())
    if type(opset) is not int or not FIRST_OPSET <= opset <= newest:
        raise ValueError(f"opset= is an integer from {FIRST_OPSET} to {newest}, got {opset!r}")


def opset_gaps(model: OnnxModel) -> list[Gap]:
    """What of a model its opset has not, with the opset that has it."""
    return [gap for node in _nodes(model.graph) for gap in _gaps(node, model.opset)]


def _nodes(graph: OnnxGraph) -> Iterator[OnnxNode]:
    for node in graph.nodes:
        yield node
        for inner in inner_graphs(node):
            yield from _nodes(inner)


def _gaps(node: OnnxNode, opset: int) -> Iterator[Gap]:
    if not _has(node, opset):
        later = range(opset + 1, defs.onnx_opset_version() + 1)
        first = next((version for version in later if _has(node, version)), None)
        fix = f"opset={first} has it" if first else "no opset has it"
        yield Gap(f"{_described(node)} in opset {opset}", node.doc, fix)


def _has(node: OnnxNode, opset: int) -> bool:
    if not defs.has(node.kind, opset):
        return False
    known = set(defs.get_schema(node.kind, opset).attributes)
    return node.attributes.keys() <= known


def _described(node: OnnxNode) -> str:
    return f"the operator {node.kind} with {', '.join(sorted(node.attributes)) or 'no attributes'}"
