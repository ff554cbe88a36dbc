"""Writes and reads the folder of a binary. Reading runs nothing, and believes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nngraph.backends.folder import (
    FileEntry,
    FileRefused,
    need_room,
    read_entry,
    read_file,
    write_files,
)
from nngraph.backends.jsontext import JsonRefused, parsed
from nngraph.backends.tvm.program.program import Program
from nngraph.backends.tvm.targets import why_elsewhere
from nngraph.ir.op import Array
from nngraph.ir.roles import Role
from nngraph.ir.signature import Signature
from nngraph.ir.types import type_of_array
from nngraph.runtime.binary.errors import BinaryError
from nngraph.runtime.binary.manifest import (
    CONSTANTS,
    KERNELS,
    MANIFEST,
    OBJECT,
    PLAN,
    STATE,
    BinaryManifest,
)
from nngraph.runtime.binary.plan import read_program
from nngraph.runtime.bundle.interface import read_scalars, read_signature, signature_json
from nngraph.runtime.bundle.results import Structure, need_structure
from nngraph.runtime.checkpoint import CheckpointError, packed, unpacked

__all__ = ["Binary", "read_binary", "write_binary"]

_LONGEST = 1 << 28  # bytes of JSON


@dataclass(frozen=True)
class Binary:
    """What is in a binary.

    Attributes:
        manifest: what it says of itself.
        signature: what the function takes and gives.
        scalars: the number of each scalar when the binary was written.
        arguments: the structure of what the function was called with: a tuple and a dict.
        result: the structure of what it returned.
        plan: the program, as ``program_json`` describes it.
        states: an array for each state.
        constants: the program's.
        kernels: a shared object, or one object file.
    """

    manifest: BinaryManifest
    signature: Signature
    scalars: Mapping[str, float]
    arguments: Structure
    result: Structure
    plan: Mapping[str, Any]
    states: Mapping[str, Array]
    constants: Mapping[str, Array]
    kernels: bytes

    def program(self) -> Program:
        """The program of linked kernels.

        Raises:
            BinaryError: if the plan is damaged.
        """
        try:
            return read_program(self.plan, self.signature, self.constants)
        except (KeyError, TypeError, ValueError) as error:
            shown = f"it has no {error}" if isinstance(error, KeyError) else error
            raise BinaryError(f"{PLAN} is damaged: {shown!s:.400}") from None


def write_binary(folder: Path, binary: Binary, is_linked: bool) -> None:
    """Writes a binary; the folder appears whole, in place of an older binary of that name.

    Raises:
        FileExistsError: if something else is there, which would be lost.
        FileNotFoundError: if the folder around it is not there.
    """
    need_binary_room(folder)

    def describe(_: Path, entries: Mapping[str, FileEntry]) -> bytes:
        whole = replace(binary.manifest, files=dict(entries))
        return (json.dumps(whole.to_json(), indent=1) + "\n").encode()

    plan = {
        **signature_json(binary.signature, binary.scalars),
        "arguments": binary.arguments,
        "result": binary.result,
        "program": binary.plan,
    }
    content = {
        PLAN: [json.dumps(plan, separators=(",", ":"), allow_nan=False).encode()],
        STATE: [packed(binary.states)],
        CONSTANTS: [packed(binary.constants)],
        KERNELS if is_linked else OBJECT: [binary.kernels],
    }
    write_files(folder, content, MANIFEST, describe, durable=True)


def need_binary_room(folder: Path) -> None:
    """Passes if a binary may be written there.

    Raises:
        FileExistsError: if something else is there, which would be lost.
    """
    need_room(folder, MANIFEST, lambda: {*_manifest(folder).files, KERNELS}, "binary")


def read_binary(folder: Path) -> Binary:
    """The binary in a folder, which this machine can run as far as can be told.

    Raises:
        FileNotFoundError: if there is no such folder.
        BinaryError: if it holds no binary, a damaged one, one of a newer version, one for another
            machine, or one that is not linked.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    try:
        return _read(folder)
    except (BinaryError, CheckpointError, FileRefused, JsonRefused) as error:
        raise BinaryError(f"{folder}: {error}") from None


def _manifest(folder: Path) -> BinaryManifest:
    return BinaryManifest.from_json(parsed(read_file(folder, MANIFEST, _LONGEST)))


def _read(folder: Path) -> Binary:
    if not (folder / MANIFEST).is_file():
        raise BinaryError(f"it is no binary: it has no {MANIFEST}")
    manifest = _manifest(folder)
    reason = why_elsewhere(manifest.host.triple, manifest.host.requires)
    if reason:
        raise BinaryError(
            f"{reason}. Build it for a target that both have: "
            'ng.build(step, path, target="x86-64-v2"), or target="host" on this machine'
        )
    content = {name: read_entry(folder, name, entry) for name, entry in manifest.files.items()}
    kernels = content[KERNELS] if manifest.is_linked else _linked_later(folder)
    plan = parsed(content[PLAN], 50_000_000, depth=64)
    try:
        signature, scalars = read_signature(plan), read_scalars(plan)
        results = {port.name for port in signature.with_role(Role.RESULT)}
        need_structure(plan["result"], results, "output")
        need_structure(plan["arguments"], {port.name for port in signature.inputs}, "input")
        program = plan["program"]
    except (KeyError, TypeError, ValueError) as error:
        shown = f"it has no {error}" if isinstance(error, KeyError) else error
        raise BinaryError(f"{PLAN} is damaged: {shown!s:.400}") from None
    states, constants = _arrays(content[STATE], STATE), _arrays(content[CONSTANTS], CONSTANTS)
    _need_states(states, signature)
    nests = plan["arguments"], plan["result"]
    return Binary(manifest, signature, scalars, *nests, program, states, constants, kernels)


def _linked_later(folder: Path) -> bytes:
    """The library that was linked where the binary was copied to; nothing is known of it."""
    if not (folder / KERNELS).exists():
        raise BinaryError(
            f"its kernels are not linked: run `cc -shared {OBJECT} -o {KERNELS}` in it"
        )
    return read_file(folder, KERNELS, 1 << 62)


def _arrays(raw: bytes, name: str) -> dict[str, Array]:
    view = memoryview(raw)
    arrays, _, length = unpacked(lambda at, count: view[at : at + count], len(raw))
    if length != len(raw):
        raise BinaryError(f"{name} has {len(raw) - length} bytes behind its tensors")
    return arrays


def _need_states(states: Mapping[str, Array], signature: Signature) -> None:
    wanted = {port.name: port.type for port in signature.states}
    found = {name: type_of_array(array) for name, array in states.items()}
    if found != wanted:
        differ = sorted({n for n, _ in found.items() ^ wanted.items()})
        raise BinaryError(f"{STATE} has other tensors than {PLAN}: {differ!s:.200}")
