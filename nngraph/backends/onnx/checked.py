"""Looks at an ONNX file of others before a runtime does: sizes, names, places of data, limits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from onnx import AttributeProto, ModelProto, TensorProto

from nngraph.backends.onnx.model import dtype_of, element_type
from nngraph.ir.dims import SymDim
from nngraph.ir.signature import Signature
from nngraph.ir.types import TensorType

__all__ = ["ModelRefused", "check_model"]

_LARGEST = 2**31  # bytes: protobuf's limit
_MOST_NODES = 1_000_000
_DEEPEST = 32  # graphs in graphs
_KINDS = ("float", "int32", "string", "int64", "double", "uint64")
_OTHER_DATA = tuple(f"{kind}_data" for kind in _KINDS)


class ModelRefused(ValueError):
    """A file is no ONNX model that nngraph writes; the text says why."""


def check_model(
    content: bytes, signature: Signature, opset: int, data_name: str, data_bytes: int | None
) -> None:
    """Passes for a model of standard operators with this interface; nothing is run.

    Args:
        content: of the file.
        signature: what the model takes and gives, in this order.
        opset: of its operators.
        data_name: the only file in which its large constants may lie.
        data_bytes: the length of that file; None if there is none.

    Raises:
        ModelRefused: if it is anything else, or refers to what is not there.
    """
    model = _parsed(content)
    imports = [(o.domain, o.version) for o in model.opset_import]
    if imports != [("", opset)]:
        raise ModelRefused(f"its operators are of {imports!s:.100}, not of opset {opset}")
    if model.functions or model.training_info:
        raise ModelRefused("it has functions or training info, which nngraph does not write")
    _check_interface(model.graph, signature)
    count = 0
    for graph, depth in _graphs(model.graph):
        count += len(graph.node)
        if depth > _DEEPEST or count > _MOST_NODES:
            raise ModelRefused(f"it has more than {_DEEPEST} levels or {_MOST_NODES} nodes")
        for tensor in _tensors(graph):
            _check_tensor(tensor, data_name, data_bytes)


def _parsed(content: bytes) -> Any:
    from google.protobuf.message import DecodeError

    if len(content) > _LARGEST:
        raise ModelRefused(f"it has {len(content)} bytes; a protobuf message has 2 GiB at most")
    try:
        return ModelProto.FromString(content)
    except (DecodeError, ValueError, RecursionError) as error:
        raise ModelRefused(f"it is no ONNX model ({error!s:.100})") from None


def _graphs(graph: Any) -> Iterator[tuple[Any, int]]:
    """The graph and those in its nodes' attributes, with their depths."""
    waiting = [(graph, 0)]
    while waiting:
        each, depth = waiting.pop()
        yield each, depth
        for node in each.node:
            if node.domain or node.op_type == "":
                raise ModelRefused(f"{node.op_type!r:.40} of {node.domain!r:.40} is not standard")
            for attribute in node.attribute:
                if attribute.type == AttributeProto.GRAPH:
                    waiting.append((attribute.g, depth + 1))
                elif attribute.graphs or attribute.tensors or attribute.HasField("sparse_tensor"):
                    raise ModelRefused("it has attributes that nngraph does not write")


def _tensors(graph: Any) -> Iterator[Any]:
    if graph.sparse_initializer:
        raise ModelRefused("it has sparse initializers, which nngraph does not write")
    yield from graph.initializer
    for node in graph.node:
        yield from (a.t for a in node.attribute if a.type == AttributeProto.TENSOR)


def _check_tensor(tensor: Any, data_name: str, data_bytes: int | None) -> None:
    dtype = dtype_of(tensor.data_type)
    if dtype is None or any(d < 0 for d in tensor.dims):
        raise ModelRefused(f"constant {tensor.name!r:.60} has no element type or shape of nngraph")
    wanted = math.prod(tensor.dims) * dtype.itemsize
    if tensor.data_location != TensorProto.EXTERNAL:
        if len(tensor.raw_data) != wanted or any(getattr(tensor, f) for f in _OTHER_DATA):
            raise ModelRefused(f"constant {tensor.name!r:.60} has not the bytes of its shape")
        return
    place = {entry.key: entry.value for entry in tensor.external_data}
    begin, length = _size(place.get("offset", "0")), _size(place.get("length", ""))
    if place.get("location") != data_name or data_bytes is None:
        raise ModelRefused(f"constant {tensor.name!r:.60} lies in another file than {data_name}")
    if length != wanted or begin + length > data_bytes:
        raise ModelRefused(f"constant {tensor.name!r:.60} has not the bytes of its shape")


def _size(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise ModelRefused(f"{text!r:.40} is no offset or length of data")
    return int(text)


# -- inputs and outputs --------------------------------------------------------------------
def _check_interface(graph: Any, signature: Signature) -> None:
    inputs = [(p.name, p.type) for p in (*signature.inputs, *signature.scalars)]
    inputs += [(p.input, p.type) for p in signature.states]
    outputs = [(p.name, p.type) for p in signature.outputs]
    outputs += [(p.output, p.type) for p in signature.states if p.output is not None]
    _compare("inputs", graph.input, inputs)
    _compare("outputs", graph.output, outputs)
    if {i.name for i in graph.input} & {t.name for t in graph.initializer}:
        raise ModelRefused("an input has a default value")


def _compare(what: str, found: Sequence[Any], wanted: Sequence[tuple[str, TensorType]]) -> None:
    if len(found) != len(wanted):
        raise ModelRefused(f"it has {len(found)} {what}, not {len(wanted)}")
    for value, (name, kind) in zip(found, wanted, strict=True):
        tensor = value.type.tensor_type
        dims = [d.dim_param if d.HasField("dim_param") else d.dim_value for d in tensor.shape.dim]
        sizes = [str(d) if isinstance(d, SymDim) else d for d in kind.shape]
        described = (value.name, tensor.elem_type, dims)
        if described != (name, element_type(kind.dtype), sizes):
            raise ModelRefused(f"{what} are others than in the manifest: {value.name!r:.60}")
