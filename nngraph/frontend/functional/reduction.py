"""Reductions over dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nngraph import ops
from nngraph.frontend.functional.axes import Dims, axes_of
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.functional.variants import both, function
from nngraph.frontend.promotion import as_float, counted
from nngraph.frontend.tensor import MinMax, Tensor
from nngraph.ir.dtypes import DType, bool_, uint8
from nngraph.ops.composite import wide

# fmt: off
__all__ = [
    "all", "amax", "amin", "aminmax", "any", "count_nonzero", "dist", "logsumexp", "mean",
    "nanmean", "nansum", "norm", "prod", "std", "std_mean", "sum", "var", "var_mean",
]
# fmt: on


def _reduce(input: Tensor, op: Callable[..., Any], x: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    result: Tensor = op(x, axes_of(input, dim), keepdim)
    return result


@both
def sum(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The sum; of integers and bools in int64."""
    return _reduce(input, ops.sum, counted(input, dtype), dim, keepdim)


@both
def mean(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The mean; of floating point numbers."""
    x = input if dtype is None else input.to(dtype)
    if not x.dtype.is_floating_point:
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating "
            f"point or complex dtype. Got: {x.dtype.name}"
        )
    return _reduce(input, ops.mean, x, dim, keepdim)


@both
def prod(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The product; of integers and bools in int64."""
    return _reduce(input, ops.prod, counted(input, dtype), dim, keepdim)


@both
def amax(
    input: Tensor, dim: Dims = (), keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """Maximum; tied elements share the gradient evenly."""
    return _extremum(input, ops.max, dim, keepdim)


@both
def amin(
    input: Tensor, dim: Dims = (), keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """Minimum; tied elements share the gradient evenly."""
    return _extremum(input, ops.min, dim, keepdim)


def _extremum(input: Tensor, op: Callable[..., Any], dim: Dims, keepdim: bool) -> Tensor:
    _need_elements("amax()/amin()", input, dim)
    if input.dtype is bool_:
        return _extremum(input.to(uint8), op, dim, keepdim).to(bool_)
    return _reduce(input, op, input, dim, keepdim)


def _need_elements(name: str, input: Tensor, dim: Dims) -> None:
    """Refuses to reduce what has no elements.

    Raises:
        IndexError: if a dimension that is named has none.
        RuntimeError: if none is named.
    """
    for axis in axes_of(input, dim):
        if input.aval.shape[axis] == 0:
            kind = RuntimeError if dim is None or dim == () else IndexError
            raise kind(f"{name}: Expected reduction dim {axis} to have non-zero size.")


def _tested(input: Tensor, op: Callable[..., Any], dim: Dims, keepdim: bool) -> Tensor:
    """Of bools, along the dimensions; an empty list of them is none here, not all."""
    truth = input.to(bool_)
    none = isinstance(dim, tuple | list) and not dim
    found = truth.clone() if none else _reduce(input, op, truth, dim, keepdim)
    return found.to(uint8) if input.dtype is uint8 else found


@both
def any(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """True where one element is not 0 (uint8 for uint8)."""
    return _tested(input, ops.any, dim, keepdim)


@both
def all(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """True where no element is 0 (uint8 for uint8)."""
    return _tested(input, ops.all, dim, keepdim)


@both
def logsumexp(
    input: Tensor, dim: Dims, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """``log(sum(exp(x)))`` without overflow."""
    x = as_float(input)
    return _reduce(input, ops.logsumexp, x, dim, keepdim)


@both
def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: int | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Variance; ``correction`` (1 if ``unbiased``) is taken from the number of elements."""
    if isinstance(dim, bool):  # var(unbiased)
        unbiased, dim = dim, None
    less = correction if correction is not None else int(unbiased)
    return ops.var(input, axes_of(input, dim), less, keepdim)


@both
def std(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: int | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Square root of ``var``, whose gradient at 0 is 0."""
    square = wide(input).var(dim, unbiased, keepdim, correction=correction)  # halves overflow
    zero = square.eq(0)
    return square.masked_fill(zero, 1).sqrt().masked_fill(zero, 0).to(input.dtype)


@function
def var_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Variance and mean."""
    variance = input.var(dim, unbiased, keepdim, correction=correction)
    return variance, input.mean(None if isinstance(dim, bool) else dim, keepdim)


@function
def std_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean."""
    deviation = input.std(dim, unbiased, keepdim, correction=correction)
    return deviation, input.mean(None if isinstance(dim, bool) else dim, keepdim)


@both
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    dtype: DType | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Vector norm: ``p`` is a number, ``inf``, ``-inf``, 0 or ``"fro"``, which is 2.

    The gradient at zero is zero, as in PyTorch.
    """
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as "
            f"input. Got {input.dtype.name}"
        )
    order = 2.0 if p is None or p == "fro" else float(p)
    x = input if dtype is None else input.to(dtype)
    return ops.vector_norm(x, order, axes_of(input, dim), keepdim)


@both
def aminmax(
    input: Tensor,
    *,
    dim: int | None = None,
    keepdim: bool = False,
    out: tuple[Tensor, Tensor] | None = None,
) -> MinMax:
    """Minimum and maximum."""
    return MinMax(input.amin(dim, keepdim), input.amax(dim, keepdim))


@both
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements are not 0."""
    return input.ne(0).sum(dim)


@both
def nansum(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The sum of what is not NaN."""
    return input.masked_fill(input.isnan(), 0).sum(dim, keepdim, dtype=dtype)


@both
def nanmean(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The mean of what is not NaN; of floating point numbers."""
    need_floats("nanmean", input)
    count = input.isnan().logical_not().sum(dim, keepdim)
    return input.nansum(dim, keepdim, dtype=dtype) / count


@both
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The norm of the difference."""
    return (input - other).norm(p)
