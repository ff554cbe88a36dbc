"""Pooling. The runtime's max kernels skip NaN, so they run only where all numbers are finite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nngraph import ops
from nngraph.backends.onnx.emission import Emission, Emissions, OpSite, Site
from nngraph.backends.onnx.kernels import supports
from nngraph.backends.onnx.rules.branch import branches, if_finite
from nngraph.backends.onnx.rules.conv import input_gradient
from nngraph.backends.onnx.rules.shape import filled
from nngraph.backends.onnx.rules.window import WindowGrid, product
from nngraph.backends.onnx.writer import Missing
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import Kind, bool_, float32, float64, int32, int64
from nngraph.ir.op import Array
from nngraph.ir.types import Shape

__all__ = ["EMISSIONS"]


Average = ops.AvgPool | ops.AvgPoolGrad
Maximum = ops.MaxPool | ops.MaxPoolIndices | ops.MaxPoolGrad


def _grid(op: Average | Maximum, sizes: Shape, counts: Shape) -> WindowGrid:
    windows = op.windows
    low = tuple(a for a, _ in windows.padding)
    return WindowGrid(windows.kernel, windows.stride, windows.dilation, low, sizes, counts)


def _static(sizes: Shape) -> tuple[int, ...]:
    fixed = tuple(d for d in sizes if isinstance(d, int))
    if len(fixed) != len(sizes):
        raise Missing(f"places in planes of the symbolic sizes {sizes}")
    return fixed


# -- max -----------------------------------------------------------------------------------
def _native(s: Site, x: str, grid: WindowGrid, indices: bool = False) -> list[str]:
    dtypes = [None, int64] if indices else [None]
    return s.writer.ops(
        "MaxPool",
        (x,),
        len(dtypes),
        dtypes,
        kernel_shape=list(grid.kernel),
        strides=list(grid.stride),
        pads=grid.pads,
        dilations=list(grid.dilation),
    )


def _lowest(s: Site) -> float:
    if s.dtype.is_floating_point:
        return -math.inf
    return -(1 << (s.dtype.bits - 1)) if s.dtype.kind is Kind.INT else 0


def _by_views(s: Site, x: str, grid: WindowGrid) -> str:
    """The maximum of all taps' views: any type, NaN propagates."""
    views = grid.views(s, grid.pad(s, x, _lowest(s)))
    return s("Max", *views) if len(views) > 1 else views[0]


def _has_kernel(s: Site, grid: WindowGrid) -> bool:
    """False where the runtime has no kernel, or one that refuses or misreads the padding.

    It wants paddings shorter than the kernel without its dilation, and takes the lowest finite
    number for the maximum of a window that lies in the padding.
    """
    wide = any(p >= k for p, k in zip(grid.pads, (*grid.kernel, *grid.kernel), strict=True))
    return supports("MaxPool", s.dtype) and not wide and not any(map(_is_padding, *_axes(grid)))


def _axes(grid: WindowGrid) -> tuple[Sequence[Dim], ...]:
    return grid.kernel, grid.stride, grid.dilation, grid.low, grid.sizes, grid.counts


def _is_padding(kernel: int, stride: int, dilation: int, low: int, size: Dim, count: Dim) -> bool:
    """True if no tap of one of the windows of an axis reads an element."""
    if not isinstance(size, int) or not isinstance(count, int):
        return False
    starts = np.arange(count)[:, None] * stride - low
    taps = starts + np.arange(kernel) * dilation
    return bool(((taps < 0) | (taps >= size)).all(1).any())


def _max_pool(s: OpSite[ops.MaxPool]) -> Sequence[str]:
    (x,) = s.inputs
    grid = _grid(s.op, s.types[0].shape[2:], s.shape[2:])
    if grid.is_open:
        x, grid = grid.closed(s, x, _lowest(s))
    if not _has_kernel(s, grid):
        return [_by_views(s, x, grid)]
    if not s.dtype.is_floating_point:
        return _native(s, x, grid)
    found = _native(s, x, grid)
    return if_finite(s, x, lambda _: found, lambda b: [_by_views(b, x, grid)])


def _is_static(sizes: Shape) -> bool:
    return all(isinstance(d, int) for d in sizes)


