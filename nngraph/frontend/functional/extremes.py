"""Largest and smallest elements, and where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

from nngraph import ops
from nngraph.frontend.functional.axes import one_axis
from nngraph.frontend.functional.variants import both
from nngraph.frontend.tensor import Extremes, Tensor
from nngraph.ir.dtypes import bool_, uint8
from nngraph.ops.core import normalize_axis

__all__ = ["argmax", "argmin", "max", "min"]


@overload
def max(input: Tensor, *, out: Tensor | None = None) -> Tensor: ...
@overload
def max(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor: ...
@overload
def max(
    input: Tensor, dim: int, keepdim: bool = False, *, out: tuple[Tensor, Tensor] | None = None
) -> Extremes: ...
@both.overloaded
def max(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: Any = None
) -> Any:
    """All elements' maximum; with a dimension (values, indices); with a tensor ``maximum``."""
    if other is not None or isinstance(dim, Tensor):
        return input.maximum(dim if other is None else other)
    if dim is None:
        return input.amax() if input.dtype is bool_ else ops.max(input, shares_nan=True)
    return _extreme(input, _numbers(input).argmax(dim, keepdim=True), dim, keepdim)


@overload
def min(input: Tensor, *, out: Tensor | None = None) -> Tensor: ...
@overload
def min(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor: ...
@overload
def min(
    input: Tensor, dim: int, keepdim: bool = False, *, out: tuple[Tensor, Tensor] | None = None
) -> Extremes: ...
@both.overloaded
def min(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: Any = None
) -> Any:
    """All elements' minimum; with a dimension (values, indices); with a tensor ``minimum``."""
    if other is not None or isinstance(dim, Tensor):
        return input.minimum(dim if other is None else other)
    if dim is None:
        return input.amin() if input.dtype is bool_ else ops.min(input, shares_nan=True)
    return _extreme(input, _numbers(input).argmin(dim, keepdim=True), dim, keepdim)


def _numbers(input: Tensor) -> Tensor:
    return input.to(uint8) if input.dtype is bool_ else input


def _extreme(input: Tensor, indices: Tensor, dim: int, keepdim: bool) -> Extremes:
    if not input.ndim:
        return Extremes(input.clone(), indices)
    values = ops.gather_elements(input, indices, normalize_axis(dim, input.ndim))
    if keepdim:
        return Extremes(values, indices)
    return Extremes(values.squeeze(dim), indices.squeeze(dim))


@both
def argmax(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """Index of the first maximum; of the flattened tensor without ``dim``."""
    return _arg(input, ops.argmax, dim, keepdim)


@both
def argmin(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """Index of the first minimum; of the flattened tensor without ``dim``."""
    return _arg(input, ops.argmin, dim, keepdim)


def _arg(input: Tensor, op: Callable[..., Any], dim: int | None, keepdim: bool) -> Tensor:
    if dim is None:
        if input.aval.size == 0:
            raise IndexError(
                "argmax()/argmin(): Expected reduction dim to be specified for input.numel() == 0."
            )
        flat: Tensor = op(input.reshape(-1), 0, False)
        return flat.reshape((1,) * input.ndim) if keepdim else flat
    source, axis = one_axis(input, dim)
    if source.aval.shape[axis] == 0:
        raise IndexError(f"Expected reduction dim {dim} to have non-zero size.")
    found: Tensor = op(source, axis, keepdim and bool(input.ndim))
    return found
