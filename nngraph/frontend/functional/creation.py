"""Tensors made of a shape: filled, counted, diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, overload

import numpy as np

from nngraph import ops
from nngraph.backends.arrays import aligned_copy
from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.errors import size_is_unknown
from nngraph.frontend.functional.axes import need_sizes, sizes_of
from nngraph.frontend.functional.data import from_array
from nngraph.frontend.functional.kinds import need_numbers
from nngraph.frontend.functional.variants import function
from nngraph.frontend.host import in_graph, is_host_number
from nngraph.frontend.promotion import as_number, as_tensor_like, need_fit, result_type
from nngraph.frontend.symint import SymInt, dim_of, dims_of, size_of, sym_max
from nngraph.frontend.tape import apply
from nngraph.frontend.tensor import Operand, Tensor
from nngraph.ir.dims import Dim, SymDim, floordiv, is_nonnegative
from nngraph.ir.dtypes import DType, as_dtype, bool_, float64, int64
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
    fill_value: Any,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Every element is ``fill_value``; its Python type gives the default dtype."""
    if isinstance(fill_value, SymInt):
        fill_value = fill_value.tensor()
    elif is_host_number(fill_value):
        kind = dtype or result_type(fill_value)
        fill_value = in_graph(fill_value).to(kind)
    if isinstance(fill_value, Tensor):
        kind = dtype or _kind_of(fill_value.dtype)
        like = as_tensor_like(fill_value, as_dtype(kind), fill_value)
        return like.expand(*size).clone().requires_grad_(requires_grad)
    kind = dtype or result_type(fill_value)
    shape = sizes_of((size,))
    need_sizes(shape)
    need_fit(fill_value, as_dtype(kind))
    number = as_number(fill_value, as_dtype(kind))
    return _create(Full(number, as_dtype(kind), shape), requires_grad)


def _kind_of(dtype: DType) -> DType:
    """The default dtype of numbers of the kind."""
    return default_dtype() if dtype.is_floating_point else bool_ if dtype is bool_ else int64


@overload
def zeros(
    size: Sequence[Dim],
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def zeros(
    *size: Dim,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@function.overloaded
def zeros(
    *size: Any,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of zeros."""
    return full(sizes_of(size), 0, dtype=dtype or default_dtype(), requires_grad=requires_grad)


@overload
def ones(
    size: Sequence[Dim],
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def ones(
    *size: Dim,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@function.overloaded
def ones(
    *size: Any,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of ones."""
    return full(sizes_of(size), 1, dtype=dtype or default_dtype(), requires_grad=requires_grad)


@overload
def empty(
    size: Sequence[Dim],
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: object = None,
) -> Tensor: ...
@overload
def empty(
    *size: Dim,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: object = None,
) -> Tensor: ...
@function.overloaded
def empty(
    *size: Any,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: object = None,
) -> Tensor:
    """A tensor to be filled; it holds zeros, so that runs repeat."""
    return zeros(*size, dtype=dtype, requires_grad=requires_grad)


@function
def zeros_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: object = None,
) -> Tensor:
    """Zeros of the shape (and dtype) of ``input``."""
    return full(input.aval.shape, 0, dtype=dtype or input.dtype, requires_grad=requires_grad)


@function
def ones_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: object = None,
) -> Tensor:
    """Ones of the shape (and dtype) of ``input``."""
    return full(input.aval.shape, 1, dtype=dtype or input.dtype, requires_grad=requires_grad)


@function
def empty_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: object = None,
) -> Tensor:
    """``empty`` of the shape (and dtype) of ``input``."""
    return zeros_like(input, dtype=dtype, requires_grad=requires_grad)


@function
def full_like(
    input: Tensor,
    fill_value: Operand,
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: object = None,
) -> Tensor:
    """``full`` of the shape (and dtype) of ``input``."""
    kind = dtype or input.dtype
    return full(input.aval.shape, fill_value, dtype=kind, requires_grad=requires_grad)


