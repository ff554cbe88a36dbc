"""What a function returns around its tensors, as JSON: tuples, lists, dicts, numbers, texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

__all__ = ["NOT_FINITE", "Structure", "as_json", "built", "need_structure", "structure_of"]

#: ``{"output": name}``, ``{"value": 3}``, ``{"number": "NaN"}``, ``{"tuple": [...]}``,
#: ``{"list": [...]}`` or ``{"dict": [[key, ...], ...]}``.
Structure = dict[str, Any]

#: The numbers that JSON lacks, by the names that Python and JavaScript know.
NOT_FINITE = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}


def as_json(number: float) -> float | str:
    """The number, or its name where JSON has none."""
    if math.isfinite(number):
        return number
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"


def structure_of(nest: Any, output: Callable[[Any], str | None]) -> Structure:
    """The structure of a result.

    Args:
        nest: tuples, lists and dicts of leaves.
        output: gives the name of the output that a leaf is; None for a value.
    """
    name = output(nest)
    if name is not None:
        return {"output": name}
    if isinstance(nest, dict):
        return {"dict": [[key, structure_of(value, output)] for key, value in nest.items()]}
    if isinstance(nest, tuple | list):
        kind = "list" if isinstance(nest, list) else "tuple"
        return {kind: [structure_of(part, output) for part in nest]}
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


def need_structure(structure: Any, outputs: Collection[str]) -> None:
    """Passes for a structure of these outputs.

    Raises:
        ValueError: saying what is wrong with it.
    """
    if not isinstance(structure, dict) or len(structure) != 1:
        raise ValueError("each part of the result is an object with one key")
    ((kind, content),) = structure.items()
    plain = content is None or isinstance(content, bool | int | float | str)
    match kind:
        case "output" if isinstance(content, str) and content in outputs:
            return
        case "value" if plain:
            return
        case "number" if isinstance(content, str) and content in NOT_FINITE:
            return
        case "tuple" | "list" if isinstance(content, list):
            for part in content:
                need_structure(part, outputs)
            return
        case "dict" if isinstance(content, list):
            for pair in content:
                _need_pair(pair)
                need_structure(pair[1], outputs)
            return
    raise ValueError(f"there is no result {kind!r:.40} of {content!r:.40}")


def _need_pair(pair: Any) -> None:
    if not isinstance(pair, list) or len(pair) != 2:
        raise ValueError("a dict of the result is a list of pairs")
    if pair[0] is not None and not isinstance(pair[0], bool | int | float | str):
        raise ValueError("a key of the result is a number or a text")
