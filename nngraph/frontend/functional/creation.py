"""Makes tensors: eager arrays, or constants of the graph while a function is traced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from nngraph.backends.arrays import aligned_copy
from nngraph.frontend.errors import ConcretizationError
from nngraph.frontend.functional.axes import listed
from nngraph.frontend.functional.joining import stack
from nngraph.frontend.functional.variants import function
from nngraph.frontend.promotion import as_number, as_tensor_like
from nngraph.frontend.tape import apply
from nngraph.frontend.tensor import Operand, Tensor
from nngraph.frontend.world import world
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import DType, as_dtype, bool_, float32, float64, int64
from nngraph.ir.op import Array, Op
from nngraph.ops.creation import Full, Iota

__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "tensor",
    "zeros",
    "zeros_like",
]


def _create(op: Op, requires_grad: bool = False) -> Tensor:
    out: Tensor = apply(op, ())[0]
    return out.requires_grad_() if requires_grad else out


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


@function
def full(
    size: Sequence[Dim],
    fill_value: Operand,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """Every element is ``fill_value``; its Python type gives the default dtype."""
    if isinstance(fill_value, Tensor):
        return (
            as_tensor_like(fill_value, dtype or fill_value.dtype, fill_value).expand(*size).clone()
        )
    kind = dtype or (
        bool_ if isinstance(fill_value, bool) else int64 if isinstance(fill_value, int) else float32
    )
    shape = (size,) if isinstance(size, int) else tuple(size)
    if any(isinstance(d, int) and d < 0 for d in shape):
        raise RuntimeError(f"a size must not be negative; got {list(shape)}")
    number = as_number(fill_value, as_dtype(kind))
    return _create(Full(number, as_dtype(kind), shape), requires_grad)


@overload
def zeros(
    size: Sequence[Dim],
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def zeros(
    *size: Dim,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor: ...
@function.overloaded
def zeros(
    *size: Any,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of zeros."""
    return full(listed(size), 0, dtype=dtype or float32, requires_grad=requires_grad)


@overload
def ones(
    size: Sequence[Dim],
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def ones(
    *size: Dim,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor: ...
@function.overloaded
def ones(
    *size: Any,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of ones."""
    return full(listed(size), 1, dtype=dtype or float32, requires_grad=requires_grad)


@overload
def empty(
    size: Sequence[Dim],
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def empty(
    *size: Dim,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor: ...
@function.overloaded
def empty(
    *size: Any,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor to be filled; it holds zeros, so that runs repeat."""
    return zeros(*size, dtype=dtype, requires_grad=requires_grad)


@function
def zeros_like(
    input: Tensor, *, dtype: DType | None = None, device: object = None, requires_grad: bool = False
) -> Tensor:
    """Zeros of the shape (and dtype) of ``input``."""
    return full(input.type.shape, 0, dtype=dtype or input.dtype, requires_grad=requires_grad)


@function
def ones_like(
    input: Tensor, *, dtype: DType | None = None, device: object = None, requires_grad: bool = False
) -> Tensor:
    """Ones of the shape (and dtype) of ``input``."""
    return full(input.type.shape, 1, dtype=dtype or input.dtype, requires_grad=requires_grad)


@function
def empty_like(
    input: Tensor, *, dtype: DType | None = None, device: object = None, requires_grad: bool = False
) -> Tensor:
    """``empty`` of the shape (and dtype) of ``input``."""
    return zeros_like(input, dtype=dtype, requires_grad=requires_grad)


@function
def full_like(
    input: Tensor,
    fill_value: Operand,
    *,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """``full`` of the shape (and dtype) of ``input``."""
    kind = dtype or input.dtype
    return full(input.type.shape, fill_value, dtype=kind, requires_grad=requires_grad)


@function
def arange(
    start: float = 0,
    end: float | None = None,
    step: float = 1,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """``start, start + step, ...`` below ``end``; int64 if all three are integers.

    Raises:
        RuntimeError: if ``step`` is zero or leads away from ``end``.
    """
    first, last = (0, start) if end is None else (start, end)
    if step == 0 or (last - first) * step < 0:
        raise RuntimeError(
            f"arange: upper bound and larger bound inconsistent with step sign: "
            f"{first}, {last}, step {step}"
        )
    whole = all(isinstance(v, int) for v in (first, last, step))
    kind = dtype or (int64 if whole else float32)
    count = int(max(np.ceil((last - first) / step), 0))
    if whole and first == 0 and step == 1:
        return _create(Iota(as_dtype(kind), (count,), 0), requires_grad)
    line = np.arange(count) * step + first
    return from_array(aligned_copy(line.astype(as_dtype(kind).numpy)), requires_grad)


@function
def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` evenly spaced numbers, both ends included."""
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, got {steps}")
    line = np.linspace(start, end, steps, dtype=float64.numpy)
    return from_array(aligned_copy(line.astype(as_dtype(dtype or float32).numpy)), requires_grad)


@function
def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal."""
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"n and m must be greater or equal to 0, got {n} and {m}")
    array = np.eye(n, m, dtype=as_dtype(dtype or float32).numpy)
    return from_array(aligned_copy(array), requires_grad)