@function
def arange(
    start: Any = 0,
    end: Any = None,
    step: float = 1,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``start, start + step, ...`` below ``end``; int64 if all three are integers.

    Raises:
        RuntimeError: if ``step`` is zero or leads away from ``end``, or a bound is not finite.
    """
    first, last = (0, start) if end is None else (start, end)
    if isinstance(first, SymInt) or isinstance(last, SymInt):
        return _count(first, last, step, dtype, requires_grad)
    if not (np.isfinite(first) and np.isfinite(last)):
        raise RuntimeError(f"unsupported range: {first} -> {last}")
    if step == 0 or (last - first) * step < 0:
        raise RuntimeError(
            f"arange: upper bound and larger bound inconsistent with step sign: "
            f"{first}, {last}, step {step}"
        )
    whole = all(isinstance(v, int) for v in (first, last, step))
    kind = as_dtype(dtype or (int64 if whole else default_dtype()))
    need_numbers("arange", kind)
    if kind is int64 and not whole:  # the numbers are cast, not what they give
        first, last, step = int(first), int(last), int(step)
        if not step:
            raise ValueError("arange: step must be nonzero")
    count = int(max(np.ceil((last - first) / step), 0))
    if whole and first == 0 and step == 1:
        return _create(Iota(kind, (count,), 0), requires_grad)
    line = np.arange(count) * (int(step) if kind.is_integer else step)
    line = line + (int(first) if kind.is_integer else first)
    return from_array(aligned_copy(line.astype(kind.numpy)), requires_grad)


def _count(start: Any, end: Any, step: Any, dtype: DType | None, requires_grad: bool) -> Tensor:
    """``arange`` between sizes that are known only when the graph runs."""
    if any(isinstance(v, float) for v in (start, end, step)):
        size = start if isinstance(start, SymInt) else end
        raise size_is_unknown(f"the length of arange({start}, {end}, {step})", size.dim)
    first, last = dim_of(start), dim_of(end)
    ahead = last - first if step > 0 else first - last
    if isinstance(ahead, SymDim) and not is_nonnegative(ahead):
        raise size_is_unknown(f"whether arange({first}, {last}, {step}) goes the right way", ahead)
    count = floordiv(ahead + (abs(step) - 1), abs(step))
    line = _create(Iota(int64, (count,), 0))
    line = line if step == 1 else line * step
    made: Tensor = line if first == 0 else line + size_of(first)
    return made.to(as_dtype(dtype or int64)).requires_grad_(requires_grad)


@function
def linspace(
    start: float,
    end: float,
    steps: Dim,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` evenly spaced numbers, both ends included."""
    kind = as_dtype(dtype or default_dtype())
    need_numbers("linspace", kind)
    if isinstance(steps, SymInt):
        return _line(start, end, steps).to(kind).requires_grad_(requires_grad)
    steps = cast("int", steps)
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, got {steps}")
    line = np.linspace(start, end, steps, dtype=float64.numpy)
    return from_array(aligned_copy(line.astype(kind.numpy)), requires_grad)


def _line(start: float, end: float, steps: SymInt) -> Tensor:
    """``linspace`` in float64 of a number of places that is known only when the graph runs."""
    places = _create(Iota(float64, (steps.dim,), 0))
    gap = (end - start) / sym_max(steps - 1, 1)
    line = places * gap + start
    found: Tensor = ops.where(places == sym_max(steps - 1, 1), end, line)
    return found


@function
def eye(
    n: Dim,
    m: Dim | None = None,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal."""
    kind = as_dtype(dtype or default_dtype())
    if isinstance(n, SymInt) or isinstance(m, SymInt):
        sizes = dims_of((n, n if m is None else m))
        rows, columns = (_create(Iota(int64, sizes, axis)) for axis in (0, 1))
        return rows.eq(columns).to(kind).requires_grad_(requires_grad)
    n, m = cast("int", n), cast("int | None", m)
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"n and m must be greater or equal to 0, got {n} and {m}")
    array = np.eye(n, m, dtype=kind.numpy)
    return from_array(aligned_copy(array), requires_grad)
