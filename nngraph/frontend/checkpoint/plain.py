"""Values without tensors, as JSON and back: each class is a row."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from nngraph.frontend.devices import device
from nngraph.frontend.tensor import Size
from nngraph.ir.dtypes import DTYPES, DType

__all__ = ["DECODED", "encoded_plain"]

_DTYPES = {dtype.name: dtype for dtype in DTYPES}
_JSON = (bool, float, str, type(None))
_LARGE = 2**63


def encoded_plain(value: Any) -> Any:
    """What stands for the value, in the words of ``DECODED``; NotImplemented if nothing does."""
    kind = type(value)
    if kind in _JSON or (kind is int and -_LARGE <= value < _LARGE):
        return value
    if kind in _ROWS:
        return list(_ROWS[kind](value))
    if isinstance(value, np.bool_ | np.number) and value.dtype.kind in "biuf":
        return ["scalar", [value.dtype.newbyteorder("<").str, _text(value.tobytes())]]
    if isinstance(value, PurePath):
        return ["path" if isinstance(value, Path) else "purepath", str(value)]
    return NotImplemented


def _text(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode("ascii")


def _raw(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _ends(value: slice) -> list[Any]:
    ends = [value.start, value.stop, value.step]
    if any(end is not None and type(end) is not int for end in ends):
        raise TypeError(f"a slice whose ends are no ints: {value!r:.60}")
    return ends


_ROWS: dict[type, Callable[[Any], tuple[str, Any]]] = {
    int: lambda v: ("int", hex(v)),
    bytes: lambda v: ("bytes", _text(v)),
    bytearray: lambda v: ("bytearray", _text(v)),
    device: lambda v: ("device", [v.type, v.index]),
    Size: lambda v: ("size", list(map(int, v))),
    DType: lambda v: ("dtype", v.name),
    slice: lambda v: ("slice", _ends(v)),
    range: lambda v: ("range", [v.start, v.stop, v.step]),
}


def _scalar(content: list[str]) -> Any:
    code, text = content
    kind = np.dtype(code)
    if kind.kind not in "biuf":
        raise ValueError(f"a number is of {code}")
    return np.frombuffer(_raw(text), kind)[0]


#: What is read from what was written, by its word.
DECODED: dict[str, Callable[[Any], Any]] = {
    "int": lambda c: int(c, 16),
    "bytes": _raw,
    "bytearray": lambda c: bytearray(_raw(c)),
    "size": lambda c: Size(map(int, c)),
    "device": lambda c: device(*c),
    "dtype": lambda c: _DTYPES[c],
    "slice": lambda c: slice(*[None if end is None else int(end) for end in c]),
    "range": lambda c: range(*map(int, c)),
    "path": Path,
    "purepath": PurePath,
    "scalar": _scalar,
}
