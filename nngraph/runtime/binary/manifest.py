"""The manifest of a binary: what a loader has to know before it touches anything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nngraph.backends.folder import FileEntry
from nngraph.backends.tvm.targets import BuildTarget, Host
from nngraph.runtime.binary.errors import BinaryError
from nngraph.runtime.bundle.fields import a_list, a_name, an_object, file_entries, files_json
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
        _need_version(data)
        try:
            return _read(data)
        except (KeyError, TypeError, ValueError) as error:
            shown = f"it has no {error}" if isinstance(error, KeyError) else error
            raise BinaryError(f"{MANIFEST} is damaged: {shown}") from None


def _need_version(data: Any) -> None:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise BinaryError(f"{MANIFEST} is not that of a binary: it has no format {FORMAT!r}")
    version = data.get("version")
    if type(version) is not int or version < 1:
        raise BinaryError(f"{MANIFEST} is damaged: its version is {version!r:.40}")
    if version > VERSION:
        raise BinaryError(
            f"the binary is of format version {version}, written by nngraph "
            f"{data.get('nngraph')!s:.40}; nngraph {__version__} reads versions up to {VERSION}: "
            "pip install --upgrade nngraph, or build it again with this one"
        )


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
