"""Tensors made of data: numbers, lists, arrays; while tracing, constants of the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from nngraph.backends.arrays import aligned_copy
from nngraph.frontend.errors import ConcretizationError
from nngraph.frontend.functional.joining import stack
from nngraph.frontend.functional.variants import function
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.dtypes import DType, as_dtype
from nngraph.ir.op import Array

__all__ = ["as_tensor", "from_dlpack", "from_numpy", "tensor"]


def from_array(array: Array, requires_grad: bool = False) -> Tensor:
    """A tensor over ``array``, whose memory it shares; while tracing, a constant."""
    return Tensor(world().constant(array)).requires_grad_(requires_grad)


@function
def tensor(
    data: Any, dtype: DType | None = None, device: object = None, requires_grad: bool = False
) -> Tensor:
    """A copy of ``data``: numbers, nested lists, NumPy arrays, tensors.

    NumPy arrays keep their dtype; Python floats give float32, ints int64, bools bool.

    Raises:
        TypeError: if the data is no array of numbers, or of a dtype that nngraph lacks.
    """
    if isinstance(data, Tensor):
        copy = data.detach().clone()
        return (copy if dtype is None else copy.to(dtype)).requires_grad_(requires_grad)
    try:
        array = _as_array(data)
    except ConcretizationError:  # a list of tensors whose elements only the graph will know
        return stack([tensor(x, dtype) for x in data]).requires_grad_(requires_grad)
    kind = as_dtype(dtype) if dtype is not None else as_dtype(array.dtype)
    if kind.is_integer and array.dtype.kind in "iu" and isinstance(data, int):
        _need_fit(data, kind)
    return from_array(aligned_copy(array.astype(kind.numpy, copy=False)), requires_grad)


def _need_fit(number: int, kind: DType) -> None:
    limits = np.iinfo(kind.numpy)
    if not limits.min <= number <= limits.max:
        raise RuntimeError(f"value cannot be converted to type {kind.name} without overflow")


def _as_array(data: Any) -> Array:
    if isinstance(data, np.ndarray | np.generic):
        return np.asarray(data)
    try:
        array = np.asarray(_to_numbers(data))
    except ValueError as error:
        raise ValueError(f"ng.tensor: {error}") from None
    if array.dtype.kind not in "bifu":
        kind = TypeError if array.dtype.kind in "US" else RuntimeError
        raise kind(f"ng.tensor: cannot make a tensor of {type(data).__name__} {data!r:.60}")
    if array.dtype == np.float64:
        return array.astype(np.float32)
    return array.astype(np.float32) if array.size == 0 and array.dtype != bool else array


def _to_numbers(data: Any) -> Any:
    """Lists may hold 0-d tensors and NumPy numbers."""
    if isinstance(data, Tensor):
        return data.tolist()
    if isinstance(data, list | tuple):
        return [_to_numbers(x) for x in data]
    return data


@function
def as_tensor(data: Any, dtype: DType | None = None, device: object = None) -> Tensor:
    """Like ``tensor``, but shares memory with tensors and NumPy arrays of the right dtype."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and (dtype is None or as_dtype(data.dtype) is dtype):
        return from_numpy(data)
    if not isinstance(data, list | tuple | int | float | np.generic) and hasattr(
        data, "__dlpack__"
    ):
        shared = from_dlpack(data)
        return shared if dtype is None else shared.to(dtype)
    return tensor(data, dtype)


@function
def from_numpy(ndarray: Array) -> Tensor:
    """A tensor that shares the array's memory.

    Raises:
        TypeError: if it is no NumPy array, or of a dtype that nngraph lacks.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    kind = ndarray.dtype
    as_dtype(kind)
    return from_array(ndarray if kind.isnative else ndarray.astype(kind.newbyteorder("=")))


@function
def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor that shares memory with anything that has ``__dlpack__`` (CPU)."""
    return from_array(np.from_dlpack(ext_tensor))
