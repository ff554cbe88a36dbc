"""Values of Python's as a trace sees them: what is told by equality, what may be symbolic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from nngraph.frontend.host import HostNumber, is_host_number
from nngraph.frontend.record import Handle
from nngraph.ir.dtypes import DType, bool_, float64, int64

__all__ = [
    "container_like",
    "containers_in",
    "dict_like",
    "is_numeric",
    "is_plain",
    "is_plain_number",
    "is_symbolic",
    "kind_of",
    "may_vary",
    "numbers_in",
    "parts_of",
    "same",
    "values_of",
]


def is_symbolic(value: Any) -> bool:
    """Whether a value is a number that each call reads, or holds one."""
    return next(numbers_in(value), None) is not None


def numbers_in(value: Any) -> Iterator[HostNumber]:
    """The symbolic numbers in a value."""
    if is_host_number(value):
        yield value
    elif type(value) in (tuple, list):
        for part in value:
            yield from numbers_in(part)


def may_vary(value: Any) -> bool:
    """Whether a value is a number or a tensor, or holds one."""
    if is_plain_number(value) or isinstance(value, Handle):
        return True
    return any(may_vary(part) for _, part in parts_of(value) or ())


def is_plain_number(value: object) -> bool:
    """True for Python and NumPy numbers other than bools."""
    kind = type(value)
    return (
        kind is int
        or kind is float
        or (
            isinstance(value, np.integer | np.floating | int | float)
            and not isinstance(value, bool)
            and kind is not HostNumber
        )
    )


def kind_of(number: Any) -> DType:
    """What the graph has for a number of Python's."""
    if isinstance(number, bool | np.bool_):
        return bool_
    return int64 if isinstance(number, int | np.integer) else float64


def is_plain(value: object) -> bool:
    """True for values that are told by equality."""
    return value is None or isinstance(value, bool | int | float | str | bytes | complex)


def same(a: Any, b: Any) -> bool:
    """Whether two values are one object, or plain values that cannot be told apart."""
    if a is b:
        return True
    if type(a) is not type(b) or is_host_number(a):
        return False
    if isinstance(a, frozenset):
        return bool(a == b)
    return is_plain(a) and repr(a) == repr(b)


def is_numeric(value: Any) -> bool:
    """Numbers, and lists and tuples of nothing else."""
    if type(value) in (list, tuple):
        return bool(value) and all(map(is_plain_number, value))
    return is_plain_number(value)


def parts_of(value: Any) -> list[tuple[Any, Any]] | None:
    """Keys and parts of a tuple, list or dict; None for anything else."""
    kind = type(value)
    if kind in (tuple, list) or (isinstance(value, tuple) and hasattr(value, "_fields")):
        return list(enumerate(value))
    return list(value.items()) if isinstance(value, dict) else None


def dict_like(value: dict[Any, Any], keys: Iterable[Any], parts: Iterable[Any]) -> dict[Any, Any]:
    """A dict of the same kind."""
    kind: Any = type(value)
    made = kind(value.default_factory) if isinstance(value, defaultdict) else kind()
    made.update(zip(keys, parts, strict=True))
    found: dict[Any, Any] = made
    return found


def containers_in(value: Any) -> Iterator[Any]:
    """The lists and dicts in a value, itself included."""
    for _, part in parts_of(value) or ():
        yield from containers_in(part)
    if isinstance(value, list | dict):
        yield value


def values_of(value: Any) -> Any:
    """The parts of a list or dict."""
    return value.values() if isinstance(value, dict) else value


def container_like(value: Any, parts: list[Any]) -> Any:
    """A container of the same kind and keys with these parts."""
    if isinstance(value, dict):
        return dict_like(value, value, parts)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*parts)
    return type(value)(parts)
