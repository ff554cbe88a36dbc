"""An ONNX model as plain data, which is what the emitters of operators make.

``proto`` turns it into protobuf in one go; until then nothing needs the ``onnx`` package.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from nngraph.backends.onnx.kernels import OPSET
from nngraph.ir.dtypes import DType, as_dtype
from nngraph.ir.op import Array
from nngraph.ir.signature import Signature
from nngraph.ir.types import TensorType

__all__ = [
    "Attribute",
    "Named",
    "OnnxGraph",
    "OnnxModel",
    "OnnxNode",
    "dtype_of",
    "element_type",
    "names_read",
]

# TensorProto.DataType of the standard.
_ELEMENT_TYPES: dict[str, int] = {
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "uint16": 4,
    "int16": 5,
    "int32": 6,
    "int64": 7,
    "bool": 9,
    "float16": 10,
    "float64": 11,
    "uint32": 12,
    "uint64": 13,
    "bfloat16": 16,
}


def element_type(dtype: DType) -> int:
    """ONNX's number for an element type."""
    return _ELEMENT_TYPES[dtype.name]


def dtype_of(element_type: int) -> DType | None:
    """The type of ONNX's number, None for one that nngraph lacks."""
    name = next((name for name, number in _ELEMENT_TYPES.items() if number == element_type), None)
    return None if name is None else as_dtype(name)


@dataclass(slots=True)
class OnnxNode:
    """One node; ``doc`` says where it comes from."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    name: str
    doc: str
    attributes: dict[str, Attribute]


Named = tuple[str, TensorType]


@dataclass
class OnnxGraph:
    """A graph, or one that an attribute holds (a branch, the body of a loop)."""

    name: str
    nodes: list[OnnxNode]
    inputs: list[Named]
    outputs: list[Named]
    initializers: dict[str, Array] = field(default_factory=dict)


Attribute = int | float | str | Array | OnnxGraph | Sequence[int]


@dataclass
class OnnxModel:
    """A whole model of one opset with the signature of the graph that it was made from."""

    graph: OnnxGraph
    signature: Signature
    metadata: dict[str, str] = field(default_factory=dict)
    opset: int = OPSET


def names_read(graph: OnnxGraph) -> Iterator[str]:
    """All names that nodes and results read, those of graphs in attributes included."""
    for node in graph.nodes:
        yield from node.inputs
        for inner in inner_graphs(node):
            yield from names_read(inner)
    yield from (name for name, _ in graph.outputs)


def inner_graphs(node: OnnxNode) -> Iterable[OnnxGraph]:
    """The graphs that attributes hold."""
    return (value for value in node.attributes.values() if isinstance(value, OnnxGraph))