def _lines(s: Site, grid: WindowGrid, tap: Sequence[int]) -> str:
    """The flat index in the plane that a tap reads, for each window: int64[1, 1, *counts]."""
    rows = zip(tap, grid.dilation, grid.low, strict=True)
    first = [t * d - low for t, d, low in rows]
    if _is_static((*grid.counts, *grid.sizes)):
        starts = zip(first, _static(grid.counts), grid.stride, strict=True)
        return _flat(s, grid, [np.arange(n) * st + f for f, n, st in starts])
    return _flat_of(s, grid, [_line(s, grid, axis, f) for axis, f in enumerate(first)])


def _first_inside(s: Site, grid: WindowGrid) -> str:
    """The first element of each window that is no padding: int64[1, 1, *counts]."""
    if not _is_static((*grid.counts, *grid.sizes)):
        return _flat_of(s, grid, [_first_of(s, grid, axis) for axis in range(len(grid.low))])
    counts, sizes = _static(grid.counts), _static(grid.sizes)
    lines = []
    for low, dilation, count, stride, size in zip(
        grid.low, grid.dilation, counts, grid.stride, sizes, strict=True
    ):
        start = np.arange(count) * stride - low
        lines.append(np.minimum(start - np.minimum(start, 0) // dilation * dilation, size - 1))
    return _flat(s, grid, lines)


def _flat(s: Site, grid: WindowGrid, lines: Sequence[Array]) -> str:
    flat: Array = np.zeros((1,) * len(lines), np.int64)
    for size, line in zip(_static(grid.sizes), np.ix_(*lines), strict=True):
        flat = flat * size + line
    return s.writer.constant(flat[None, None])


def _line(s: Site, grid: WindowGrid, axis: int, first: int) -> str:
    """Where a tap of each window of an axis is: int64[count]."""
    count = s.reshape(s.writer.dim(grid.counts[axis]), ())
    order = s("Range", s.number(0, int64), count, s.number(1, int64), dtype=int64)
    return s("Add", s("Mul", order, s.ints(grid.stride[axis])), s.ints(first))


def _first_of(s: Site, grid: WindowGrid, axis: int) -> str:
    """Where the first tap of each window of an axis is that reads no padding: int64[count]."""
    start, step = _line(s, grid, axis, -grid.low[axis]), grid.dilation[axis]
    outside = s("Max", s("Neg", start), s.ints(0))
    moved = s("Mul", s("Div", s("Add", outside, s.ints(step - 1)), s.ints(step)), s.ints(step))
    last = s("Sub", s.writer.dim(grid.sizes[axis]), s.ints(1))
    return s("Min", s("Add", start, moved), last)


def _flat_of(s: Site, grid: WindowGrid, lines: Sequence[str]) -> str:
    rank, flat = len(lines), ""
    for axis, (size, line) in enumerate(zip(grid.sizes, lines, strict=True)):
        beside = s("Unsqueeze", line, s.ints(*(a for a in range(rank + 2) if a != axis + 2)))
        flat = s("Add", s("Mul", flat, s.writer.dim(size)), beside) if flat else beside
    return flat


def _places(s: Site, x: str, grid: WindowGrid) -> list[str]:
    """Maxima and places by comparing tap after tap, as the definition says."""
    views = grid.views(s, grid.pad(s, x, _lowest(s)))
    shape = (*s.types[0].shape[:2], *grid.counts)
    best = filled(s, _lowest(s), s.dtype, shape)
    found = s.expand(_first_inside(s, grid), shape)
    for tap, view in zip(grid.taps, views, strict=True):
        better = s("Greater", view, best)
        if s.dtype.is_floating_point:
            better = s("Or", better, s("IsNaN", view))
        best = s("Where", better, view, best)
        found = s("Where", better, _lines(s, grid, tap), found)
    return [best, found]


def _max_pool_indices(s: OpSite[ops.MaxPoolIndices]) -> Sequence[str]:
    (x,) = s.inputs
    grid = _grid(s.op, s.types[0].shape[2:], s.shape[2:])
    if grid.is_open or not s.dtype.is_floating_point or not _has_kernel(s, grid):
        return _places(s, x, grid)
    plane = s.reshape(s.writer.dim(product(grid.sizes)), ())

    def fast(b: Site) -> Sequence[str]:
        values, flat = _native(b, x, grid, True)  # counted through the whole tensor
        return values, b("Mod", flat, plane)

    return if_finite(s, x, fast, lambda b: _places(b, x, grid))


def _max_pool_grad(s: OpSite[ops.MaxPoolGrad]) -> Sequence[str]:
    x, dy = s.inputs
    grid = _grid(s.op, s.types[0].shape[2:], s.types[1].shape[2:])

    def exact(b: Site) -> Sequence[str]:
        return [_write(b, _global(b, _places(b, x, grid)[1], grid), dy)]

    if grid.is_open or not s.dtype.is_floating_point or not _has_kernel(s, grid):
        return exact(s)
    if _is_tiled(grid) and s.dtype is float32:
        found = _native(s, x, grid)[0]
        return if_finite(s, x, lambda b: [_first_of_ties(b, x, dy, found, grid)], exact)
    return if_finite(s, x, lambda b: [_write(b, _native(b, x, grid, True)[1], dy)], exact)


def _is_tiled(grid: WindowGrid) -> bool:
    """True if the windows lie side by side and their sizes are known."""
    return (
        grid.kernel == grid.stride
        and all(d == 1 for d in grid.dilation)
        and all(isinstance(d, int) for d in grid.sizes)
        and not any(grid.pads)
    )


def _enlarged(s: Site, x: str, factors: Sequence[int]) -> str:
    """Each element repeated along the spatial axes."""
    scales = s.writer.constant(np.array([1, 1, *factors], np.float32))
    return s(
        "Resize",
        x,
        "",
        scales,
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )


def _first_of_ties(s: Site, x: str, dy: str, y: str, grid: WindowGrid) -> str:
    """Windows side by side: a maximum is what equals the enlarged y.

    That is all if no window with a gradient has two maxima: then as many elements of dx as of dy
    are not zero.
    """
    covered = [k * n for k, n in zip(grid.kernel, _static(grid.counts), strict=True)]
    axes = s.ints(*range(2, 2 + len(covered)))
    whole = tuple(covered) == grid.sizes
    if not whole:
        x = s("Slice", x, s.ints(*[0] * len(covered)), s.ints(*covered), axes)
    equal = s.cast(s("Equal", x, _enlarged(s, y, grid.kernel)), float32)
    given = _enlarged(s, dy, grid.kernel)
    every = s("Mul", equal, given)
    size = s.types[1].size
    most = size if isinstance(size, int) else 1 << 24
    unique = s("Equal", _count(s, every, most), _count(s, dy, most))
    kind = s.types[0].with_shape((*s.types[0].shape[:2], *covered))
    (dx,) = branches(
        replace(s, results=(kind,)),
        unique,
        lambda _: [every],
        lambda b: [_ranked(b, equal, given, covered, grid)],
    )
    if whole:
        return dx
    rest = [int(d) - c for d, c in zip(grid.sizes, covered, strict=True)]  # type: ignore[arg-type]
    return s("Pad", dx, s.ints(*[0] * len(rest), *rest), s.number(0), axes)


def _count(s: Site, x: str, most: int) -> str:
    """How many elements are not zero, exactly if there are ``most`` at most."""
    number = float32 if most < 1 << 24 else int32  # sums of float32 run in vectors
    return s("ReduceSum", s.cast(s.cast(x, bool_), number), keepdims=0)


def _ranked(s: Site, equal: str, given: str, covered: Sequence[int], grid: WindowGrid) -> str:
    """Maxima that tie are told apart by rank in the window, the first one ranking highest.

    The winning rank is found by pooling once more: a third of what the pooling kernel that returns
    indices takes.
    """
    taps = math.prod(grid.kernel)
    window = np.arange(taps, 0, -1, dtype=np.float32).reshape(grid.kernel)
    ranks = np.tile(window, [c // k for c, k in zip(covered, grid.kernel, strict=True)])
    ranked = s("Mul", equal, s.writer.constant(ranks[None, None]))
    best = s("MaxPool", ranked, kernel_shape=list(grid.kernel), strides=list(grid.stride))
    first = s("Equal", ranked, _enlarged(s, best, grid.kernel))
    return s("Where", first, given, s.number(0))


def _global(s: Site, places: str, grid: WindowGrid) -> str:
    """Places in planes as places in the whole tensor."""
    n, c = s.types[0].shape[:2]
    plane = s.reshape(s.writer.dim(product(grid.sizes)), ())
    images = s.reshape(s.writer.dim(n * c), ())
    order = s("Range", s.number(0, int64), images, s.number(1, int64), dtype=int64)
    beside = s.reshape(order, (n, c, *(1,) * len(grid.kernel)))
    return s("Add", places, s("Mul", beside, plane))


def _write(s: Site, places: str, dy: str) -> str:
    """Zeros with dy added at flat places of the whole tensor."""
    shape = s.types[0].shape
    zeros = filled(s, 0, s.dtype, (product(shape),))
    flat = [s("Reshape", v, s.ints(-1)) for v in (places, dy)]
    return s.reshape(s("ScatterElements", zeros, *flat, axis=0, reduction="add"), shape)


# -- average -------------------------------------------------------------------------------
def _shares(s: OpSite[Average], grid: WindowGrid) -> str | float:
    """1 / divisor of each window: a number, or a constant [1, 1, *counts]."""
    if all(isinstance(d, int) for d in grid.sizes):
        divisors = s.op.divisors(_static(grid.sizes))
        if divisors.size and (divisors == divisors.flat[0]).all():
            return 1 / float(divisors.flat[0])
        return s.writer.constant((1.0 / divisors)[None, None].astype(s.dtype.numpy))
    if s.op.divisor is not None:
        return 1 / float(s.op.divisor)
    if not s.op.ceil_mode and (s.op.count_include_pad or not any(map(any, s.op.padding))):
        return 1 / math.prod(grid.kernel)
    return s("Reciprocal", _covered(s, grid))


def _covered(s: OpSite[Average], grid: WindowGrid) -> str:
    """The number of elements in each window, or of padding that counts: [1, 1, *counts]."""
    ones = s.expand(s.number(1), (1, 1, *grid.sizes))
    if s.op.count_include_pad:
        high = [b for _, b in s.op.padding]
        axes = s.ints(*range(2, 2 + len(high)))
        ones = s("Pad", ones, s.ints(*grid.low, *high), s.number(1), axes)
        rows = zip(grid.low, grid.sizes, high, strict=True)
        sizes = tuple(a + size + b for a, size, b in rows)
        grid = replace(grid, low=(0,) * len(high), sizes=sizes)
    total = ""
    for view in grid.views(s, grid.pad(s, ones)):
        total = s("Add", total, view) if total else view
    return total


def _times(s: Site, x: str, share: str | float) -> str:
    if isinstance(share, str):
        return s("Mul", x, share)
    return x if share == 1 else s("Mul", x, s.number(share))


def _avg_pool(s: OpSite[ops.AvgPool]) -> str:
    (x,) = s.inputs
    grid = _grid(s.op, s.types[0].shape[2:], s.shape[2:])
    share, taps = _shares(s, grid), math.prod(grid.kernel)
    if s.dtype is float64:
        total = ""
        for view in grid.views(s, grid.pad(s, x)):
            total = s("Add", total, view) if total else view
        return _times(s, total, share)
    if grid.is_open:
        x, grid = grid.closed(s, x)
    mean = s(
        "AveragePool",
        x,
        kernel_shape=list(grid.kernel),
        strides=list(grid.stride),
        pads=grid.pads,
        count_include_pad=1,
    )
    if isinstance(share, float):
        return _times(s, mean, share * taps)
    return s("Mul", s("Mul", mean, s.number(taps)), share)


def _avg_pool_grad(s: OpSite[ops.AvgPoolGrad]) -> str:
    (dy,) = s.inputs
    grid = _grid(s.op, s.op.size, s.types[0].shape[2:])
    dy = _times(s, dy, _shares(s, grid))
    if not grid.is_open and _is_tiled(grid) and s.dtype is float32:
        return _tiled_grad(s, dy, grid)
    channels = s.shape[1]
    if s.dtype is float64 or not isinstance(channels, int):
        lead = s.shape[:2]
        return grid.spread(s, [dy] * math.prod(grid.kernel), lead)
    ones = filled(s, 1, s.dtype, (channels, 1, *grid.kernel))
    return input_gradient(s, dy, ones, grid, channels, 1)


def _tiled_grad(s: Site, dy: str, grid: WindowGrid) -> str:
    dx = _enlarged(s, dy, grid.kernel)
    covered = [k * n for k, n in zip(grid.kernel, _static(grid.counts), strict=True)]
    rest = [int(d) - c for d, c in zip(grid.sizes, covered, strict=True)]  # type: ignore[arg-type]
    if not any(rest):
        return dx
    axes = s.ints(*range(2, 2 + len(rest)))
    return s("Pad", dx, s.ints(*[0] * len(rest), *rest), s.number(0), axes)


EMISSIONS: Emissions = {
    ops.MaxPool: Emission(_max_pool),
    ops.MaxPoolIndices: Emission(_max_pool_indices),
    ops.MaxPoolGrad: Emission(_max_pool_grad),
    ops.AvgPool: Emission(_avg_pool),
    ops.AvgPoolGrad: Emission(_avg_pool_grad),
}
