"""Writes a graph as an ONNX file that any ONNX Runtime runs, with its state beside it or in it."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from nngraph.backends.base import Target, lower
from nngraph.backends.errors import UnsupportedGraph
from nngraph.backends.files import FileSet
from nngraph.backends.onnx.backend import OnnxBackend
from nngraph.backends.onnx.choices import Choices
from nngraph.backends.onnx.emit import emit_model
from nngraph.backends.onnx.kernels import OPSET
from nngraph.backends.onnx.model import OnnxModel, names_read
from nngraph.backends.onnx.opsets import need_opset, opset_gaps
from nngraph.backends.onnx.proto import PROTOBUF_LIMIT, serialized
from nngraph.ir.dtypes import as_dtype
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.roles import Role
from nngraph.ir.signature import Signature

__all__ = ["METADATA_KEY", "ModelFile", "StateStorage", "data_name", "model_file", "write_model"]

METADATA_KEY = "nngraph.step"


class StateStorage(enum.Enum):
    """Where an exported file has its initial state."""

    SAFETENSORS = "safetensors"  # a file beside the model
    INITIALIZERS = "initializers"  # default values of the state inputs
    CONSTANTS = "constants"  # constants of the model: no call may change them


@dataclass(frozen=True)
class ModelFile:
    """A model as it is written.

    Attributes:
        content: of the ONNX file.
        data: of the file beside it that holds large constants, in pieces; empty if there is none.
        signature: of the graph that it was made from.
    """

    content: bytes
    data: tuple[bytes, ...]
    signature: Signature


def write_model(
    graph: Graph,
    path: Path,
    *,
    states: Mapping[str, Array],
    scalars: Mapping[str, float] | None = None,
    state: str = "safetensors",
    target: Target | None = None,
    limit: int = PROTOBUF_LIMIT,
    opset: int = OPSET,
) -> Path:
    """Compiles ``graph`` for ONNX and writes it; all files appear at once, complete, or not at all.

    The metadata entry ``nngraph.step`` holds JSON: ``batch`` (names of the inputs), ``scalars``
    (name to the number given here), ``state`` (a list of ``input``, ``name`` and, where a call
    changes it, ``output``), ``results`` (names of the outputs that the function returned) and, with
    ``"safetensors"``, ``state_file``. Other outputs, if there are any, are listed as ``effects``:
    ``output``, ``role`` and ``of``.

    Args:
        graph: a traced graph; it stays as it is.
        path: the ONNX file.
        states: the initial array of each state of the graph.
        scalars: the present number of each host scalar.
        state: ``"safetensors"`` writes ``<stem>.safetensors`` beside the model;
            ``"initializers"`` makes the arrays default values of the state inputs; ``"constants"``
            makes states that the graph only reads constants of the model.
        target: as for compiling.
        limit: bytes of constants from which on they go to ``<name>.data`` beside the model.
        opset: whose operators the file has.

    Raises:
        UnsupportedGraph: naming all that ONNX Runtime or the opset lacks.
        ValueError: if ``state`` or ``opset`` is none of these, a state's array is missing or of
            another type, or a state that the graph changes was to be a constant.
    """
    how = _storage(state)
    _check_states(graph, states, how)
    beside = path.with_suffix(".safetensors").name if how is StateStorage.SAFETENSORS else None
    file = model_file(
        graph,
        path.name,
        states=states,
        scalars=scalars,
        how=how,
        state_file=beside,
        target=target,
        limit=limit,
        opset=opset,
    )
    data = path.with_name(data_name(path.name))
    with FileSet(path) as files:
        if beside is not None:
            files.add(path.parent / beside, lambda f: _write_states(f, graph, states))
        if file.data:
            files.add(data, lambda f: _write_pieces(f, file.data))
        files.add(path, lambda f: _write_pieces(f, [file.content]))
    return path


def data_name(name: str) -> str:
    """What the file beside a model of that name is called."""
    return f"{name}.data"


def model_file(
    graph: Graph,
    name: str,
    *,
    states: Mapping[str, Array],
    scalars: Mapping[str, float] | None = None,
    how: StateStorage = StateStorage.SAFETENSORS,
    state_file: str | None = None,
    target: Target | None = None,
    limit: int = PROTOBUF_LIMIT,
    opset: int = OPSET,
    metadata: Mapping[str, str] | None = None,
) -> ModelFile:
    """The file of that name that ``write_model`` writes, in memory.

    Args:
        state_file: the file that the metadata names for the initial state.
        metadata: more entries.
    """
    need_opset(opset)
    target = target or Target("onnx")
    lowered, _ = lower(OnnxBackend(), graph, target)
    model = emit_model(lowered, Choices(threads=target.thread_count), opset)
    gaps = model if isinstance(model, list) else opset_gaps(model)
    if isinstance(model, list) or gaps:
        raise UnsupportedGraph("onnx", gaps)
    if how is not StateStorage.SAFETENSORS:
        _add_constants(model, states, how)
    described = _metadata(model.signature, scalars or {}, how, state_file)
    model.metadata |= {METADATA_KEY: json.dumps(described), **(metadata or {})}
    content, data = serialized(model, data_name(name), limit)
    if not data:
        onnx.checker.check_model(content, full_check=True)
    return ModelFile(content, tuple(data), model.signature)


def _storage(state: str) -> StateStorage:
    known = {storage.value: storage for storage in StateStorage}
    if state not in known:
        raise ValueError(f"state must be one of {tuple(known)}, got {state!r}")
    return known[state]


def _check_states(graph: Graph, states: Mapping[str, Array], how: StateStorage) -> None:
    for entry in graph.states:
        if entry.name not in states:
            raise ValueError(f"the array of state {entry.name!r} is missing")
        array, kind = states[entry.name], entry.input.type
        if as_dtype(array.dtype) is not kind.dtype or tuple(array.shape) != kind.shape:
            shown = f"{array.dtype}{list(array.shape)}"
            raise ValueError(f"state {entry.name!r} is {kind}; its array is {shown}")
        if how is StateStorage.CONSTANTS and entry.is_changed:
            raise ValueError(
                f"a call changes state {entry.name!r}, so it cannot be a constant of the file: "
                'use state="safetensors" or "initializers"'
            )


def _add_constants(model: OnnxModel, states: Mapping[str, Array], how: StateStorage) -> None:
    """Puts the arrays into the model; as constants they are no inputs any more."""
    graph, keep_inputs = model.graph, how is StateStorage.INITIALIZERS
    used = set(names_read(graph))
    ports = model.signature.states
    for port in ports:
        if keep_inputs or port.input in used:
            graph.initializers[port.input] = states[port.name]
    if not keep_inputs:
        constant = {port.input for port in ports}
        graph.inputs = [(name, kind) for name, kind in graph.inputs if name not in constant]


def _metadata(
    signature: Signature, scalars: Mapping[str, float], how: StateStorage, state_file: str | None
) -> dict[str, Any]:
    ports = () if how is StateStorage.CONSTANTS else signature.states
    effects = [
        {"output": o.name, "role": o.role.value, "of": o.of}
        for o in signature.outputs
        if o.role is not Role.RESULT
    ]
    found: dict[str, Any] = {
        "batch": [p.name for p in signature.inputs],
        "scalars": {p.name: np.asarray(scalars.get(p.name, 0)).item() for p in signature.scalars},
        "state": [
            {"input": p.input, "name": p.name} | ({"output": p.output} if p.output else {})
            for p in ports
        ],
        "results": [o.name for o in signature.with_role(Role.RESULT)],
    }
    found |= {"effects": effects} if effects else {}
    return found | ({"state_file": state_file} if state_file else {})


def _write_states(path: Path, graph: Graph, states: Mapping[str, Array]) -> None:
    from safetensors.numpy import save_file

    # save_file writes an array's memory, whatever its strides say.
    arrays = {s.name: np.array(states[s.name], order="C") for s in graph.states}
    save_file(arrays, str(path), {"format": "np"})


def _write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(pieces)
