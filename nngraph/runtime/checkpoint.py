"""Named tensors in files: safetensors, written atomically, read without running anything."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nngraph.backends.arrays import aligned_empty
from nngraph.backends.files import write_atomically
from nngraph.ir.dtypes import DTYPES, as_dtype
from nngraph.ir.op import Array

__all__ = ["CheckpointError", "read", "read_arrays", "write_arrays"]

# safetensors' names of element types: F64, BF16, I8, U32, BOOL, ...
_DTYPES = {d.short.upper(): d for d in DTYPES}


class CheckpointError(ValueError):
    """A file is no safetensors file, or is damaged; nothing was loaded."""


def write_arrays(
    path: str | os.PathLike[str],
    arrays: Mapping[str, Array],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes arrays in the safetensors format (https://github.com/huggingface/safetensors).

    The file appears whole or not at all: it is written beside and then renamed.
    """
    from safetensors.numpy import save

    dense = {
        name: np.asarray(a, as_dtype(a.dtype.newbyteorder("=")).numpy, order="C")
        for name, a in arrays.items()
    }
    write_atomically(Path(path), save(dense, dict(metadata) if metadata else None))


def read_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """All tensors of a safetensors file, as aligned arrays in the file's order.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if it is damaged or of another format (the message says how).
    """
    return read(path)[0]


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """The tensors of a safetensors file, as ``read_arrays`` gives them, and its metadata."""
    from safetensors import SafetensorError, deserialize

    raw = Path(path).read_bytes()
    try:
        entries = deserialize(raw)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise CheckpointError(
            f"{os.fspath(path)!r} is not a whole safetensors file ({error}); it may be cut short "
            "or of another format. Write checkpoints with ng.save."
        ) from None
    size = int.from_bytes(raw[:8], "little")  # of the header, which was just read and is JSON
    metadata = json.loads(raw[8 : 8 + size]).get("__metadata__", {})
    return {name: _array(name, entry) for name, entry in entries}, metadata


def _array(name: str, entry: Mapping[str, Any]) -> Array:
    code = entry["dtype"]
    if code not in _DTYPES:
        raise CheckpointError(f"tensor {name!r} has elements of type {code}, which nngraph lacks")
    flat = np.frombuffer(entry["data"], _DTYPES[code].numpy)
    out = aligned_empty(tuple(entry["shape"]), flat.dtype)
    np.copyto(out, flat.reshape(out.shape))
    return out
