"""Tensors made of data: numbers, lists, arrays; while tracing, constants of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from nngraph.backends.arrays import aligned_copy
from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.devices import need_cpu
from nngraph.frontend.errors import TraceError, size_is_unknown
from nngraph.frontend.functional.joining import stack
from nngraph.frontend.functional.variants import function
from nngraph.frontend.host import in_graph, is_host_number
from nngraph.frontend.promotion import is_number, need_fit, promote_types, result_type
from nngraph.frontend.symint import SymInt
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.dtypes import DType, as_dtype, float64, uint64
from nngraph.ir.op import Array

__all__ = ["as_tensor", "asarray", "from_dlpack", "from_numpy", "scalar_tensor", "tensor"]


_PLAIN = frozenset((bool, int, float))


class DataError(ValueError, TypeError, RuntimeError):
    """Data that is no array of numbers: PyTorch raises one of these."""


def from_array(array: Array, requires_grad: bool = False) -> Tensor:
    """A tensor over ``array``, whose memory it shares; while tracing, a constant."""
    return Tensor(world().constant(array)).requires_grad_(requires_grad)


@function
def tensor(
    data: Any,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A copy of ``data``: numbers, nested lists, NumPy arrays, tensors.

    NumPy arrays and numbers keep their dtype; Python floats give the default dtype, ints int64,
    bools bool; mixed data the dtype that holds all. Nothing is rounded but to the dtype of the
    result.

    Raises:
        TypeError, ValueError, RuntimeError: if the data is no array of numbers, or of a dtype that
            nngraph lacks; for numbers of Python's that the dtype cannot hold.
    """
    need_cpu(device)
    if is_host_number(data):
        data = in_graph(data).to(result_type(data))
    if isinstance(data, Tensor):
        copy = data.detach().clone()
        return (copy if dtype is None else copy.to(dtype)).requires_grad_(requires_grad)
    if isinstance(data, SymInt):
        return tensor(data.tensor(), dtype, requires_grad=requires_grad)
    if isinstance(data, np.ndarray) and not data.dtype.isnative:
        data = data.astype(data.dtype.newbyteorder("="))
    try:
        array = _as_array(data)
    except TraceError:  # a list of tensors or sizes that only the graph will know
        return stack([tensor(x, dtype) for x in data]).requires_grad_(requires_grad)
    kind = as_dtype(dtype) if dtype is not None else _dtype_of(data, array)
    if not isinstance(data, np.ndarray):
        _need_range(array, kind)
    return from_array(aligned_copy(_rounded(array, kind)), requires_grad)


def _need_range(array: Array, kind: DType) -> None:
    """Refuses Python's numbers that no integer of the kind is, but for whole negative turns."""
    if not kind.is_integer or not array.size:
        return
    low, high = (n if isinstance(n, int) else n.item() for n in (array.min(), array.max()))
    long = array.dtype.kind in "Ou" and kind is not uint64
    if long and not -(2**63) <= low <= high < 2**63:
        raise DataError("ng.tensor: Overflow when unpacking long long: a number is beyond int64")
    try:
        need_fit(low, kind)
        need_fit(high, kind)
    except RuntimeError as error:
        raise DataError(str(error)) from None


def _as_array(data: Any) -> Array:
    """The numbers as NumPy holds them, which is exactly: Python floats in float64.

    Integers beyond NumPy's are an array of objects.
    """
    if isinstance(data, np.ndarray | np.generic):
        as_dtype(data.dtype)
        return np.asarray(data)
    numbers = _to_numbers(data)
    try:
        array = np.asarray(numbers)
        if array.dtype == np.float64 and not _has_float(numbers):
            array = np.asarray(numbers, object)  # NumPy's way out for [2**63, -1]
    except ValueError as error:
        raise DataError(f"ng.tensor: {error}") from None
    if array.dtype.kind == "O" and {*map(type, array.reshape(-1))} <= _PLAIN:
        return array.astype(np.float64) if _has_float(numbers) else array
    if array.dtype.kind not in "bifu":
        raise DataError(f"ng.tensor: cannot make a tensor of {type(data).__name__} {data!r:.60}")
    return array


