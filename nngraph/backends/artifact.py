"""The folder of an artifact: its files, and a manifest that tells whole ones from damaged ones."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nngraph.backends.errors import ArtifactError
from nngraph.backends.files import write_folder
from nngraph.ir.signature import Signature, SignatureError
from nngraph.version import __version__

__all__ = ["MANIFEST", "read_artifact", "write_artifact"]

MANIFEST = "artifact.json"
_FORMAT = 1


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
    hashes: dict[str, str] = {}

    def content(name: str, pieces: Iterable[bytes]) -> Any:
        return lambda path: hashes.update({name: _write(path, pieces)})

    def manifest(path: Path) -> None:
        data = {
            "format": _FORMAT,
            "nngraph": __version__,
            "backend": backend,
            "signature": signature.to_json(),
            "files": hashes,
        }
        path.write_text(json.dumps(data, indent=1), encoding="utf-8")

    writers = {name: content(name, pieces) for name, pieces in files.items()}
    write_folder(folder, writers | {MANIFEST: manifest})


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
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{folder} is no artifact: it has no {MANIFEST}") from None
    except ValueError as error:
        raise ArtifactError(f"{path} is damaged: {error}") from None
    if not isinstance(data, dict) or not {"backend", "format", "files"} <= data.keys():
        raise ArtifactError(f"{path} is damaged: it says nothing of a backend, format or files")
    return data


def _write(path: Path, pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _read(folder: Path, name: str, wanted: object) -> bytes:
    if Path(name).name != name:
        raise ArtifactError(f"{folder / MANIFEST} is damaged: {name!r} is no name of a file")
    try:
        content = (folder / name).read_bytes()
    except FileNotFoundError:
        raise ArtifactError(f"{folder} is damaged: {name} is missing") from None
    if hashlib.sha256(content).hexdigest() != wanted:
        raise ArtifactError(
            f"{folder / name} is damaged: it is not what was written (see {MANIFEST})"
        )
    return content
