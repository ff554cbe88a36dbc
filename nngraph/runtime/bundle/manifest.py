"""The manifest of a bundle: what is in it, for hosts in any language, as versioned JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nngraph.backends.folder import FileEntry
from nngraph.ir.dims import SymDim, as_dim
from nngraph.ir.dtypes import DTYPES
from nngraph.ir.roles import Role
from nngraph.ir.signature import OutputPort, Port, Signature, StatePort
from nngraph.ir.types import TensorType
from nngraph.runtime.bundle.errors import BundleError
from nngraph.runtime.bundle.results import NOT_FINITE, Structure, as_json, need_structure
from nngraph.version import __version__

__all__ = ["FORMAT", "GRAPH", "MANIFEST", "STATE", "VERSION", "Manifest"]

MANIFEST = "manifest.json"
GRAPH = "graph.txt"
STATE = "state.safetensors"
FORMAT = "nngraph bundle"
VERSION = 1

_DTYPES = {dtype.name: dtype for dtype in DTYPES}
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_LONGEST = 1000  # letters of a name, sizes of a shape


@dataclass(frozen=True)
class Manifest:
    """What a bundle holds.

    Attributes:
        name: of the function.
        step: the file of the step.
        signature: of the step.
        scalars: the number of each scalar when the bundle was written.
        arguments: the structure of what the function was called with: a tuple and a dict.
        result: the structure of what it returned.
        models: the files of models, each with its signature; its states are named as the step's.
        schedule: what steps the rates, as ``ng.export`` was told; None if it was told nothing.
        opset: of all ONNX files.
        tested: packages that loaded the ONNX files, with their versions.
        nngraph: the version that wrote the bundle.
        files: all files but the manifest.
    """

    name: str
    step: str
    signature: Signature
    scalars: Mapping[str, float]
    arguments: Structure
    result: Structure
    models: Mapping[str, Signature]
    schedule: Mapping[str, Any] | None
    opset: int
    tested: Mapping[str, str]
    nngraph: str = __version__
    files: Mapping[str, FileEntry] = field(default_factory=dict)

    def states(self) -> dict[str, TensorType]:
        """The type of each tensor of the state file, those that only models read included."""
        ports = list(self.signature.states)
        for signature in self.models.values():
            ports += signature.states
        return {port.name: port.type for port in ports}

    # -- JSON ------------------------------------------------------------------------------
    def to_json(self) -> dict[str, Any]:
        """Plain lists and dictionaries; docs/bundles.md says what each key means."""
        own = self.signature
        return {
            "format": FORMAT,
            "version": VERSION,
            "nngraph": self.nngraph,
            "name": self.name,
            "opset": self.opset,
            "tested": dict(self.tested),
            "step": self.step,
            "inputs": [_port(p) for p in own.inputs],
            "scalars": [_port(p) | {"value": as_json(self.scalars[p.name])} for p in own.scalars],
            "state": [_state(p) | {"output": p.output} for p in own.states],
            "outputs": [_port(p) | {"role": p.role.value, "of": p.of} for p in own.outputs],
            "arguments": self.arguments,
            "result": self.result,
            "schedule": self.schedule,
            "models": {
                name: {
                    "inputs": [_port(p) for p in signature.inputs],
                    "state": [_state(p) for p in signature.states],
                    "outputs": [_port(p) for p in signature.outputs],
                }
                for name, signature in self.models.items()
            },
            "state_file": STATE,
            "graph": GRAPH,
            "files": {
                name: {"bytes": entry.bytes, "sha256": entry.sha256}
                for name, entry in self.files.items()
            },
        }

    @staticmethod
    def from_json(data: Any) -> Manifest:
        """The manifest that ``to_json`` described.

        Raises:
            BundleError: if the data are of a newer version, or not as they have to be.
        """
        _need_version(data)
        try:
            return _read(data)
        except (KeyError, TypeError, ValueError) as error:
            shown = f"it has no {error}" if isinstance(error, KeyError) else error
            raise BundleError(f"{MANIFEST} is damaged: {shown}") from None


def _port(port: Port) -> dict[str, Any]:
    shape = [str(d) if isinstance(d, SymDim) else d for d in port.type.shape]
    return {"name": port.name, "dtype": port.type.dtype.name, "shape": shape}


def _state(port: StatePort) -> dict[str, Any]:
    return _port(port) | {"input": port.input}


def _need_version(data: Any) -> None:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise BundleError(f"{MANIFEST} is not that of a bundle: it has no format {FORMAT!r}")
    version = data.get("version")
    if type(version) is not int or version < 1:
        raise BundleError(f"{MANIFEST} is damaged: its version is {version!r:.40}")
    if version > VERSION:
        raise BundleError(
            f"the bundle is of format version {version}, written by nngraph "
            f"{data.get('nngraph')!s:.40}; nngraph {__version__} reads versions up to {VERSION}: "
            "pip install --upgrade nngraph, or export it again with this one"
        )


def _read(data: Mapping[str, Any]) -> Manifest:
    if data["state_file"] != STATE or data["graph"] != GRAPH:
        raise ValueError(f"the state is in {STATE} and the graph in {GRAPH}")
    signature = _signature(data, data["scalars"], data["state"])
    values = {row["name"]: _number(row["value"]) for row in data["scalars"]}
    files = {_name(name): _entry(row) for name, row in _object(data["files"]).items()}
    models = {
        _name(name): _signature(_object(row), [], row["state"], named_outputs=False)
        for name, row in _object(data["models"]).items()
    }
    made = Manifest(
        _name(data["name"]),
        _name(data["step"]),
        signature,
        values,
        data["arguments"],
        data["result"],
        models,
        None if data["schedule"] is None else _object(data["schedule"]),
        _size(data["opset"]),
        {_name(name): _name(version) for name, version in _object(data["tested"]).items()},
        _name(data["nngraph"]),
        files,
    )
    need_structure(made.result, {p.name for p in signature.with_role(Role.RESULT)}, "output")
    need_structure(made.arguments, {p.name for p in signature.inputs}, "input")
    _need_files(made)
    return made


def _need_files(manifest: Manifest) -> None:
    wanted = {STATE, GRAPH, manifest.step, *manifest.models}
    known = wanted | {f"{name}.data" for name in (manifest.step, *manifest.models)}
    missing, others = wanted - manifest.files.keys(), manifest.files.keys() - known
    if missing or others or len(wanted) != 3 + len(manifest.models):
        shown = sorted(missing or others) or "two under one name"
        raise ValueError(f"its files are not those of the bundle: {shown!s:.200}")
    kinds: dict[str, TensorType] = {}
    for owner in (manifest.signature, *manifest.models.values()):
        for port in owner.states:
            if kinds.setdefault(port.name, port.type) != port.type:
                raise ValueError(f"the state {port.name!r:.60} has two types")


def _signature(
    data: Mapping[str, Any], scalars: Any, states: Any, named_outputs: bool = True
) -> Signature:
    made = Signature(
        tuple(Port(*_name_and_type(row)) for row in _list(data["inputs"])),
        tuple(Port(*_name_and_type(row)) for row in _list(scalars)),
        tuple(_state_port(row, named_outputs) for row in _list(states)),
        tuple(_output_port(row, named_outputs) for row in _list(data["outputs"])),
    )
    names = [p.name for p in (*made.inputs, *made.scalars, *made.outputs)]
    names += [name for p in made.states for name in (p.input, p.output) if name is not None]
    if len({*names}) != len(names) or len({p.name for p in made.states}) != len(made.states):
        raise ValueError("two inputs, outputs or states have one name")
    if any(not port.type.is_static for port in made.states):
        raise ValueError("a state has sizes that are numbers")
    return made


def _state_port(row: Any, has_output: bool) -> StatePort:
    output = row["output"] if has_output else None
    after = None if output is None else _name(output)
    return StatePort(*_name_and_type(row), _name(row["input"]), after)


def _output_port(row: Any, has_role: bool) -> OutputPort:
    if not has_role:
        return OutputPort(*_name_and_type(row))
    of = row["of"]
    return OutputPort(*_name_and_type(row), Role(row["role"]), of if of == "" else _name(of))


def _entry(row: Any) -> FileEntry:
    digest = _name(_object(row)["sha256"])
    if not _SHA256.match(digest):
        raise ValueError(f"{digest!r:.40} is no SHA-256 in small hexadecimal digits")
    return FileEntry(digest, _size(row["bytes"]))


def _name_and_type(row: Any) -> tuple[str, TensorType]:
    dtype, shape = _object(row)["dtype"], _list(row["shape"])
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise ValueError(f"there is no dtype {dtype!r:.40}")
    if len(shape) > 64:
        raise ValueError(f"a shape has {len(shape)} sizes")
    dims = (as_dim(_name(d)) if isinstance(d, str) else _size(d) for d in shape)
    return _name(row["name"]), TensorType(_DTYPES[dtype], tuple(dims))


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.40} stands where an object belongs")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.40} stands where a list belongs")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise ValueError(f"{value!r:.40} stands where a text belongs")
    return value


def _size(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError(f"{value!r:.40} stands where a size belongs")
    return value


def _number(value: Any) -> float:
    found: Any = NOT_FINITE.get(value) if isinstance(value, str) else value
    if type(found) not in (int, float, bool):
        raise ValueError(f"{value!r:.40} stands where a number belongs")
    number: float = found
    return number
