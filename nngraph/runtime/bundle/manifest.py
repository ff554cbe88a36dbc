"""The manifest of a bundle: what is in it, for hosts in any language, as versioned JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nngraph.backends.folder import FileEntry
from nngraph.ir.roles import Role
from nngraph.ir.signature import Signature
from nngraph.ir.types import TensorType
from nngraph.runtime.bundle.errors import BundleError
from nngraph.runtime.bundle.fields import (
    Versioned,
    a_name,
    a_size,
    an_object,
    file_entries,
    files_json,
    read_versioned,
)
from nngraph.runtime.bundle.interface import (
    port_json,
    read_scalars,
    read_signature,
    signature_json,
    state_json,
)
from nngraph.runtime.bundle.results import Structure, need_structure
from nngraph.version import __version__

__all__ = ["FORMAT", "GRAPH", "MANIFEST", "STATE", "VERSION", "Manifest"]

MANIFEST = "manifest.json"
GRAPH = "graph.txt"
STATE = "state.safetensors"
FORMAT = "nngraph bundle"
VERSION = 1


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
        return {
            "format": FORMAT,
            "version": VERSION,
            "nngraph": self.nngraph,
            "name": self.name,
            "opset": self.opset,
            "tested": dict(self.tested),
            "step": self.step,
            **signature_json(self.signature, self.scalars),
            "arguments": self.arguments,
            "result": self.result,
            "schedule": self.schedule,
            "models": {
                name: {
                    "inputs": [port_json(p) for p in signature.inputs],
                    "state": [state_json(p) for p in signature.states],
                    "outputs": [port_json(p) for p in signature.outputs],
                }
                for name, signature in self.models.items()
            },
            "state_file": STATE,
            "graph": GRAPH,
            "files": files_json(self.files),
        }

    @staticmethod
    def from_json(data: Any) -> Manifest:
        """The manifest that ``to_json`` described.

        Raises:
            BundleError: if the data are of a newer version, or not as they have to be.
        """
        return read_versioned(data, _FORMAT, _read)


_FORMAT = Versioned("bundle", MANIFEST, FORMAT, VERSION, "export", BundleError)


def _read(data: Mapping[str, Any]) -> Manifest:
    if data["state_file"] != STATE or data["graph"] != GRAPH:
        raise ValueError(f"the state is in {STATE} and the graph in {GRAPH}")
    models = {
        a_name(name): read_signature({**an_object(row), "scalars": []}, named_outputs=False)
        for name, row in an_object(data["models"]).items()
    }
    made = Manifest(
        a_name(data["name"]),
        a_name(data["step"]),
        read_signature(data),
        read_scalars(data),
        data["arguments"],
        data["result"],
        models,
        None if data["schedule"] is None else an_object(data["schedule"]),
        a_size(data["opset"]),
        {a_name(name): a_name(version) for name, version in an_object(data["tested"]).items()},
        a_name(data["nngraph"]),
        file_entries(data["files"]),
    )
    need_structure(made.result, {p.name for p in made.signature.with_role(Role.RESULT)}, "output")
    need_structure(made.arguments, {p.name for p in made.signature.inputs}, "input")
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
