"""Writes and reads the folder of a bundle. Reading runs nothing, and believes nothing."""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Callable, Iterable, Mapping
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
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.parser import TextError, parse_graph
from nngraph.ir.signature import signature_of
from nngraph.ir.types import type_of_array
from nngraph.ops import REGISTRY
from nngraph.runtime.bundle.errors import BundleError
from nngraph.runtime.bundle.manifest import GRAPH, MANIFEST, STATE, Manifest
from nngraph.runtime.checkpoint import LONGEST_HEADER, CheckpointError, packed, unpacked
from nngraph.version import __version__

__all__ = ["Bundle", "read_bundle", "write_bundle"]

_LONGEST = {MANIFEST: 1 << 24, GRAPH: 1 << 30}  # bytes
_LONGEST_MODEL = 1 << 31  # as protobuf has it
_MOST_NODES = 1_000_000
_MOST_ENTRIES = 500_000  # of the manifest


@dataclass(frozen=True)
class Bundle:
    """What is in a bundle.

    Attributes:
        manifest: what it says of itself.
        graph: the step, as traced.
        states: an array for each state, those that only models read included.
        models: the content of the ONNX files and of what lies beside them.
    """

    manifest: Manifest
    graph: Graph
    states: Mapping[str, Array]
    models: Mapping[str, Iterable[bytes]]


def write_bundle(
    folder: Path,
    bundle: Bundle,
    text: str,
    tested: Callable[[Path], Mapping[str, str]] | None = None,
) -> None:
    """Writes a bundle; the folder appears whole, in place of an older bundle of that name.

    Args:
        folder: of the bundle; the one around it has to be there.
        bundle: what to write.
        text: of the graph.
        tested: tries the files of a folder, and gives what tried them, with its version.

    Raises:
        BundleError: if it could not be read again.
        FileExistsError: if something else is there, which would be lost.
        FileNotFoundError: if the folder around it is not there.
    """
    try:
        need_room(folder, MANIFEST, lambda: _manifest(folder).files, "bundle")
    except FileExistsError as error:
        hint = " (A name that ends in .onnx gives one file.)" if folder.is_file() else ""
        raise FileExistsError(f"{error}{hint}") from None
    manifest = bundle.manifest

    def describe(written: Path, entries: Mapping[str, FileEntry]) -> bytes:
        what = manifest.tested if tested is None else tested(written)
        whole = replace(manifest, files=dict(entries), tested=what)
        raw = _lines(whole.to_json()).encode()
        again = Manifest.from_json(parsed(raw, _MOST_ENTRIES))
        if tested is not None:
            _graph(text.encode(), again)
        return raw

    content = {
        **bundle.models,
        GRAPH: [text.encode()],
        STATE: [packed({name: bundle.states[name] for name in manifest.states()})],
    }
    write_files(folder, content, MANIFEST, describe, durable=True)


def read_bundle(folder: Path) -> Bundle:
    """The bundle in a folder.

    Raises:
        FileNotFoundError: if there is no such folder.
        BundleError: if it holds no bundle, a damaged one, or one of a newer version.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    try:
        return _read(folder)
    except (BundleError, CheckpointError, FileRefused, JsonRefused) as error:
        raise BundleError(f"{folder}: {error}") from None
    except MemoryError:
        raise BundleError(f"{folder}: it takes more memory than there is") from None


def _lines(data: Mapping[str, Any]) -> str:
    """JSON of a line for each input, state or file."""
    plain = functools.partial(json.dumps, allow_nan=False)
    rows = []
    for key, value in data.items():
        text = plain(value)
        if isinstance(value, list) and value:
            text = "[\n  " + ",\n  ".join(map(plain, value)) + "\n ]"
        elif key == "files":
            pairs = (f"{plain(name)}: {plain(entry)}" for name, entry in value.items())
            text = "{\n  " + ",\n  ".join(pairs) + "\n }"
        rows.append(f" {plain(key)}: {text}")
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _manifest(folder: Path) -> Manifest:
    return Manifest.from_json(
        parsed(read_file(folder, MANIFEST, _LONGEST[MANIFEST]), _MOST_ENTRIES)
    )


def _read(folder: Path) -> Bundle:
    if not (folder / MANIFEST).is_file():
        raise BundleError(f"it is no bundle: it has no {MANIFEST}")
    manifest = _manifest(folder)
    content = {
        name: read_entry(folder, name, entry, _longest(name, manifest))
        for name, entry in manifest.files.items()
    }
    graph = _graph(content.pop(GRAPH), manifest)
    states = _states(content.pop(STATE), manifest)
    _check_models(content, manifest)
    return Bundle(manifest, graph, states, {name: (raw,) for name, raw in content.items()})


def _longest(name: str, manifest: Manifest) -> int:
    """Bytes that a file may have; the state's are those of its shapes, and a header."""
    if name == STATE:
        return 8 + LONGEST_HEADER + sum(kind.nbytes for kind in manifest.states().values())
    return _LONGEST.get(name, _LONGEST_MODEL if name.endswith(".onnx") else 1 << 62)


def _graph(raw: bytes, manifest: Manifest) -> Graph:
    if raw.count(b"\n") > _MOST_NODES:
        raise BundleError(f"{GRAPH} has more than {_MOST_NODES} lines")
    try:
        graph = parse_graph(raw.decode(), REGISTRY)
    except (TextError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(
            f"{GRAPH} is no graph of nngraph {__version__} (it was written by "
            f"{manifest.nngraph:.40}): {error!s:.400}"
        ) from None
    if signature_of(graph) != manifest.signature:
        raise BundleError(f"{MANIFEST} describes another step than {GRAPH}")
    return graph


def _states(raw: bytes, manifest: Manifest) -> dict[str, Array]:
    view = memoryview(raw)
    arrays, _, length = unpacked(lambda at, count: view[at : at + count], len(raw))
    if length != len(raw):
        raise BundleError(f"{STATE} has {len(raw) - length} bytes behind its tensors")
    wanted = manifest.states()
    if arrays.keys() != wanted.keys():
        differ = sorted(arrays.keys() ^ wanted.keys())
        raise BundleError(f"{STATE} has other tensors than {MANIFEST}: {differ!s:.200}")
    for name, array in arrays.items():
        if type_of_array(array) != wanted[name]:
            found = type_of_array(array)
            raise BundleError(f"{name:.60} is {wanted[name]!s:.60}; {STATE} has {found!s:.60}")
    return {name: arrays[name] for name in wanted}


def _check_models(content: Mapping[str, bytes], manifest: Manifest) -> None:
    """The ONNX files, which hosts run and nngraph does not, where there is what reads them."""
    if importlib.util.find_spec("onnx") is None:
        return
    from nngraph.backends.onnx.checked import ModelRefused, check_model

    for name, signature in {manifest.step: manifest.signature, **manifest.models}.items():
        beside = content.get(f"{name}.data")
        length = None if beside is None else len(beside)
        try:
            check_model(content[name], signature, manifest.opset, f"{name}.data", length)
        except ModelRefused as error:
            raise BundleError(f"{name}: {error}") from None