def _has_float(numbers: Any) -> bool:
    if not isinstance(numbers, list | tuple):
        return not isinstance(numbers, int)
    return any(map(_has_float, numbers)) if not _is_plain(numbers) else float in map(type, numbers)


def _to_numbers(data: Any) -> Any:
    """Lists may hold 0-d tensors and NumPy numbers."""
    if isinstance(data, Tensor):
        return data.tolist()
    if isinstance(data, list | tuple) and not _is_plain(data):
        return [_to_numbers(x) for x in data]
    if isinstance(data, SymInt):
        raise size_is_unknown(f"a list with {data}", data.dim)
    return data


def _is_plain(data: Sequence[Any]) -> bool:
    """True for a list of Python's numbers only, however long."""
    return {*map(type, data)} <= _PLAIN


def _dtype_of(data: Any, array: Array) -> DType:
    """The dtype of data that no dtype was given for, and whose numbers are ``array``."""
    found = _common_dtype(data)
    if found is None:
        found = as_dtype(array.dtype) if array.size else float64
        found = default_dtype() if found is float64 else found
    return found


def _common_dtype(data: Any) -> DType | None:
    """The dtype that holds all parts of nested data; None if they say nothing of it."""
    if isinstance(data, Tensor):
        return data.dtype
    if isinstance(data, np.ndarray | np.generic):
        return as_dtype(data.dtype)
    if isinstance(data, list | tuple):
        if _is_plain(data):
            found = [result_type(kind()) for kind in {*map(type, data)}]
        else:
            found = [kind for kind in map(_common_dtype, data) if kind is not None]
        return reduce(promote_types, found) if found else None
    return result_type(data) if is_number(data) else None


def _rounded(array: Array, kind: DType) -> Array:
    """The elements as ``kind``; those of 16 bits are rounded to float32 first, as in PyTorch."""
    if array.dtype == np.float64 and kind.is_floating_point and kind.bits == 16:
        array = array.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(kind.numpy, copy=False)


@function
def as_tensor(data: Any, dtype: DType | None = None, device: object = None) -> Tensor:
    """Like ``tensor``, but shares memory with tensors and NumPy arrays of the right dtype."""
    need_cpu(device)
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
def asarray(
    obj: Any,
    *,
    dtype: DType | None = None,
    device: object = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """``as_tensor``; ``copy`` says whether memory has to be new (True) or must be shared (False).

    Raises:
        ValueError: if it must be shared, and can't be.
    """
    made = as_tensor(obj, dtype)
    shared = made is obj or (isinstance(obj, np.ndarray) and np.shares_memory(made.numpy(), obj))
    if copy is False and not shared:
        raise ValueError("can't alias arbitrary sequence into a tensor; write copy=None")
    made = made.clone() if copy and shared else made
    return made.detach().requires_grad_() if requires_grad else made


@function
def scalar_tensor(
    s: Any,
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A number as a tensor without axes, of the default dtype unless ``dtype`` says otherwise."""
    return tensor(s, dtype=dtype or default_dtype(), requires_grad=requires_grad)


@function
def from_numpy(ndarray: Array) -> Tensor:
    """A tensor that shares the array's memory.

    Raises:
        TypeError: if it is no NumPy array, or of a dtype that nngraph lacks.
        ValueError: if its bytes are not in the machine's order.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    if not ndarray.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order: "
            "ng.tensor(array) copies it"
        )
    as_dtype(ndarray.dtype)
    return from_shared(ndarray)


@function
def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor that shares memory with anything that has ``__dlpack__`` (CPU)."""
    return from_shared(np.from_dlpack(ext_tensor))


def from_shared(array: Array) -> Tensor:
    """A tensor over memory of others; while tracing, a constant."""
    made = from_array(array)
    made._storage.share()
    return made
