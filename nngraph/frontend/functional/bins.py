"""Counts of elements in bins of any edges; sums to a smaller shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nngraph.frontend.functional.access import elements
from nngraph.frontend.functional.axes import sizes_of
from nngraph.frontend.functional.creation import linspace
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.functional.statistics import bisected
from nngraph.frontend.functional.variants import both, method
from nngraph.frontend.tensor import Histogram, Tensor

__all__ = ["histogram"]


@both
def histogram(
    input: Tensor,
    bins: int | Tensor = 100,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
    out: tuple[Tensor, Tensor] | None = None,
) -> Histogram:
    """How many elements are in each bin, and the edges of the bins; the last holds its right edge.

    Args:
        input: floating point numbers.
        bins: how many of one width, or a sorted vector of edges.
        range: the first and the last edge; without it, those of the elements, which are looked at.
        weight: of the input's shape, what each element counts.
        density: the counts are divided by their sum and by the widths.
        out: where to write.

    Raises:
        RuntimeError: for other dtypes and shapes, a range that is empty or not finite.
    """
    need_floats("histogram", input)
    if weight is not None and (weight.aval != input.aval):
        raise RuntimeError(
            f"histogram: weight must be of the input's shape and dtype {input.aval}, got "
            f"{weight.aval}"
        )
    edges = _edges(input, bins, range)
    x = input.detach().flatten()
    count = edges.shape[0] - 1
    inside = x.ge(edges[0]) & x.le(edges[-1])
    place = (bisected(edges, x, True) - 1).clamp(0, count - 1)
    share = inside.to(x.dtype) if weight is None else weight.flatten().masked_fill(~inside, 0)
    found = x.new_zeros(count).scatter_add(0, place, share)
    if density:
        found = found / found.sum() / edges.diff()
    return Histogram(found, edges)


def _edges(input: Tensor, bins: Any, span: Sequence[float] | None) -> Tensor:
    if isinstance(bins, Tensor):
        if bins.ndim != 1 or bins.dtype is not input.dtype or bins.numel() < 2:
            raise RuntimeError(
                f"histogram: bins must be a number or a vector of {input.dtype.name}, got "
                f"{bins.aval}"
            )
        return bins
    if bins <= 0:
        raise RuntimeError(f"histogram: bins must be > 0, got {bins}")
    if span is None and input.numel():
        values = elements(input, "histogram() without range=")
        span = float(values.min()), float(values.max())
    low, high = (0.0, 0.0) if span is None else map(float, span)
    if not np.isfinite(high - low):
        raise RuntimeError(f"histogram: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"histogram: min should not exceed max, got {low} and {high}")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return linspace(low, high, bins + 1, dtype=input.dtype)


@method
def sum_to_size(input: Tensor, *size: Any) -> Tensor:
    """Sums over dimensions until the tensor, broadcast from that shape, would be as it was."""
    shape = sizes_of(size)
    expanded = (1,) * (input.ndim - len(shape)) + shape
    fits = len(shape) <= input.ndim and all(
        a in (1, b) for a, b in zip(expanded, input.aval.shape, strict=True)
    )
    if not fits:
        raise RuntimeError(
            f"size {{{list(shape)}}} is not expandable to size {{{list(input.shape)}}}."
        )
    pairs = zip(expanded, input.aval.shape, strict=True)
    axes = [axis for axis, (a, b) in enumerate(pairs) if a != b]
    if input.ndim and shape == tuple(input.aval.shape):
        return input
    found = input.sum(axes, keepdim=True) if axes else input.clone()
    return found.reshape(shape) if len(shape) != input.ndim else found
