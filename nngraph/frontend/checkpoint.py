"""``ng.save`` and ``ng.load``: state dicts in safetensors files."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

from nngraph.frontend.functional.access import elements
from nngraph.frontend.functional.data import from_array
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import as_dtype
from nngraph.ir.op import Array
from nngraph.runtime.checkpoint import read_arrays, write_arrays

__all__ = ["load", "save"]


def save(tensors: Mapping[str, Tensor | Array], path: str | PathLike[str]) -> None:
    """Writes named tensors (``model.state_dict()``) as a safetensors file, atomically.

    Raises:
        TypeError: naming the key, if a value is neither a tensor nor an array of numbers, or a name
            is no string; a file that was there stays as it is.
    """
    if not isinstance(tensors, Mapping):
        raise TypeError(
            f"ng.save writes a dict of tensors by name, such as model.state_dict(); got "
            f"{type(tensors).__name__}"
        )
    write_arrays(path, {name: _array(name, value) for name, value in tensors.items()})


def _array(name: Any, value: Any) -> Array:
    if not isinstance(name, str):
        raise TypeError(f"ng.save writes tensors by name; the key {name!r} is no string")
    if isinstance(value, Tensor):
        return elements(value, "ng.save")
    if isinstance(value, np.ndarray):
        try:
            as_dtype(value.dtype.newbyteorder("="))
        except TypeError as error:
            raise TypeError(f"ng.save: the array [{name!r}]: {error}") from None
        return value
    where, found = _first_leaf(f"[{name!r}]", value)
    raise TypeError(
        f"ng.save writes tensors by name, and none in nests: {where} is {type(found).__name__}. "
        "Save model.state_dict(), the tensors of a nested state under flat names "
        '({"optimizer.0.exp_avg": ...}), and a number as a tensor'
    )


def _first_leaf(path: str, value: Any) -> tuple[str, Any]:
    """The path to the first of what a nest holds."""
    if isinstance(value, Mapping) and value:
        key, inner = next(iter(value.items()))
        return _first_leaf(f"{path}[{key!r}]", inner)
    if isinstance(value, list | tuple) and value:
        return _first_leaf(f"{path}[0]", value[0])
    return path, value


def load(path: str | PathLike[str]) -> dict[str, Tensor]:
    """The named tensors of a safetensors file; nothing in it is executed.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if the file is damaged or of another format.
    """
    return {name: from_array(array) for name, array in read_arrays(path).items()}
