"""``ng.save`` and ``ng.load``: tensors, and nests of them, in safetensors files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from typing import Any

import numpy as np

from nngraph.frontend.functional.access import elements
from nngraph.frontend.functional.data import from_array
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import as_dtype
from nngraph.ir.names import UniqueNames
from nngraph.ir.op import Array
from nngraph.runtime.checkpoint import CheckpointError, read, write_arrays

__all__ = ["load", "save"]

#: The metadata entry that holds the structure of a nest, as JSON.
_NEST = "nngraph.nest"
_ARRAYS = (Tensor, np.ndarray)
_PLAIN = (bool, int, float, str, type(None))


def save(tensors: Mapping[Any, Any], path: str | PathLike[str]) -> None:
    """Writes tensors as a safetensors file, atomically.

    Args:
        tensors: named tensors (``model.state_dict()``), which any reader of safetensors finds
            under these names; or a nest of dicts, lists and tuples that holds tensors, arrays,
            numbers, texts and None: ``{"model": model.state_dict(), "optimizer":
            optimizer.state_dict(), "scheduler": scheduler.state_dict(), "scaler":
            scaler.state_dict(), "random": ng.get_rng_state(), "epoch": 3}``.
        path: where; a file that was there stays as it is until the new one is whole.

    Raises:
        TypeError: naming the key, for anything else.
    """
    if not isinstance(tensors, Mapping):
        raise TypeError(
            f"ng.save writes a dict of tensors by name, such as model.state_dict(); got "
            f"{type(tensors).__name__}"
        )
    named = all(
        isinstance(k, str) and isinstance(v, Tensor | np.ndarray) for k, v in tensors.items()
    )
    if named:
        write_arrays(path, {name: _array(name, value) for name, value in tensors.items()})
        return
    nest = _Nest()
    structure = nest.encoded(tensors, "", "")
    write_arrays(path, nest.arrays, {_NEST: json.dumps(structure)})


def load(path: str | PathLike[str]) -> dict[str, Any]:
    """What ``save`` wrote: named tensors, or a nest; nothing in the file is executed.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if the file is damaged or of another format.
    """
    arrays, metadata = read(path)
    tensors = {name: from_array(array) for name, array in arrays.items()}
    if _NEST not in metadata:
        return tensors
    try:
        nest: dict[str, Any] = _decoded(json.loads(metadata[_NEST]), tensors)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{fspath(path)!r} does not say what its tensors are of ({error!r}); it was not "
            "written by ng.save, or was changed"
        ) from None
    return nest


def _array(name: str, value: Any) -> Array:
    if isinstance(value, Tensor):
        return elements(value, "ng.save")
    try:
        as_dtype(value.dtype.newbyteorder("="))
    except TypeError as error:
        raise TypeError(f"ng.save: the array [{name!r}]: {error}") from None
    array: Array = value
    return array


class _Nest:
    """Writes a nest down: its structure as lists that JSON has, tensors by their names.

    Attributes:
        arrays: the tensors, each once, by names that are made of the keys.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self._names = UniqueNames(first=2)
        self._known: dict[int, str] = {}

    def encoded(self, value: Any, name: str, path: str) -> Any:
        if isinstance(value, _ARRAYS):
            return ["tensor", self._named(value, name or "tensor")]
        if isinstance(value, np.bool_ | np.integer | np.floating):
            value = value.item()
        if type(value) in _PLAIN:
            return value
        if isinstance(value, Mapping):
            kind = "counter" if isinstance(value, Counter) else "dict"
            return [kind, [self._item(k, v, name, path) for k, v in value.items()]]
        if type(value) in (list, tuple):
            parts = self._parts(enumerate(value), name, path)
            return [type(value).__name__, parts]
        raise TypeError(
            f"ng.save writes tensors, arrays, numbers, texts and None in dicts, lists and tuples; "
            f"{path or 'the whole'} is {type(value).__name__}"
        )

    def _item(self, key: Any, value: Any, name: str, path: str) -> list[Any]:
        if type(key) not in (str, int):
            raise TypeError(
                f"ng.save: a key of {path or 'the whole'} is {key!r}; texts and ints go"
            )
        return [key, *self._parts([(key, value)], name, path)]

    def _parts(self, items: Iterable[tuple[Any, Any]], name: str, path: str) -> list[Any]:
        return [
            self.encoded(part, f"{name}.{key}" if name else str(key), f"{path}[{key!r}]")
            for key, part in items
        ]

    def _named(self, value: Any, name: str) -> str:
        if id(value) not in self._known:
            fresh = self._known[id(value)] = self._names.fresh(name)
            self.arrays[fresh] = _array(fresh, value)
        return self._known[id(value)]


def _decoded(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, list):
        return value
    kind, content = value
    if kind == "tensor":
        return tensors[content]
    if kind in ("dict", "counter"):
        pairs = {key: _decoded(part, tensors) for key, part in content}
        return Counter(pairs) if kind == "counter" else pairs
    parts = [_decoded(part, tensors) for part in content]
    return {"list": list, "tuple": tuple}[kind](parts)
