"""Sorting, ranks and counting."""

from __future__ import annotations

from typing import Any, cast, overload

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.access import elements, owned
from nngraph.frontend.functional.axes import one_axis
from nngraph.frontend.functional.kinds import need_numbers
from nngraph.frontend.functional.variants import both
from nngraph.frontend.limits import iinfo
from nngraph.frontend.symint import dim_of
from nngraph.frontend.tensor import Extremes, Tensor
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import bfloat16, uint8
from nngraph.ops.core import normalize_axis

__all__ = ["argsort", "bincount", "kthvalue", "median", "msort", "sort", "topk", "unique"]


@both
def sort(
    input: Tensor,
    dim: int = -1,
    descending: bool = False,
    stable: bool | None = None,
    *,
    out: tuple[Tensor, Tensor] | None = None,
) -> Extremes:
    """Sorted values and where they were; equal elements keep their order."""
    source, axis = one_axis(input, dim)
    values, places = ops.sort(source, axis, descending)
    if not input.ndim:
        return Extremes(values.reshape(()), places.reshape(()))
    return Extremes(values, places)


@both
def argsort(
    input: Tensor,
    dim: int = -1,
    descending: bool = False,
    stable: bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Where the sorted elements were."""
    return input.sort(dim, descending).indices


@both
def msort(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sorted along the first dimension."""
    return input.sort(0).values


@both
def topk(
    input: Tensor,
    k: Dim,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    *,
    out: tuple[Tensor, Tensor] | None = None,
) -> Extremes:
    """The ``k`` largest (or smallest) elements, sorted, and where they were."""
    need_numbers("topk", input.dtype)
    source, axis = one_axis(input, dim)
    values, places = cast("Any", ops.topk(source, dim_of(k), axis, largest))
    if not input.ndim:
        values, places = (t.reshape(input.aval.shape if k else (0,)) for t in (values, places))
    return Extremes(values, places)


@both
def kthvalue(
    input: Tensor,
    k: int,
    dim: int = -1,
    keepdim: bool = False,
    *,
    out: tuple[Tensor, Tensor] | None = None,
) -> Extremes:
    """The ``k``-th smallest element (from 1) and where it is.

    Raises:
        RuntimeError: if there is no such element.
        IndexError: if there is none at all.
    """
    need_numbers("kthvalue", input.dtype)
    source, axis = one_axis(input, dim)
    size = source.aval.shape[axis]
    if size == 0:
        raise IndexError(f"kthvalue(): Expected reduction dim {axis} to have non-zero size.")
    if k < 1 or (isinstance(size, int) and k > size):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {axis}")
    parts = [t.narrow(axis, k - 1, 1) for t in source.sort(axis)]
    found = [t if keepdim and input.ndim else t.squeeze(axis) for t in parts]
    return Extremes(*(owned(t) for t in found))  # they don't keep what was sorted


@overload
def median(input: Tensor, *, out: Tensor | None = None) -> Tensor: ...
@overload
def median(
    input: Tensor, dim: int, keepdim: bool = False, *, out: tuple[Tensor, Tensor] | None = None
) -> Extremes: ...
@both
def median(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The middle element, of two the lower; with a dimension also where it is."""
    if dim is None and input.aval.size == 0:
        return _median_of_nothing(input)
    if dim is None:
        return ops.median(input)
    axis = normalize_axis(dim, input.ndim)
    size = cast("int", input.aval.shape[axis]) if input.ndim else 1
    found = input.kthvalue((size - 1) // 2 + 1, dim, keepdim)
    if not (input.ndim and input.dtype.is_floating_point):
        return found
    unknown = input.isnan().to(uint8)
    first = unknown.argmax(dim, keepdim=True)  # NaN is the median of what has one
    place = found.indices if keepdim else found.indices.unsqueeze(axis)
    place = first.where(unknown.amax(dim, True).ne(0), place)
    values = ops.gather_elements(input, place, axis)
    return Extremes(*(t if keepdim else t.squeeze(axis) for t in (values, place)))


def _median_of_nothing(input: Tensor) -> Tensor:
    """NaN, which backward may start from; of integers their least one, as in PyTorch."""
    if input.dtype.is_floating_point:
        return input.mean()
    return ops.full(iinfo(input.dtype).min, input.dtype, (), input)


@both
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements in order, with where each went and how often it was there.

    Args:
        input: the elements; the shape of the result depends on them, so eager only.
        sorted: they always are.
        return_inverse: also give where in the result each element is.
        return_counts: also give how often each was there.
        dim: compare the slices along this dimension instead of elements.
    """
    axis = None if dim is None else normalize_axis(dim, input.ndim, "unique")
    given = elements(input, "unique()")
    given = given.astype(np.float32) if input.dtype is bfloat16 else given  # sorts NaN last
    values, inverse, counts = np.unique(  # no NaN is another
        given, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    values = values.astype(input.dtype.numpy)
    if axis is not None and 0 in (shape := input.aval.static_shape) and shape[axis]:
        raise RuntimeError(
            "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
        )
    inverse = inverse.reshape(input.aval.static_shape if axis is None else -1)
    wanted = [values, *[inverse] * return_inverse, *[counts] * return_counts]
    found = [ops.constant(np.asarray(a, order="C"), input) for a in wanted]
    return found[0] if len(found) == 1 else tuple(found)


_COUNTS = (
    "Where the numbers are below a known n, write ng.zeros(n).index_add(0, x, weights), with "
    "ng.ones(len(x)) where there are no weights; or return the tensor, and count outside of the "
    "compiled function."
)


@both
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number occurs (with ``weights`` the sum of theirs).

    Raises:
        RuntimeError: for negative numbers or other than one axis, weights of another length.
    """
    numbers = elements(input, "bincount()", _COUNTS)
    by = None if weights is None else elements(weights, "bincount()", _COUNTS)
    if input.dtype.is_floating_point:
        raise RuntimeError(f'"bincount_cpu" not implemented for {input.dtype.name}')
    if numbers.ndim != 1 or (numbers.size and numbers.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if by is not None and by.shape != numbers.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    counts = np.bincount(numbers, by if numbers.size else None, minlength)
    if by is not None and numbers.size and by.dtype == np.float32:
        counts = counts.astype(np.float32)
    return ops.constant(counts, input)
