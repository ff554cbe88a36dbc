"""Functions along one dimension: running sums, softmax, differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nngraph import ops
from nngraph.frontend.functional.access import owned
from nngraph.frontend.functional.axes import one_axis
from nngraph.frontend.functional.variants import both, everywhere
from nngraph.frontend.promotion import counted
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dims import positive_part
from nngraph.ir.dtypes import DType, bool_
from nngraph.ops.core import normalize_axis

__all__ = ["cumprod", "cumsum", "diff", "log_softmax", "softmax"]


@everywhere
def cumsum(
    input: Tensor, dim: int, *, dtype: DType | None = None, out: Tensor | None = None
) -> Tensor:
    """Running sums."""
    return _run(input, ops.cumsum, dim, dtype)


@everywhere
def cumprod(
    input: Tensor, dim: int, *, dtype: DType | None = None, out: Tensor | None = None
) -> Tensor:
    """Running products."""
    return _run(input, ops.cumprod, dim, dtype)


def _run(input: Tensor, op: Callable[..., Any], dim: int, dtype: DType | None) -> Tensor:
    x, axis = one_axis(counted(input, dtype), dim)
    result: Tensor = op(x, axis)
    return result if input.ndim else result.reshape(())


@both
def softmax(
    input: Tensor, dim: int, dtype: DType | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``exp(x) / sum(exp(x))`` along a dimension."""
    x = input if dtype is None else input.to(dtype)
    source, axis = one_axis(x, dim)
    return ops.softmax(source, axis).reshape(input.aval.shape)


@both
def log_softmax(
    input: Tensor, dim: int, dtype: DType | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The logarithm of ``softmax``."""
    x = input if dtype is None else input.to(dtype)
    source, axis = one_axis(x, dim)
    return ops.log_softmax(source, axis).reshape(input.aval.shape)


@both
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Differences of neighbours, ``n`` times, after joining what is given to either end.

    Of bools, whether they differ.
    """
    axis = normalize_axis(dim, input.ndim)
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    parts = [t for t in (prepend, input, append) if t is not None]
    if n and len(parts) == 1 and input.aval.shape[axis] == 0:
        return input  # itself, as in PyTorch
    x = input if len(parts) == 1 else ops.concat(parts, axis)
    for _ in range(n):
        size = x.aval.shape[axis]
        count = positive_part(size - 1)
        later, earlier = x.narrow(axis, size - count, count), x.narrow(axis, 0, count)
        x = later.ne(earlier) if x.dtype is bool_ else later - earlier
    return owned(x, input)
