"""Writes a graph as an ONNX file that any ONNX Runtime runs, with its state beside it or in it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from nngraph.backends.base import Target, emit
from nngraph.backends.onnx.backend import OnnxBackend
from nngraph.backends.onnx.emit import OnnxArtifact, used_names
from nngraph.backends.onnx.writer import tensor_proto
from nngraph.ir.dtypes import as_dtype
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array

__all__ = ["METADATA_KEY", "PROTOBUF_LIMIT", "write_model"]

METADATA_KEY = "nngraph.step"
# A protobuf message ends at 2 GiB; names and shapes need room too.
PROTOBUF_LIMIT = 2**31 - 2**26
_EXTERNAL_AT_LEAST = 1024  # bytes; smaller constants stay in the model
_STATES = ("safetensors", "initializers", "constants")


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
    changes it, ``output``), ``results`` (names of the outputs) and, with ``"safetensors"``,
    ``state_file``.

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
    if state not in _STATES:
        raise ValueError(f"state must be one of {_STATES}, got {state!r}")
    _check_states(graph, states, state)
    _, artifact, _ = emit(OnnxBackend(), graph, target or Target("onnx"))
    model = artifact.model
    if state != "safetensors":
        _add_constants(model, artifact, states, keep_inputs=state == "initializers")
    state_file = path.with_suffix(".safetensors").name if state == "safetensors" else None
    entry = model.metadata_props.add()
    entry.key = METADATA_KEY
    names = list(graph.scalars)
    entry.value = json.dumps(_metadata(artifact, names, scalars or {}, state, state_file))
    with _Files(path) as files:
        if state_file is not None:
            files.add(path.parent / state_file, lambda f: _write_states(f, graph, states))
        _write(model, path, files, limit)
    return path


def _check_states(graph: Graph, states: Mapping[str, Array], state: str) -> None:
    for entry in graph.states:
        if entry.name not in states:
            raise ValueError(f"the array of state {entry.name!r} is missing")
        array, kind = states[entry.name], entry.input.type
        if as_dtype(array.dtype) is not kind.dtype or tuple(array.shape) != kind.shape:
            shown = f"{array.dtype}{list(array.shape)}"
            raise ValueError(f"state {entry.name!r} is {kind}; its array is {shown}")
        if state == "constants" and entry.is_changed:
            raise ValueError(
                f"a call changes state {entry.name!r}, so it cannot be a constant of the file: "
                'use state="safetensors" or "initializers"'
            )


def _add_constants(
    model: onnx.ModelProto, artifact: OnnxArtifact, states: Mapping[str, Array], keep_inputs: bool
) -> None:
    used = used_names(model.graph.node)
    names = {name: label for label, name, _ in artifact.states}
    for name, label in names.items():
        if keep_inputs or name in used:
            model.graph.initializer.append(tensor_proto(states[label], name))
    if not keep_inputs:
        kept = [i for i in model.graph.input if i.name not in names]
        del model.graph.input[:]
        model.graph.input.extend(kept)


def _metadata(
    artifact: OnnxArtifact,
    names: Sequence[str],
    scalars: Mapping[str, float],
    state: str,
    state_file: str | None,
) -> dict[str, Any]:
    rows = [] if state == "constants" else artifact.states
    entries = [
        {"input": given, "name": name} | ({"output": output} if output else {})
        for name, given, output in rows
    ]
    numbers = {
        given: np.asarray(scalars.get(name, 0)).item()
        for name, given in zip(names, artifact.scalars, strict=True)
    }
    found: dict[str, Any] = {
        "batch": list(artifact.inputs),
        "scalars": numbers,
        "state": entries,
        "results": list(artifact.outputs),
    }
    return found | ({"state_file": state_file} if state_file else {})


# -- files ---------------------------------------------------------------------------------
class _Files:
    """Writes files under temporary names and gives them their own only when all are complete."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.parent
        self._pairs: list[tuple[Path, Path]] = []

    def add(self, path: Path, write: Callable[[Path], None]) -> None:
        """Writes one file; the first added is the first to appear."""
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=self.folder)
        os.close(handle)
        self._pairs.append((Path(name), path))
        write(Path(name))

    def __enter__(self) -> _Files:
        if self.path.is_dir():
            raise IsADirectoryError(f"{self.path} is a folder: give the name of a file in it")
        if not self.folder.is_dir():
            raise FileNotFoundError(f"the folder {self.folder} does not exist: create it first")
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            for temporary, path in self._pairs if kind is None else []:
                # mkstemp makes files that only the owner reads; an ordinary file is open to more.
                mask = os.umask(0)
                os.umask(mask)
                temporary.chmod(0o666 & ~mask)
                os.replace(temporary, path)
        finally:
            for temporary, _path in self._pairs:
                temporary.unlink(missing_ok=True)


def _write_states(path: Path, graph: Graph, states: Mapping[str, Array]) -> None:
    from safetensors.numpy import save_file

    # save_file writes an array's memory, whatever its strides say.
    arrays = {s.name: np.array(states[s.name], order="C") for s in graph.states}
    save_file(arrays, str(path), {"format": "np"})


def _write(model: onnx.ModelProto, path: Path, files: _Files, limit: int) -> None:
    size = sum(len(t.raw_data) for t in model.graph.initializer)
    if size >= limit:
        large = list(_externalized(model, path.name + ".data"))
        files.add(path.with_name(path.name + ".data"), lambda f: _write_chunks(f, large))
    else:
        onnx.checker.check_model(model, full_check=True)
    files.add(path, lambda f: _save(model, f))


def _save(model: onnx.ModelProto, path: Path) -> None:
    path.write_bytes(model.SerializeToString(deterministic=True))


_PAGE = 4096  # offsets that the runtime can map


def _externalized(model: onnx.ModelProto, location: str) -> Iterator[bytes]:
    """Moves large constants out of the model; yields their data, each padded to a page."""
    offset = 0
    for tensor in model.graph.initializer:
        data = tensor.raw_data
        if len(data) < _EXTERNAL_AT_LEAST:
            continue
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", offset), ("length", len(data))):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, str(value)
        padding = -len(data) % _PAGE
        offset += len(data) + padding
        yield data
        yield bytes(padding)


def _write_chunks(path: Path, chunks: Sequence[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(chunks)
