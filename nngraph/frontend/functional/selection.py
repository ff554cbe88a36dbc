"""Choosing elements by conditions."""

from __future__ import annotations

from typing import Any, overload

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.access import elements
from nngraph.frontend.functional.selected import selected_elements
from nngraph.frontend.functional.variants import both, everywhere, function, method
from nngraph.frontend.promotion import as_tensor_like, filler, need_fit, promoted, result_type
from nngraph.frontend.tensor import Operand, Tensor
from nngraph.ir.dtypes import bool_, int64, uint8
from nngraph.ops.composite import wide_dtype

__all__ = ["argwhere", "masked_fill", "masked_scatter", "masked_select", "nonzero", "where"]


@overload
def where(
    condition: Tensor, input: Operand, other: Operand, *, out: Tensor | None = None
) -> Tensor: ...
@overload
def where(condition: Tensor) -> tuple[Tensor, ...]: ...
@function
def where(
    condition: Tensor,
    input: Operand | None = None,
    other: Operand | None = None,
    *,
    out: Tensor | None = None,
) -> Any:
    """``input`` where the condition holds, ``other`` elsewhere; alone, where it holds (eager)."""
    if input is None or other is None:
        return condition.nonzero(as_tuple=True)
    condition = _condition(condition)
    if isinstance(input, Tensor) or isinstance(other, Tensor):
        return ops.where(condition, *_fitting(input, other))
    dtype = result_type(input, other)
    return ops.where(condition, *(as_tensor_like(v, dtype, condition) for v in (input, other)))


@method.named("where")
def where_method(input: Tensor, condition: Tensor, other: Operand) -> Tensor:
    """``input`` where ``condition`` holds, ``other`` elsewhere."""
    return ops.where(_condition(condition), *_fitting(input, other))


def _condition(condition: Tensor) -> Tensor:
    """The condition as bools.

    Raises:
        RuntimeError: unless it is of bools, or of uint8, which were PyTorch's bools once.
    """
    if condition.dtype is uint8:
        return condition.to(bool_)
    if condition.dtype is not bool_:
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with "
            f"dtype {condition.dtype.name}"
        )
    return condition


def _fitting(input: Operand, other: Operand) -> list[Tensor]:
    """Both as tensors of their common dtype, which has to hold a number among them."""
    dtype = result_type(input, other)
    for value in (input, other):
        if not isinstance(value, Tensor):
            need_fit(value, wide_dtype(dtype))
    return promoted(input, other)


@everywhere
def masked_fill(input: Tensor, mask: Tensor, value: Operand) -> Tensor:
    """``value``, a number or a tensor without axes, where ``mask`` holds."""
    if mask.dtype is not bool_:
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype.name}"
        )
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            "masked_fill_ only supports a 0-dimensional value tensor, but got "
            f"tensor with {value.ndim} dimension(s)."
        )
    return ops.where(mask, filler(value, input.dtype, input), input)


@everywhere
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Elements where ``mask`` holds become those of ``source``, one after the other.

    Raises:
        RuntimeError: if ``source`` has too few; of a compiled function, by the call.
    """
    chosen = mask.expand(*input.aval.shape).reshape(-1)
    ordinal = chosen.to(int64).cumsum(0)
    values = flat = input.reshape(-1)
    if source.dtype.is_floating_point and source.aval.size == 0:
        values = flat + source.sum()  # of nothing, whose gradient is as empty
    elif source.numel():
        values = source.reshape(-1).take((ordinal - 1).clamp(0, source.numel() - 1))
    enough = ordinal.le(source.numel()).all()
    message = "Number of elements of source < number of ones in mask"
    written = ops.require(ops.where(chosen, values, flat), enough, message)
    return written.reshape(input.aval.shape)


@both
def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elements where ``mask`` holds; a trace has to do something with them, as with ``x[mask]``."""
    if mask.dtype is not bool_:
        raise RuntimeError(
            f"masked_select: expected BoolTensor for mask, got {mask.dtype.name}; "
            "write masked_select(input, mask.bool())"
        )
    selected = selected_elements(input, mask)
    if selected is not None:
        return selected
    places = np.flatnonzero(
        np.broadcast_to(elements(mask, "masked_select()"), input.aval.static_shape)
    )
    index = ops.constant(places.astype(np.int64), input)
    return input.reshape(-1).index_select(0, index)


@both
def nonzero(input: Tensor, *, as_tuple: bool = False, out: Tensor | None = None) -> Any:
    """Indices of nonzero elements, one row each: eager only, the shape depends on values.

    Args:
        as_tuple: one index tensor for each axis instead.
    """
    found = elements(input, "nonzero()")
    if as_tuple:  # a number is a vector of one here
        found = np.atleast_1d(found)
    rows = np.argwhere(found).astype(np.int64)
    if as_tuple:
        return tuple(ops.constant(np.ascontiguousarray(c), input) for c in rows.T)
    return ops.constant(rows, input)


@both
def argwhere(input: Tensor) -> Tensor:
    """``nonzero()``."""
    out: Tensor = input.nonzero()
    return out
