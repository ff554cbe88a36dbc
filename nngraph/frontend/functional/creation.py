"""Tensors made of a shape: filled, counted, diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from nngraph.backends.arrays import aligned_copy
from nngraph.frontend.functional.axes import listed
from nngraph.frontend.functional.data import from_array
from nngraph.frontend.functional.variants import function
from nngraph.frontend.promotion import as_number, as_tensor_like
from nngraph.frontend.tape import apply
from nngraph.frontend.tensor import Operand, Tensor
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import DType, as_dtype, bool_, float32, float64, int64
from nngraph.ir.op import Op
from nngraph.ops.creation import Full, Iota

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def _create(op: Op, requires_grad: bool = False) -> Tensor:
    out: Tensor = apply(op, ())[0]
    return out.requires_grad_() if requires_grad else out


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
        like = as_tensor_like(fill_value, dtype or fill_value.dtype, fill_value)
        return like.expand(*size).clone().requires_grad_(requires_grad)
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
