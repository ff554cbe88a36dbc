"""Fields of JSON that others wrote: each is what it has to be, or refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from nngraph.backends.folder import FileEntry
from nngraph.runtime.bundle.results import NOT_FINITE
from nngraph.version import __version__

__all__ = [
    "Versioned",
    "a_list",
    "a_name",
    "a_number",
    "a_size",
    "an_object",
    "file_entries",
    "files_json",
    "read_versioned",
]

T = TypeVar("T")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_LONGEST = 1000  # letters of a name


@dataclass(frozen=True)
class Versioned:
    """A kind of manifest.

    Attributes:
        kind: of the folder that it describes.
        file: its name there.
        format, version: what it says of itself, and the newest version that is read.
        remake: what makes a folder anew.
        error: the class of what is raised.
    """

    kind: str
    file: str
    format: str
    version: int
    remake: str
    error: type[Exception]


def read_versioned(data: Any, of: Versioned, read: Callable[[dict[str, Any]], T]) -> T:
    """What ``read`` makes of a manifest of a version that is known.

    Raises:
        Exception: of the kind's class, if the data are another format's, of a newer version, or
            ``read`` refuses them.
    """
    if not isinstance(data, dict) or data.get("format") != of.format:
        raise of.error(f"{of.file} is not that of a {of.kind}: it has no format {of.format!r}")
    version = data.get("version")
    if type(version) is not int or version < 1:
        raise of.error(f"{of.file} is damaged: its version is {version!r:.40}")
    if version > of.version:
        writer = f"nngraph {data.get('nngraph')!s:.40}"
        raise of.error(
            f"the {of.kind} is of format version {version}, written by {writer}; nngraph "
            f"{__version__} reads versions up to {of.version}: pip install --upgrade nngraph, or "
            f"{of.remake} it again with this one"
        )
    try:
        return read(data)
    except (KeyError, TypeError, ValueError) as error:
        shown = f"it has no {error}" if isinstance(error, KeyError) else error
        raise of.error(f"{of.file} is damaged: {shown}") from None


def an_object(value: Any) -> dict[str, Any]:
    """An object of JSON."""
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.40} stands where an object belongs")
    return value


def a_list(value: Any) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.40} stands where a list belongs")
    return value


def a_name(value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise ValueError(f"{value!r:.40} stands where a text belongs")
    return value


def a_size(value: Any) -> int:
    """An integer that is not negative."""
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError(f"{value!r:.40} stands where a size belongs")
    return value


def a_number(value: Any) -> float:
    """A number; those that JSON lacks by their names."""
    found: Any = NOT_FINITE.get(value) if isinstance(value, str) else value
    if type(found) not in (int, float, bool):
        raise ValueError(f"{value!r:.40} stands where a number belongs")
    number: float = found
    return number


def files_json(files: Mapping[str, FileEntry]) -> dict[str, Any]:
    """The size and hash of each file."""
    return {name: {"bytes": e.bytes, "sha256": e.sha256} for name, e in files.items()}


def file_entries(data: Any) -> dict[str, FileEntry]:
    """What ``files_json`` described."""
    return {a_name(name): _entry(row) for name, row in an_object(data).items()}


def _entry(row: Any) -> FileEntry:
    digest = a_name(an_object(row)["sha256"])
    if not _SHA256.match(digest):
        raise ValueError(f"{digest!r:.40} is no SHA-256 in small hexadecimal digits")
    return FileEntry(digest, a_size(row["bytes"]))
