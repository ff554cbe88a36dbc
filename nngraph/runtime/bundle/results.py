"""What lies around the tensors of a call, as JSON: tuples, lists, dicts, numbers, texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

__all__ = [
    "NOT_FINITE",
    "Structure",
    "as_json",
    "built",
    "matched",
    "need_structure",
    "shown",
    "structure_of",
]

#: ``{"output": name}`` or ``{"input": name}``, ``{"value": 3}``, ``{"number": "NaN"}``,
#: ``{"tuple": [...]}``, ``{"list": [...]}`` or ``{"dict": [[key, ...], ...]}``.
Structure = dict[str, Any]

#: The numbers that JSON lacks, by the names that Python and JavaScript know.
NOT_FINITE = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}


def as_json(number: float) -> float | str:
    """The number, or its name where JSON has none."""
    if math.isfinite(number):
        return number
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"


def structure_of(nest: Any, kind: type[str], word: str) -> Structure:
    """The structure of a result, or of arguments.

    Args:
        nest: tuples, lists and dicts of leaves.
        kind: of the leaves that are names of tensors.
        word: ``"output"`` or ``"input"``.
    """
    if isinstance(nest, kind):
        return {word: str(nest)}
    if isinstance(nest, dict):
        return {"dict": [[key, structure_of(value, kind, word)] for key, value in nest.items()]}
    if isinstance(nest, tuple | list):
        parts = [structure_of(part, kind, word) for part in nest]
        return {"list" if isinstance(nest, list) else "tuple": parts}
    if isinstance(nest, float) and not math.isfinite(nest):
        return {"number": as_json(nest)}
    return {"value": nest}


def built(structure: Structure, output: Callable[[str], Any]) -> Any:
    """The result; ``output`` gives each tensor by its name."""
    ((kind, content),) = structure.items()
    match kind:
        case "output":
            return output(content)
        case "value":
            return content
        case "number":
            return NOT_FINITE[content]
        case "dict":
            return {key: built(value, output) for key, value in content}
    parts = [built(part, output) for part in content]
    return tuple(parts) if kind == "tuple" else parts


def matched(structure: Structure, nest: Any) -> dict[str, Any] | None:
    """What stands in a nest for each name of an input; None if it is of another structure."""
    ((kind, content),) = structure.items()
    if kind == "input":
        return {content: nest}
    if kind in ("value", "number"):
        value = NOT_FINITE[content] if kind == "number" else content
        return {} if type(nest) is type(value) and (nest == value or nest != nest) else None
    if kind == "dict":
        pairs = dict(content)
        if not isinstance(nest, dict) or nest.keys() != pairs.keys():
            return None
        rows = [(part, nest[key]) for key, part in pairs.items()]
    else:
        if not isinstance(nest, list if kind == "list" else tuple) or len(nest) != len(content):
            return None
        rows = list(zip(content, nest, strict=True))
    found: dict[str, Any] = {}
    for part, value in rows:
        inner = matched(part, value)
        if inner is None or any(found.get(n, v) is not v for n, v in inner.items()):
            return None
        found |= inner
    return found


def shown(structure: Structure) -> str:
    """The structure as Python writes it, with names for tensors."""
    ((kind, content),) = structure.items()
    match kind:
        case "input" | "output":
            return str(content)
        case "dict":
            return "{" + ", ".join(f"{key!r}: {shown(part)}" for key, part in content) + "}"
        case "tuple" | "list":
            parts = ", ".join(map(shown, content))
            return f"[{parts}]" if kind == "list" else f"({parts})"
    return repr(content)


def need_structure(structure: Any, names: Collection[str], word: str) -> None:
    """Passes for a structure of tensors of these names, each ``{word: name}``.

    Raises:
        ValueError: saying what is wrong with it.
    """
    if not isinstance(structure, dict) or len(structure) != 1:
        raise ValueError("each part of a structure is an object with one key")
    ((kind, content),) = structure.items()
    plain = content is None or isinstance(content, bool | int | float | str)
    match kind:
        case _ if kind == word and isinstance(content, str) and content in names:
            return
        case "value" if plain:
            return
        case "number" if isinstance(content, str) and content in NOT_FINITE:
            return
        case "tuple" | "list" if isinstance(content, list):
            for part in content:
                need_structure(part, names, word)
            return
        case "dict" if isinstance(content, list):
            for pair in content:
                _need_pair(pair)
                need_structure(pair[1], names, word)
            return
    raise ValueError(f"there is no {word} {kind!r:.40} of {content!r:.40}")


def _need_pair(pair: Any) -> None:
    if not isinstance(pair, list) or len(pair) != 2:
        raise ValueError("a dict of a structure is a list of pairs")
    if pair[0] is not None and not isinstance(pair[0], bool | int | float | str):
        raise ValueError("a key of a structure is a number or a text")
