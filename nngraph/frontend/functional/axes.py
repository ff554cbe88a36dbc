"""What ``dim`` and ``size`` arguments mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nngraph.frontend.symint import dims_of
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dims import Dim
from nngraph.ops.core import normalize_axes, normalize_axis

__all__ = ["Dims", "axes_of", "listed", "need_sizes", "one_axis", "sizes_of"]

Dims = int | Sequence[int] | None


def axes_of(input: Tensor, dim: Dims) -> tuple[int, ...]:
    """The axes to reduce; None and an empty list mean all.

    Raises:
        IndexError: if one is out of range.
        RuntimeError: if one is named twice.
    """
    if dim is not None and not isinstance(dim, int) and not len(dim):
        dim = None
    if not input.ndim:  # a tensor without axes has an axis 0 to name
        normalize_axes(dim, 1)
        return ()
    try:
        return normalize_axes(dim, input.ndim)
    except ValueError:
        raise RuntimeError(f"a dim appears multiple times in the list of dims {dim}") from None


def need_sizes(shape: Sequence[Any]) -> None:
    """Refuses a shape that no tensor has.

    Raises:
        RuntimeError: if a size is negative.
    """
    for size in shape:
        if isinstance(size, int) and size < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {size}: {list(shape)}"
            )


def one_axis(input: Tensor, dim: int) -> tuple[Tensor, int]:
    """A tensor with at least one axis, and the axis meant."""
    return (input if input.ndim else input.reshape(1)), normalize_axis(dim, input.ndim)


def listed(values: Sequence[Any]) -> tuple[Any, ...]:
    """``f(2, 3)`` and ``f((2, 3))`` mean the same."""
    nested = len(values) == 1 and isinstance(values[0], tuple | list)
    return tuple(values[0]) if nested else tuple(values)


def sizes_of(values: Sequence[Any]) -> tuple[Dim, ...]:
    """``listed`` sizes, among which may be those of tensors."""
    return dims_of(listed(values))
