"""Writes a graph as an ONNX file that any ONNX Runtime runs, with its state beside it or in it."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping
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
from nngraph.backends.onnx.model import OnnxModel, names_read
from nngraph.backends.onnx.proto import PROTOBUF_LIMIT, serialized
from nngraph.ir.dtypes import as_dtype
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.roles import Role
from nngraph.ir.signature import Signature

__all__ = ["METADATA_KEY", "StateStorage", "write_model"]

METADATA_KEY = "nngraph.step"


class StateStorage(enum.Enum):
    """Where an exported file has its initial state."""

    SAFETENSORS = "safetensors"  # a file beside the model
    INITIALIZERS = "initializers"  # default values of the state inputs
    CONSTANTS = "constants"  # constants of the model: no call may change them


def write_model(
    graph: Graph,
    path: Path,
    *,
    states: Mapping[str, Array],
    scalars: Mapping[str, float] | None = None,
    state: str = "safetensors",
    target: Target | None = None,
    limit: int = PROTOBUF_LIMIT,
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

    Returns:
        ``path``.

    Raises:
        UnsupportedGraph: naming all that ONNX Runtime lacks.
        ValueError: if ``state`` is none of these, a state's array is missing or of another type,
            or a state that the graph changes was to be a constant.
    """
    how = _storage(state)
    _check_states(graph, states, how)
    target = target or Target("onnx")
    lowered, _ = lower(OnnxBackend(), graph, target)
    model = emit_model(lowered, Choices(threads=target.thread_count))
    if isinstance(model, list):
        raise UnsupportedGraph("onnx", model)
    if how is not StateStorage.SAFETENSORS:
        _add_constants(model, states, how)
    state_file = path.with_suffix(".safetensors").name if how is StateStorage.SAFETENSORS else None
    model.metadata[METADATA_KEY] = json.dumps(
        _metadata(model.signature, scalars or {}, how, state_file)
    )
    with FileSet(path) as files:
        if state_file is not None:
            files.add(path.parent / state_file, lambda f: _write_states(f, graph, states))
        _write(model, path, files, limit)
    return path


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
    # What code puts at a place that it also reads is the state that the next call reads there.
    put = {o.of: o.name for o in signature.with_role(Role.PLACE)}
    after = {p.name: p.output or put.get(p.name) for p in ports}
    effects = [
        {"output": o.name, "role": o.role.value, "of": o.of}
        for o in signature.outputs
        if o.role is not Role.RESULT and not (o.role is Role.PLACE and o.of in after)
    ]
    found: dict[str, Any] = {
        "batch": [p.name for p in signature.inputs],
        "scalars": {p.name: np.asarray(scalars.get(p.name, 0)).item() for p in signature.scalars},
        "state": [
            {"input": p.input, "name": p.name} | ({"output": output} if output else {})
            for p, output in zip(ports, after.values(), strict=True)
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


def _write(model: OnnxModel, path: Path, files: FileSet, limit: int) -> None:
    """The model, and its data file first where it has one."""
    beside = path.with_name(path.name + ".data")
    content, data = serialized(model, beside.name, limit)
    if data:
        files.add(beside, lambda f: _write_pieces(f, data))
    else:
        onnx.checker.check_model(content, full_check=True)
    files.add(path, lambda f: _write_pieces(f, [content]))


def _write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(pieces)
