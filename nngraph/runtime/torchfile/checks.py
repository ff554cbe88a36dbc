"""What may be a key, and how deep a value may be."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from nngraph.runtime.checkpoint import CheckpointError
from nngraph.runtime.torchfile.values import Inner

__all__ = ["need_key", "need_values"]

_PARTS = 64
_LONGEST = 8192
_DEEPEST = 1000


def need_key(key: Any) -> Any:
    """A key of a dict or an element of a set, which hashing and comparing cost little.

    Raises:
        CheckpointError: for anything but short texts, bytes, numbers, None and small tuples of
            them, whose comparison a file could make endless.
    """
    waiting, seen = [key], 0
    while waiting:
        each = waiting.pop()
        seen += 1
        if isinstance(each, tuple) and seen + len(each) <= _PARTS:
            waiting.extend(each)
        elif not _is_plain(each):
            raise CheckpointError(f"a key is {type(each).__name__}, or too long for one")
    return key


def _is_plain(key: Any) -> bool:
    if type(key) in (str, bytes):
        return len(key) <= _LONGEST
    if type(key) is int:
        return key.bit_length() <= 64
    return key is None or type(key) in (bool, float)


def need_values(value: Any) -> None:
    """Refuses a nest that is too deep for Python's own code, and one that holds bare names.

    Raises:
        CheckpointError: in these cases.
    """
    depths: dict[int, int] = {}
    waiting = [(value, False)]
    while waiting:
        each, is_done = waiting.pop()
        if is_done:
            depth = 1 + max((depths.get(id(p), 0) for p in _parts(each)), default=0)
            if depth > _DEEPEST:
                raise CheckpointError(f"it is nested more than {_DEEPEST} deep")
            depths[id(each)] = depth
            continue
        if isinstance(each, Inner):
            raise CheckpointError(f"it holds {each.name} itself, which is no data")
        if id(each) not in depths and (parts := _parts(each)):
            depths[id(each)] = 0
            waiting.append((each, True))
            waiting.extend((p, False) for p in parts)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, list | tuple):
        return value
    return vars(value).values() if isinstance(value, argparse.Namespace) else ()
