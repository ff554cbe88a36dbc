"""``ng.save`` and ``ng.load``: state dicts in safetensors files."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

from nngraph.frontend.functional.access import elements
from nngraph.frontend.functional.data import from_array
from nngraph.frontend.tensor import Tensor
from nngraph.ir.op import Array
from nngraph.runtime.checkpoint import read_arrays, write_arrays

__all__ = ["load", "save"]


def save(tensors: Mapping[str, Tensor | Array], path: str | PathLike[str]) -> None:
    """Writes named tensors (``model.state_dict()``) as a safetensors file, atomically.

    Raises:
        TypeError: if a value is neither a tensor nor an array.
    """
    write_arrays(path, {name: _array(name, value) for name, value in tensors.items()})


def _array(name: str, value: Any) -> Array:
    if isinstance(value, Tensor):
        return elements(value, "ng.save")
    if isinstance(value, np.ndarray):
        return value
    raise TypeError(
        f"ng.save writes tensors by name; {name!r} is {type(value).__name__}. Save "
        "model.state_dict(), or the tensors of a nested state under flat names"
    )


def load(path: str | PathLike[str]) -> dict[str, Tensor]:
    """The named tensors of a safetensors file; nothing in it is executed.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if the file is damaged or of another format.
    """
    return {name: from_array(array) for name, array in read_arrays(path).items()}
