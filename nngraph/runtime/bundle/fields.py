"""Fields of JSON that others wrote: each is what it has to be, or refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nngraph.backends.folder import FileEntry
from nngraph.runtime.bundle.results import NOT_FINITE

__all__ = ["a_list", "a_name", "a_number", "a_size", "an_object", "file_entries", "files_json"]

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_LONGEST = 1000  # letters of a name


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
