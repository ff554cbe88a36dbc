"""JSON from files of others: parsed only once it is known to be small."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["JsonRefused", "parsed"]

_MARK = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{,\]}]')


class JsonRefused(ValueError):
    """The text is no JSON, says a thing twice, or is deeper or longer than it may be."""


def parsed(text: bytes, entries: int = 1_000_000, depth: int = 32) -> Any:
    """The value of a JSON text.

    Args:
        text: UTF-8.
        entries: how many values lists and objects may have, all together.
        depth: of lists and objects in each other.

    Raises:
        JsonRefused: if it is damaged, too large, or an object has a key twice.
    """
    try:
        decoded = text.decode("utf-8")
        _measure(decoded, entries, depth)
        return json.loads(decoded, object_pairs_hook=_object, parse_constant=_constant)
    except JsonRefused:
        raise
    except (ValueError, RecursionError) as error:
        raise JsonRefused(f"it is no JSON ({error!r:.100})") from None


def _measure(text: str, entries: int, depth: int) -> None:
    """Counts brackets and commas outside of strings, before anything is made of them."""
    level = count = 0
    for match in _MARK.finditer(text):
        mark = match.group()
        if mark in ("[", "{"):
            level += 1
        elif mark in ("]", "}"):
            level -= 1
        elif mark != ",":
            continue
        count += mark not in ("]", "}")
        if level > depth or count > entries:
            raise JsonRefused(
                f"it is JSON of more than {depth} levels"
                if level > depth
                else f"it is JSON of more than {entries} entries"
            )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise JsonRefused("it has a key twice")
    return made


def _constant(name: str) -> Any:
    raise JsonRefused(f"{name} is no number of JSON")
