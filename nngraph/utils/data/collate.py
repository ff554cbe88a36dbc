"""From a list of samples to a batch: tensors with one more axis in front."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from nngraph.frontend.functional.access import elements
from nngraph.frontend.functional.data import as_tensor, from_array, from_dlpack, tensor
from nngraph.frontend.functional.joining import stack
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import float64
from nngraph.utils.data.information import get_worker_info
from nngraph.utils.data.sharing import shared

__all__ = ["default_collate", "default_convert", "rows"]

#: Arrays of texts and objects, which are no tensors.
_NO_NUMBERS = re.compile(r"[SaUO]")


def default_convert(data: Any) -> Any:
    """Arrays as tensors, in dicts, lists and tuples too; all else stays as it is."""
    if isinstance(data, np.ndarray | np.generic):
        return data if _NO_NUMBERS.search(data.dtype.str) else as_tensor(data)
    if hasattr(data, "__dlpack__") and not isinstance(data, Tensor):
        return from_dlpack(data)
    if isinstance(data, Mapping):
        return _mapped(data, {key: default_convert(value) for key, value in data.items()})
    if _is_named(data):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _listed(data, [default_convert(value) for value in data])
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """A batch of samples of one structure.

    Tensors (other libraries', too), arrays and numbers get an axis in front; Python floats are
    float64, as in PyTorch. Texts are listed. Dicts and lists hold batches, a tuple becomes a list
    of them, a named tuple one.

    Raises:
        RuntimeError: for tensors of different shapes, and for lists of different lengths.
        TypeError: for other samples.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return _stacked(batch)
    if isinstance(first, np.ndarray):
        if _NO_NUMBERS.search(first.dtype.str):
            raise _unknown(first.dtype)
        return _together(batch)
    if hasattr(first, "__dlpack__"):
        return _stacked([from_dlpack(other) for other in batch])
    if isinstance(first, np.generic) and not isinstance(first, str | bytes):
        return as_tensor(np.array(batch))
    if isinstance(first, float):
        return tensor(batch, dtype=float64)
    if isinstance(first, int):
        return tensor(batch)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        columns = {key: default_collate([sample[key] for sample in batch]) for key in first}
        return _mapped(first, columns)
    if isinstance(first, Sequence):
        return _columns(batch, first)
    raise _unknown(type(first))


def _unknown(kind: object) -> TypeError:
    return TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
        f"{kind}"
    )


def _stacked(batch: Sequence[Tensor]) -> Tensor:
    if any(t.requires_grad for t in batch):
        return stack(list(batch))
    arrays = [elements(t, "default_collate") for t in batch]
    return _together(arrays)


def _together(arrays: Sequence[Any]) -> Tensor:
    """A tensor of arrays, or of what NumPy takes for arrays."""
    first = arrays[0].shape
    if any(np.shape(a) != first for a in arrays):
        return stack([as_tensor(a) for a in arrays])  # its error
    dtype = arrays[0].dtype
    if any(a.dtype != dtype for a in arrays):
        return stack([as_tensor(a) for a in arrays])  # promotes as tensors do
    return from_array(np.stack(arrays, out=_memory((len(arrays), *first), dtype)))


def rows(tensor: Tensor, indices: Sequence[Any]) -> Tensor | None:
    """The batch of ``tensor[i]`` for each index, at once; None where samples have to be made."""
    index, count = np.asarray(indices), len(tensor)
    plain = index.ndim == 1 and index.size and index.dtype.kind == "i"
    if not plain or tensor.requires_grad or index.min() < -count or index.max() >= count:
        return None
    array = elements(tensor, "default_collate")
    out = _memory((index.size, *array.shape[1:]), array.dtype)
    return from_array(np.take(array, index % count, 0, out, "clip"))


def _memory(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """A new array; in a worker where the main process can see it."""
    return np.empty(shape, dtype) if get_worker_info() is None else shared(shape, dtype)


def _columns(batch: Sequence[Any], first: Any) -> Any:
    if any(len(sample) != len(first) for sample in batch):
        raise RuntimeError("each element in list of batch should be of equal size")
    columns = [default_collate(column) for column in zip(*batch, strict=True)]
    if _is_named(first):
        return type(first)(*columns)
    return columns if isinstance(first, tuple) else _listed(first, columns)


def _is_named(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _mapped(like: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    """The items in a mapping of the same class, if it can be made of them."""
    try:
        if isinstance(like, MutableMapping):
            made = copy.copy(like)
            made.update(items)
            return made
        return type(like)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def _listed(like: Sequence[Any], items: list[Any]) -> Any:
    """The items in a sequence of the same class, if it can be made of them."""
    if isinstance(like, range):
        return items
    try:
        if isinstance(like, MutableSequence):
            made = copy.copy(like)
            made[:] = items
            return made
        return type(like)(items)  # type: ignore[call-arg]
    except TypeError:
        return items
