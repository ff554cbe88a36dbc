"""Pooling by as many windows as are wanted: their sizes follow, and may differ by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.joining import cat
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.precision.casting import autocasts
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional.pooling.planes import flat_places, need_elements, window_maxima
from nngraph.nn.functional.sizes import batched

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
]

#: Windows along all axes or along each; None keeps an axis as it is.
WindowCounts = int | None | Sequence[int | None]


def _counts(name: str, count: int, input: Tensor, output_size: WindowCounts) -> tuple[Any, ...]:
    """The number of windows along each axis, or None.

    Raises:
        ValueError: if the input has too few axes for sizes that are listed.
        RuntimeError: for another number of sizes, or a negative one.
    """
    if output_size is None or isinstance(output_size, int):
        given: tuple[Any, ...] = (output_size,) * count
    else:
        given = tuple(output_size)
        if count > 1 and input.ndim <= len(given):
            raise ValueError(f"Input dimension should be at least {len(given) + 1}")
    given *= count if len(given) == 1 else 1
    if len(given) != count:
        raise RuntimeError(f"{name}: output_size must be one int or {count} ints, got {given}")
    if any(size is not None and size < 0 for size in given):
        raise RuntimeError(f"{name}: elements of output_size must be greater than or equal to 0")
    return given


def _edges(size: int, windows: int) -> list[tuple[int, int]]:
    return [(i * size // windows, -(-(i + 1) * size // windows)) for i in range(windows)]


def _even_window(x: Tensor, wanted: tuple[int | None, ...]) -> tuple[int, ...] | None:
    """The size of all windows, if they have one and do not overlap."""
    sizes = x.aval.shape[2:]
    pairs = [(s, w) for s, w in zip(sizes, wanted, strict=True) if isinstance(s, int) and w]
    if len(pairs) == len(sizes) and all(s and s % w == 0 for s, w in pairs):
        return tuple(s // w for s, w in pairs)
    return None


def _adaptive_avg(name: str, count: int, input: Tensor, output_size: WindowCounts) -> Tensor:
    given = _counts(name, count, input, output_size)
    if all(windows == 1 for windows in given) and (count > 1 or input.ndim in (2, 3)):
        return input.mean(tuple(range(-count, 0)), keepdim=True)  # of any rank, as in PyTorch
    need_elements(name, input, max(input.ndim - count, 0))
    return batched(name, input, count, lambda x: _means(x, given))


def _means(x: Tensor, wanted: tuple[int | None, ...]) -> Tensor:
    if (window := _even_window(x, wanted)) is not None:
        return ops.avg_pool(x, window, window, ((0, 0),) * len(window))
    for axis, size in enumerate(wanted, 2):
        if size is not None:
            x = _means_along(x, axis, size)
    return x


def _means_along(x: Tensor, axis: int, windows: int) -> Tensor:
    """Means over windows of unequal sizes: one axis after another, as windows are products."""
    edges = _edges(x.shape[axis], windows)
    if not edges:
        return x.narrow(axis, 0, 0)
    return cat([x.narrow(axis, a, b - a).mean(axis, keepdim=True) for a, b in edges], axis)


def adaptive_avg_pool1d(input: Tensor, output_size: WindowCounts) -> Tensor:
    """Means of ``[N, C, L]`` over as many windows as ``output_size`` says."""
    return _adaptive_avg("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: WindowCounts) -> Tensor:
    """Means of ``[N, C, H, W]`` over a grid of windows; None keeps an axis as it is."""
    return _adaptive_avg("adaptive_avg_pool2d", 2, input, output_size)


@autocasts
def adaptive_avg_pool3d(input: Tensor, output_size: WindowCounts) -> Tensor:
    """Means of ``[N, C, D, H, W]`` over a grid of windows."""
    return _adaptive_avg("adaptive_avg_pool3d", 3, input, output_size)


def _adaptive_max(
    name: str, count: int, input: Tensor, output_size: WindowCounts
) -> tuple[Tensor, Tensor]:
    given = _counts(name, count, input, output_size)
    need_floats(name, input)
    need_elements(name, input)
    return batched(name, input, count, lambda x: _maxima(x, given))


def _maxima(x: Tensor, wanted: tuple[int | None, ...]) -> tuple[Tensor, Tensor]:
    if (window := _even_window(x, wanted)) is not None:
        none, ones = ((0, 0),) * len(window), (1,) * len(window)
        return ops.max_pool_indices(x, window, window, none, ones)
    sizes = [int(cast("int", s)) for s in x.aval.shape[2:]]
    counts = [s if w is None else w for s, w in zip(sizes, wanted, strict=True)]
    places = ops.constant(_windows(sizes, counts)[None, None], x)
    if 0 in counts:
        empty = x.reshape(-1)[:0].reshape(*x.aval.shape[:2], *counts)
        return empty, empty.to(places.dtype)
    return window_maxima(x, places)


def _windows(sizes: Sequence[int], counts: Sequence[int]) -> np.ndarray:
    """The flat places ``[*counts, K]`` that the windows read; short ones read their last again."""
    lines = []
    for axis, (size, count) in enumerate(zip(sizes, counts, strict=True)):
        edges = _edges(size, count)
        longest = max((b - a for a, b in edges), default=1)
        line = np.array([[min(a + i, b - 1) for i in range(longest)] for a, b in edges], np.int64)
        shape = [1] * (2 * len(sizes))
        shape[axis], shape[len(sizes) + axis] = count, longest
        lines.append(line.reshape(shape))
    found = np.asarray(flat_places(lines, sizes))
    return found.reshape(*counts, -1)


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: WindowCounts, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Maxima of ``[N, C, L]`` over ``output_size`` windows, and their places."""
    return _adaptive_max("adaptive_max_pool1d", 1, input, output_size)


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: WindowCounts, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Maxima of ``[N, C, H, W]`` over a grid of windows, and their places in the plane."""
    return _adaptive_max("adaptive_max_pool2d", 2, input, output_size)


@autocasts
def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: WindowCounts, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Maxima of ``[N, C, D, H, W]`` over a grid of windows, and their places in the volume."""
    return _adaptive_max("adaptive_max_pool3d", 3, input, output_size)


def adaptive_max_pool1d(
    input: Tensor, output_size: WindowCounts, return_indices: bool = False
) -> Any:
    """Maxima of ``[N, C, L]`` over ``output_size`` windows; with indices, a pair."""
    found = adaptive_max_pool1d_with_indices(input, output_size)
    return found if return_indices else found[0]


def adaptive_max_pool2d(
    input: Tensor, output_size: WindowCounts, return_indices: bool = False
) -> Any:
    """Maxima of ``[N, C, H, W]`` or ``[C, H, W]`` over a grid of windows.

    Args:
        input: the planes.
        output_size: the number of windows along both axes or along each; None keeps an axis.
        return_indices: also give the place of each maximum in its flattened plane (int64).

    Raises:
        RuntimeError: for planes without elements, or another number of sizes.
    """
    found = adaptive_max_pool2d_with_indices(input, output_size)
    return found if return_indices else found[0]


def adaptive_max_pool3d(
    input: Tensor, output_size: WindowCounts, return_indices: bool = False
) -> Any:
    """Maxima of ``[N, C, D, H, W]`` over a grid of windows; with indices, a pair."""
    found = adaptive_max_pool3d_with_indices(input, output_size)
    return found if return_indices else found[0]
