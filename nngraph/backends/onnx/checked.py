"""Looks at an ONNX file of others before a runtime does: sizes, names, places of data, limits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from onnx import AttributeProto, ModelProto, TensorProto

from nngraph.backends.folder import FileRefused, file_size
from nngraph.backends.onnx.model import dtype_of, element_type
from nngraph.ir.dims import SymDim
from nngraph.ir.signature import Signature
from nngraph.ir.types import TensorType

__all__ = ["ModelRefused", "check_model", "read_model"]

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
    for graph in _graphs(model.graph):
        _need_ours(graph)
        for tensor in _tensors(graph):
            _check_tensor(tensor, data_name, data_bytes)


def read_model(path: Path) -> Any:
    """The model in a file of anyone's, whose constants lie in it or beside it; nothing is run.

    Operators may be of any domain.

    Returns:
        The ``ModelProto``; constants beside it are not read.

    Raises:
        FileNotFoundError: if there is no such file.
        ModelRefused: if it holds no model, or one that refers to what is not there: constants in
            other folders, behind links, or of other bytes than their shapes; and beyond limits on
            bytes, nodes and depth.
    """
    if path.stat().st_size > _LARGEST:
        raise ModelRefused(f"it has {path.stat().st_size} bytes; protobuf takes 2 GiB at most")
    model = _parsed(path.read_bytes())
    if not model.graph.node and not model.graph.output:
        raise ModelRefused("it is no ONNX model: it has no graph")
    pairs = [(p.key, p.value) for p in model.metadata_props]
    domains = [o.domain for o in model.opset_import]
    _need_texts(model.producer_name, model.producer_version, *domains, *chain(*pairs))
    for graph in _graphs(model.graph, *model.functions):
        _need_texts(graph.name, *_names_in(graph))
        attributes = [attribute for node in graph.node for attribute in node.attribute]
        for attribute in attributes:
            for tensor in (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors):
                _check_place(tensor, path.parent)
        for tensor in getattr(graph, "initializer", ()):
            _check_place(tensor, path.parent)
    return model


def _names_in(graph: Any) -> Iterator[Any]:
    """All texts of a graph, of those in its nodes' attributes not."""
    for node in graph.node:
        yield from (node.op_type, node.domain, node.name, node.doc_string)
        yield from (*node.input, *node.output, *(a.name for a in node.attribute))
    for part in ("input", "output", "value_info"):
        for value in getattr(graph, part, ()):
            if not isinstance(value, str | bytes):  # a function has names there
                dims = value.type.tensor_type.shape.dim
                yield from (value.name, *(d.dim_param for d in dims))
            else:
                yield value
    yield from (t.name for t in getattr(graph, "initializer", ()))


def _need_texts(*texts: Any) -> None:
    """Passes for texts; protobuf gives bytes for what is no UTF-8."""
    for text in texts:
        if not isinstance(text, str):
            raise ModelRefused(f"{text!r:.60} is no text")


def _check_place(tensor: Any, folder: Path) -> None:
    """Looks whether a constant's bytes are where it says, and as many as its shape's."""
    dtype = dtype_of(tensor.data_type)
    wanted = None if dtype is None else math.prod(tensor.dims) * dtype.itemsize
    if any(d < 0 for d in tensor.dims):
        raise ModelRefused(f"constant {tensor.name!r:.60} has a negative size")
    if tensor.data_location != TensorProto.EXTERNAL:
        if tensor.HasField("raw_data") and wanted not in (None, len(tensor.raw_data)):
            raise ModelRefused(f"constant {tensor.name!r:.60} has not the bytes of its shape")
        return
    place = _place_of(tensor)
    try:
        size = file_size(folder, place.get("location", ""))
    except FileRefused as error:
        raise ModelRefused(f"the data of constant {tensor.name!r:.60}: {error}") from None
    begin = _size(place.get("offset", "0"))
    length = _size(place.get("length", str(max(size - begin, 0))))
    if begin + length > size or wanted not in (None, length):
        raise ModelRefused(f"constant {tensor.name!r:.60} has not the bytes of its shape")


def _parsed(content: bytes) -> Any:
    from google.protobuf.message import DecodeError

    if len(content) > _LARGEST:
        raise ModelRefused(f"it has {len(content)} bytes; a protobuf message has 2 GiB at most")
    try:
        return ModelProto.FromString(content)
    except (DecodeError, ValueError, RecursionError) as error:
        raise ModelRefused(f"it is no ONNX model ({error!s:.100})") from None


def _graphs(*roots: Any) -> Iterator[Any]:
    """Graphs and functions, and the graphs in their nodes' attributes, within the limits."""
    waiting = [(root, 0) for root in roots]
    count = 0
    while waiting:
        graph, depth = waiting.pop()
        count += len(graph.node)
        if depth > _DEEPEST or count > _MOST_NODES:
            raise ModelRefused(f"it has more than {_DEEPEST} levels or {_MOST_NODES} nodes")
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                inner = [attribute.g] if attribute.HasField("g") else []
                waiting += ((each, depth + 1) for each in (*inner, *attribute.graphs))


def _need_ours(graph: Any) -> None:
    """Passes for standard operators with attributes of the kinds that nngraph writes."""
    for node in graph.node:
        if node.domain or node.op_type == "":
            raise ModelRefused(f"{node.op_type!r:.40} of {node.domain!r:.40} is not standard")
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                continue
            if attribute.graphs or attribute.tensors or attribute.HasField("sparse_tensor"):
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
    place = _place_of(tensor)
    begin, length = _size(place.get("offset", "0")), _size(place.get("length", ""))
    if place.get("location") != data_name or data_bytes is None:
        raise ModelRefused(f"constant {tensor.name!r:.60} lies in another file than {data_name}")
    if length != wanted or begin + length > data_bytes:
        raise ModelRefused(f"constant {tensor.name!r:.60} has not the bytes of its shape")


def _place_of(tensor: Any) -> dict[str, str]:
    """Where a constant's data lie; what is no text comes as bytes."""
    pairs = [(entry.key, entry.value) for entry in tensor.external_data]
    _need_texts(*chain(*pairs))
    return dict(pairs)


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
