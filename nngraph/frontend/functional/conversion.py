"""Element types: casts, copies, and new tensors of the same kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

from nngraph import ops
from nngraph.frontend.devices import is_device, need_cpu
from nngraph.frontend.functional.axes import sizes_of
from nngraph.frontend.functional.constructor import dtype_of, type_name
from nngraph.frontend.functional.data import tensor
from nngraph.frontend.functional.variants import both, function, method
from nngraph.frontend.promotion import filler
from nngraph.frontend.tensor import Operand, Tensor
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import (
    DType,
    as_dtype,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)

__all__ = ["clone", "detach"]


@method
def to(
    input: Tensor,
    *args: Any,
    other: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: object = None,
) -> Tensor:
    """Another dtype; the device is the CPU (compiled functions have their own).

    Raises:
        AssertionError, RuntimeError: for another device.
    """
    flags = [value for value in args if isinstance(value, bool)]
    for value in (*args, other):
        if isinstance(value, Tensor):
            dtype = value.dtype
        elif is_device(value):
            need_cpu(value)
        elif value is not None and not isinstance(value, bool):
            dtype = as_dtype(value)
    copy = copy or flags[1:] == [True]  # after non_blocking
    if dtype is None or dtype is input.dtype:
        return input.clone() if copy else input
    return ops.cast(input, as_dtype(dtype))


def _cast(name: str, dtype: DType) -> Callable[..., Tensor]:
    def cast(input: Tensor, *, memory_format: object = None) -> Tensor:
        return input.to(dtype)

    cast.__name__ = cast.__qualname__ = name
    cast.__doc__ = f"As {dtype.name}."
    return method.named(name)(cast)


to_float = _cast("float", float32)
to_double = _cast("double", float64)
to_half = _cast("half", float16)
to_bfloat16 = _cast("bfloat16", bfloat16)
to_char = _cast("char", int8)
to_short = _cast("short", int16)
to_int = _cast("int", int32)
to_long = _cast("long", int64)
to_byte = _cast("byte", uint8)
to_bool = _cast("bool", bool_)


@overload
def type(input: Tensor, dtype: None = None, non_blocking: bool = False) -> str: ...
@overload
def type(input: Tensor, dtype: Any, non_blocking: bool = False) -> Tensor: ...
@method.overloaded
def type(input: Tensor, dtype: Any = None, non_blocking: bool = False) -> Tensor | str:
    """The tensor as another dtype; without one, the name of its own: ``"torch.FloatTensor"``.

    Args:
        dtype: a dtype, a type of tensors (``ng.FloatTensor``), or the name of one.
        non_blocking: means nothing: there is one device.

    Raises:
        ValueError, TypeError: for what names no dtype.
        RuntimeError: for tensors on another device.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.type.html
    """
    return type_name(input.dtype) if dtype is None else input.to(dtype_of(dtype))


@method
def type_as(input: Tensor, other: Tensor) -> Tensor:
    """As the dtype of ``other``."""
    return input.to(other.dtype)


@both
def clone(input: Tensor, *, memory_format: object = None) -> Tensor:
    """A copy with memory of its own; gradients pass through. It is always contiguous."""
    return ops.copy(input)


@function
def detach(input: Tensor) -> Tensor:
    """The same elements (memory is shared), outside the recorded history."""
    return input.detach()


# -- new tensors of the same kind --------------------------------------------------------------


@overload
def new_zeros(
    input: Tensor,
    size: Sequence[Dim],
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def new_zeros(
    input: Tensor,
    *size: Dim,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@method.overloaded
def new_zeros(
    input: Tensor,
    *size: Any,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``zeros`` of the dtype of ``input``."""
    return input.new_full(sizes_of(size), 0, dtype=dtype, requires_grad=requires_grad)


@overload
def new_ones(
    input: Tensor,
    size: Sequence[Dim],
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def new_ones(
    input: Tensor,
    *size: Dim,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@method.overloaded
def new_ones(
    input: Tensor,
    *size: Any,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``ones`` of the dtype of ``input``."""
    return input.new_full(sizes_of(size), 1, dtype=dtype, requires_grad=requires_grad)


@overload
def new_empty(
    input: Tensor,
    size: Sequence[Dim],
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def new_empty(
    input: Tensor,
    *size: Dim,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@method.overloaded
def new_empty(
    input: Tensor,
    *size: Any,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``empty`` of the dtype of ``input``."""
    return input.new_full(sizes_of(size), 0, dtype=dtype, requires_grad=requires_grad)


@method
def new_full(
    input: Tensor,
    size: Sequence[Dim],
    fill_value: Operand,
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``full`` of the dtype of ``input``."""
    filled = filler(fill_value, dtype or input.dtype, input).expand(*size).clone()
    return filled.requires_grad_() if requires_grad else filled


@method
def new_tensor(
    input: Tensor,
    data: Any,
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``tensor`` of the dtype of ``input``."""
    return tensor(data, dtype=dtype or input.dtype, requires_grad=requires_grad)
