"""The folder of an artifact: its files, and a manifest that tells whole ones from damaged ones."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nngraph.backends.errors import ArtifactError
from nngraph.backends.folder import FileEntry, FileRefused, read_entry, read_file, write_files
from nngraph.backends.jsontext import JsonRefused, parsed
from nngraph.ir.signature import Signature, SignatureError
from nngraph.version import __version__

__all__ = ["MANIFEST", "read_artifact", "write_artifact"]

MANIFEST = "artifact.json"
_FORMAT = 1
_LONGEST = 1 << 26  # bytes of a manifest


def write_artifact(
    folder: Path, backend: str, signature: Signature, files: Mapping[str, Iterable[bytes]]
) -> None:
    """Writes an artifact's files and ``artifact.json``, which names and hashes them.

    Args:
        folder: is replaced as a whole; if it exists it must be empty or hold an artifact.
        backend: whose artifact it is.
        signature: of the graph.
        files: the content of each file, in pieces.

    Raises:
        FileExistsError: if the folder holds something else.
        FileNotFoundError: if the folder around it does not exist.
    """
    _refuse_foreign(folder)

    def describe(_: Path, entries: Mapping[str, FileEntry]) -> bytes:
        data = {
            "format": _FORMAT,
            "nngraph": __version__,
            "backend": backend,
            "signature": signature.to_json(),
            "files": {name: entry.sha256 for name, entry in entries.items()},
        }
        return json.dumps(data, indent=1).encode()

    write_files(folder, files, MANIFEST, describe)


def read_artifact(folder: Path, backend: str) -> tuple[Signature, dict[str, bytes]]:
    """What ``write_artifact`` wrote; nothing in it is run.

    Raises:
        FileNotFoundError: if there is no such folder.
        ArtifactError: if it holds no artifact of ``backend``, or a damaged one.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    data = _manifest(folder)
    if data["backend"] != backend:
        raise ArtifactError(
            f"{folder} holds an artifact of the backend {data['backend']!r}, not of {backend!r}"
        )
    if data["format"] != _FORMAT:
        raise ArtifactError(
            f"{folder} has the format {data['format']!r} of nngraph {data.get('nngraph')}; "
            f"nngraph {__version__} reads the format {_FORMAT}: write it anew"
        )
    try:
        signature = Signature.from_json(data.get("signature"))
    except SignatureError as error:
        raise ArtifactError(f"{folder / MANIFEST} is damaged: {error}") from None
    hashes = data["files"]
    if not isinstance(hashes, dict):
        raise ArtifactError(f"{folder / MANIFEST} is damaged: it names no files")
    return signature, {name: _read(folder, name, wanted) for name, wanted in hashes.items()}


def _refuse_foreign(folder: Path) -> None:
    """One look: another process may exchange the folder between two."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        names = [folder.name]
    if names and MANIFEST not in names:
        raise FileExistsError(
            f"{folder} is no artifact and would be replaced: give the name of a new folder"
        )


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.exists():
        raise ArtifactError(f"{folder} is no artifact: it has no {MANIFEST}")
    try:
        data = parsed(read_file(folder, MANIFEST, _LONGEST))
    except (FileRefused, JsonRefused) as error:
        raise ArtifactError(f"{path} is damaged: {error}") from None
    if not isinstance(data, dict) or not {"backend", "format", "files"} <= data.keys():
        raise ArtifactError(f"{path} is damaged: it says nothing of a backend, format or files")
    return data


def _read(folder: Path, name: str, wanted: object) -> bytes:
    try:
        return read_entry(folder, name, FileEntry(str(wanted)))
    except FileRefused as error:
        raise ArtifactError(f"{folder} is damaged (see {MANIFEST}): {error}") from None
