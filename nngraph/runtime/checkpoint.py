"""Named tensors in files: safetensors, written atomically, read without running anything."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from nngraph.backends.arrays import aligned_copy, is_aligned
from nngraph.backends.files import write_atomically
from nngraph.backends.jsontext import JsonRefused, parsed
from nngraph.ir.dtypes import DTYPES, as_dtype
from nngraph.ir.op import Array

__all__ = [
    "LONGEST_HEADER",
    "CheckpointError",
    "bools_of",
    "packed",
    "read_arrays",
    "unpacked",
    "write_arrays",
]

# safetensors' names of element types: F64, BF16, I8, U32, BOOL, ...
_DTYPES = {d.short.upper(): d for d in DTYPES}
LONGEST_HEADER = 100_000_000  # bytes, as the format has it
_MOST_ENTRIES = 10_000_000  # of the header: a tensor has some nine


class CheckpointError(ValueError):
    """A file is no checkpoint, is damaged or holds what is no data; nothing was loaded."""


def write_arrays(
    path: str | os.PathLike[str],
    arrays: Mapping[str, Array],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes arrays in the safetensors format (https://github.com/huggingface/safetensors).

    The file appears whole or not at all: it is written beside and then renamed.
    """
    write_atomically(Path(path), packed(arrays, metadata))


def packed(arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> bytes:
    """What ``write_arrays`` writes."""
    from safetensors.numpy import save

    dense = {
        name: np.asarray(a, as_dtype(a.dtype.newbyteorder("=")).numpy, order="C")
        for name, a in arrays.items()
    }
    whole: bytes = save(dense, dict(metadata) if metadata else None)
    return whole


def read_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """All tensors of a safetensors file, as aligned arrays in the file's order.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if it is damaged or of another format (the message says how).
    """
    raw = Path(path).read_bytes()
    try:
        return unpacked(lambda at, count: raw[at : at + count], len(raw))[0]
    except CheckpointError as error:
        raise CheckpointError(f"{os.fspath(path)!r}: {error}") from None


def unpacked(
    read: Callable[[int, int], Any], size: int, mapped: bool = False
) -> tuple[dict[str, Array], dict[str, str], int]:
    """The tensors of a safetensors file in the file's order, its metadata, and its length.

    Args:
        read: bytes of the file from a place on.
        size: of what ``read`` can give.
        mapped: whether arrays may show that memory.

    Raises:
        CheckpointError: if it is damaged.
    """
    header, start = _header(read, size)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise CheckpointError("the metadata of its header are not texts")
    spans = {name: _span(name, entry) for name, entry in header.items()}
    ordered = sorted(spans, key=spans.__getitem__)
    ends = [(0, 0), *(spans[name] for name in ordered)]
    if any(end != begin for (_, end), (begin, _) in pairwise(ends)):
        raise CheckpointError("its tensors do not lie one behind the other")
    if start + ends[-1][1] > size:
        raise CheckpointError(
            f"it is not a whole safetensors file: of {start + ends[-1][1]} bytes, {size} are there"
        )
    arrays: dict[str, Array] = {}
    for name in ordered:
        begin, end = spans[name]
        raw = read(start + begin, end - begin)
        flat = bools_of(np.frombuffer(raw, _DTYPES[header[name]["dtype"]].numpy))
        shaped = flat.reshape(header[name]["shape"])
        arrays[name] = shaped if mapped and is_aligned(shaped) else aligned_copy(shaped)
    return arrays, metadata, start + ends[-1][1]


def bools_of(array: Array) -> Array:
    """The array, or bools of one byte value each: NumPy sums those of other bytes wrongly."""
    if array.dtype != np.bool_ or array.size == 0 or array.view(np.uint8).max() <= 1:
        return array
    made: Array = array.view(np.uint8) != 0
    return made


def _header(read: Callable[[int, int], Any], size: int) -> tuple[dict[str, Any], int]:
    """The header, and where the elements begin."""
    length = int.from_bytes(read(0, 8), "little")
    if size < 8 or length > min(size - 8, LONGEST_HEADER):
        raise CheckpointError("it is not a whole safetensors file: its header is cut short")
    try:
        header = parsed(bytes(read(8, length)), _MOST_ENTRIES, depth=4)
    except JsonRefused as error:
        raise CheckpointError(
            f"it is not a whole safetensors file: its header is damaged ({error})"
        ) from None
    if not isinstance(header, dict):
        raise CheckpointError("its header is no JSON object")
    return header, 8 + length


def _span(name: str, entry: Any) -> tuple[int, int]:
    """Where the elements of a tensor begin and end."""
    parts = entry if isinstance(entry, dict) else {}
    code: Any = parts.get("dtype")
    shape: Any = parts.get("shape")
    span: Any = parts.get("data_offsets")
    if not (isinstance(code, str) and _are_sizes(shape) and _are_sizes(span) and len(span) == 2):
        raise CheckpointError(f"what the header says of tensor {name!r:.60} is damaged")
    if code not in _DTYPES:
        raise CheckpointError(
            f"tensor {name!r:.60} has elements of type {code!r:.20}, which nngraph lacks"
        )
    if len(shape) > 64 or span[1] - span[0] != math.prod(shape) * _DTYPES[code].itemsize:
        raise CheckpointError(f"tensor {name!r:.60} has another size than its shape {shape!r:.60}")
    return span[0], span[1]


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**62 for n in value)
