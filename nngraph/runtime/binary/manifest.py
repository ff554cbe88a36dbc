"""The manifest of a binary: what a loader has to know before it touches anything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nngraph.backends.folder import FileEntry
from nngraph.backends.tvm.targets import BuildTarget, Host
from nngraph.runtime.binary.errors import BinaryError
from nngraph.runtime.bundle.fields import (
    Versioned,
    a_list,
    a_name,
    an_object,
    file_entries,
    files_json,
    read_versioned,
)
from nngraph.version import __version__

__all__ = ["CONSTANTS", "KERNELS", "MANIFEST", "OBJECT", "PLAN", "STATE", "BinaryManifest"]

MANIFEST = "manifest.json"
PLAN = "plan.json"
STATE = "state.safetensors"
CONSTANTS = "constants.safetensors"
KERNELS, OBJECT = "kernels.so", "kernels.o"
FORMAT = "nngraph binary"
VERSION = 1


@dataclass(frozen=True)
class BinaryManifest:
    """What a binary is, and what it runs on.

    Attributes:
        name: of the function.
        target: name of the target.
        device: what computes.
        cpu: the compiler's name of the processor.
        host: what calls.
        nngraph: the version that wrote the binary.
        files: all files but the manifest.
    """

    name: str
    target: str
    device: str
    cpu: str
    host: Host
    nngraph: str = __version__
    files: Mapping[str, FileEntry] = field(default_factory=dict)

    @staticmethod
    def of(name: str, target: BuildTarget, cpu: str) -> BinaryManifest:
        """Of a function that is built for a target."""
        return BinaryManifest(name, target.name, target.device.value, cpu, target.host)

    @property
    def is_linked(self) -> bool:
        """Whether there is a library, and not an object that is still to be linked."""
        return KERNELS in self.files

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dictionaries; docs/binaries.md says what each key means."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "nngraph": self.nngraph,
            "name": self.name,
            "target": {"name": self.target, "device": self.device, "cpu": self.cpu},
            "host": {"triple": self.host.triple, "requires": list(self.host.requires)},
            "files": files_json(self.files),
        }

    @staticmethod
    def from_json(data: Any) -> BinaryManifest:
        """The manifest that ``to_json`` described.

        Raises:
            BinaryError: if the data are of a newer version, or not as they have to be.
        """
        return read_versioned(data, _FORMAT, _read)


_FORMAT = Versioned("binary", MANIFEST, FORMAT, VERSION, "build", BinaryError)


def _read(data: Mapping[str, Any]) -> BinaryManifest:
    target, host = an_object(data["target"]), an_object(data["host"])
    requires = tuple(a_name(flag) for flag in a_list(host["requires"]))
    made = BinaryManifest(
        a_name(data["name"]),
        a_name(target["name"]),
        a_name(target["device"]),
        a_name(target["cpu"]),
        Host(a_name(host["triple"]), requires),
        a_name(data["nngraph"]),
        file_entries(data["files"]),
    )
    wanted = {PLAN, STATE, CONSTANTS, KERNELS if made.is_linked else OBJECT}
    if made.files.keys() != wanted:
        shown = sorted(made.files.keys() ^ wanted)
        raise ValueError(f"its files are not those of a binary: {shown!s:.200}")
    return made
