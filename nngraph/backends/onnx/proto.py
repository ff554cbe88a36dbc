"""A model as protobuf: the one place that needs the ``onnx`` package."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    TensorProto,
    TensorShapeProto,
    TypeProto,
    ValueInfoProto,
)

from nngraph.backends.onnx.model import Attribute, OnnxGraph, OnnxModel, OnnxNode, element_type
from nngraph.ir.dtypes import as_dtype
from nngraph.ir.op import Array
from nngraph.ir.types import TensorType
from nngraph.version import __version__

__all__ = ["PROTOBUF_LIMIT", "serialized", "node_named"]

# The format of files that came with each opset; runtimes that know the opset know it.
_IR_VERSIONS = {18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13, 27: 13, 28: 14}

# A protobuf message ends at 2 GiB; names and shapes need room too.
PROTOBUF_LIMIT = 2**31 - 2**26
_EXTERNAL_AT_LEAST = 1024  # bytes; smaller constants stay in the model
_PAGE = 4096  # offsets that the runtime can map


def serialized(
    model: OnnxModel, location: str, limit: int = PROTOBUF_LIMIT
) -> tuple[bytes, list[bytes]]:
    """The bytes of a model, and those of a file beside it, in pieces.

    Args:
        model: what to write.
        location: name of the file beside.
        limit: bytes of constants from which on large ones go there; below it there is no file.
    """
    proto = ModelProto(
        ir_version=_IR_VERSIONS[model.opset], producer_name="nngraph", producer_version=__version__
    )
    proto.opset_import.add(domain="", version=model.opset)
    for key, value in model.metadata.items():
        proto.metadata_props.add(key=key, value=value)
    constants = model.graph.initializers
    data = _Beside(location) if sum(a.nbytes for a in constants.values()) >= limit else None
    _fill_graph(proto.graph, model.graph, data)
    return proto.SerializeToString(deterministic=True), data.pieces if data else []


class _Beside:
    """The data of large constants, each padded to a page."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.pieces: list[bytes] = []
        self._offset = 0

    def take(self, data: bytes) -> dict[str, object]:
        """Where the data will be."""
        place = {"location": self.location, "offset": self._offset, "length": len(data)}
        padding = -len(data) % _PAGE
        self._offset += len(data) + padding
        self.pieces += [data, bytes(padding)]
        return place


def _fill_graph(proto: GraphProto, graph: OnnxGraph, data: _Beside | None = None) -> None:
    proto.name = graph.name
    for node in graph.nodes:
        _add_node(proto.node, node)
    proto.initializer.extend(_tensor(n, a, data) for n, a in graph.initializers.items())
    proto.input.extend(_value(*named) for named in graph.inputs)
    proto.output.extend(_value(*named) for named in graph.outputs)


def _add_node(protos: Any, node: OnnxNode) -> None:
    made = protos.add(
        op_type=node.kind,
        input=node.inputs,
        output=node.outputs,
        name=node.name,
        doc_string=node.doc or None,
    )
    for key in sorted(node.attributes):
        _fill_attribute(made.attribute.add(name=key), node.attributes[key])


def _fill_attribute(proto: AttributeProto, value: Attribute) -> None:
    if isinstance(value, int):
        proto.type, proto.i = AttributeProto.INT, value
    elif isinstance(value, float):
        proto.type, proto.f = AttributeProto.FLOAT, value
    elif isinstance(value, str):
        proto.type, proto.s = AttributeProto.STRING, value.encode()
    elif isinstance(value, OnnxGraph):
        proto.type = AttributeProto.GRAPH
        _fill_graph(proto.g, value)
    elif isinstance(value, np.ndarray):
        proto.type = AttributeProto.TENSOR
        proto.t.CopyFrom(_tensor(proto.name, value))
    else:
        proto.type = AttributeProto.INTS
        proto.ints.extend(value)


def _tensor(name: str, array: Array, data: _Beside | None = None) -> TensorProto:
    """Raw little-endian data (any dtype of nngraph)."""
    kind = element_type(as_dtype(array.dtype))
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    if data is None or len(little) < _EXTERNAL_AT_LEAST:
        return TensorProto(name=name, data_type=kind, dims=array.shape, raw_data=little)
    made = TensorProto(
        name=name, data_type=kind, dims=array.shape, data_location=TensorProto.EXTERNAL
    )
    for key, value in data.take(little).items():
        made.external_data.add(key=key, value=str(value))
    return made


def _value(name: str, kind: TensorType) -> ValueInfoProto:
    """Name, element type and shape; a symbolic dimension becomes a ``dim_param``."""
    dims = [{"dim_value": d} if isinstance(d, int) else {"dim_param": str(d)} for d in kind.shape]
    shape = TensorShapeProto(dim=[TensorShapeProto.Dimension(**d) for d in dims])
    tensor = TypeProto.Tensor(elem_type=element_type(kind.dtype), shape=shape)
    return ValueInfoProto(name=name, type=TypeProto(tensor_type=tensor))


def node_named(name: str, model: bytes) -> Any:
    """The node of a name, None if there is none; runtimes add to names, and keep their starts."""
    nodes = ModelProto.FromString(model).graph.node
    named = [n for n in nodes if n.name and name.startswith(n.name)]
    return max(named, key=lambda n: len(n.name), default=None)
