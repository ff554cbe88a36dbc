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
from nngraph.backends.onnx.rules.window import Plan, product
from nngraph.backends.onnx.writer import Missing
from nngraph.ir.dtypes import bool_, float32, float64, int32, int64
from nngraph.ir.op import Array
from nngraph.ir.types import Shape

__all__ = ["EMISSIONS"]


Average = ops.AvgPool | ops.AvgPoolGrad
Maximum = ops.MaxPool | ops.MaxPoolIndices | ops.MaxPoolGrad


def _plan(op: Average | Maximum, sizes: Shape, counts: Shape) -> Plan:
    windows = op.windows
    low = tuple(a for a, _ in windows.padding)
    return Plan(windows.kernel, windows.stride, windows.dilation, low, sizes, counts)


def _static(sizes: Shape) -> tuple[int, ...]:
    fixed = tuple(d for d in sizes if isinstance(d, int))
    if len(fixed) != len(sizes):
        raise Missing(f"places in planes of the symbolic sizes {sizes}")
    return fixed


# -- max -----------------------------------------------------------------------------------
def _native(s: Site, x: str, plan: Plan, indices: bool = False) -> list[str]:
    dtypes = [None, int64] if indices else [None]
    return s.writer.ops(
        "MaxPool",
        (x,),
        len(dtypes),
        dtypes,
        kernel_shape=list(plan.kernel),
        strides=list(plan.stride),
        pads=plan.pads,
        dilations=list(plan.dilation),
    )


def _lowest(s: Site) -> float:
    if s.dtype.is_floating_point:
        return -math.inf
    return -(1 << (s.dtype.bits - 1)) if s.dtype.kind == "int" else 0


def _by_views(s: Site, x: str, plan: Plan) -> str:
    """The maximum of all taps' views: any type, NaN propagates."""
    views = plan.views(s, plan.pad(s, x, _lowest(s)))
    return s("Max", *views) if len(views) > 1 else views[0]


def _max_pool(s: OpSite[ops.MaxPool]) -> Sequence[str]:
    (x,) = s.inputs
    plan = _plan(s.op, s.types[0].shape[2:], s.shape[2:])
    if not s.dtype.is_floating_point:
        if supports("MaxPool", s.dtype):
            return _native(s, x, plan)
        return [_by_views(s, x, plan)]
    found = _native(s, x, plan)
    return if_finite(s, x, lambda _: found, lambda b: [_by_views(b, x, plan)])


def _lines(plan: Plan, tap: Sequence[int]) -> Array:
    """The flat index in the plane that a tap reads, for each window."""
    flat: Array = np.zeros((1,) * len(tap), np.int64)
    starts = zip(tap, plan.dilation, plan.low, _static(plan.counts), plan.stride, strict=True)
    lines = [np.arange(n) * st + t * d - low for t, d, low, n, st in starts]
    for size, line in zip(_static(plan.sizes), np.ix_(*lines), strict=True):
        flat = flat * size + line
    return flat[None, None]


def _first_inside(plan: Plan) -> Array:
    """The first element of each window that is no padding."""
    flat: Array = np.zeros((1,) * len(plan.kernel), np.int64)
    rows = zip(plan.low, plan.dilation, _static(plan.counts), plan.stride, plan.sizes, strict=True)
    lines = []
    for low, dilation, count, stride, size in rows:
        start = np.arange(count) * stride - low
        assert isinstance(size, int)
        lines.append(np.minimum(start - np.minimum(start, 0) // dilation * dilation, size - 1))
    for size, line in zip(_static(plan.sizes), np.ix_(*lines), strict=True):
        flat = flat * size + line
    return flat[None, None]


def _places(s: Site, x: str, plan: Plan) -> list[str]:
    """Maxima and places by comparing tap after tap, as the definition says."""
    views = plan.views(s, plan.pad(s, x, _lowest(s)))
    shape = (*s.types[0].shape[:2], *plan.counts)
    best = filled(s, _lowest(s), s.dtype, shape)
    found = s.expand(s.writer.constant(_first_inside(plan)), shape)
    for tap, view in zip(plan.taps, views, strict=True):
        better = s("Greater", view, best)
        if s.dtype.is_floating_point:
            better = s("Or", better, s("IsNaN", view))
        best = s("Where", better, view, best)
        found = s("Where", better, s.writer.constant(_lines(plan, tap)), found)
    return [best, found]


def _max_pool_indices(s: OpSite[ops.MaxPoolIndices]) -> Sequence[str]:
    (x,) = s.inputs
    plan = _plan(s.op, s.types[0].shape[2:], s.shape[2:])
    if not s.dtype.is_floating_point:
        return _places(s, x, plan)
    plane = s.reshape(s.writer.dim(product(plan.sizes)), ())

    def fast(b: Site) -> Sequence[str]:
        values, flat = _native(b, x, plan, True)  # counted through the whole tensor
        return values, b("Mod", flat, plane)

    return if_finite(s, x, fast, lambda b: _places(b, x, plan))


def _max_pool_grad(s: OpSite[ops.MaxPoolGrad]) -> Sequence[str]:
    x, dy = s.inputs
    plan = _plan(s.op, s.types[0].shape[2:], s.types[1].shape[2:])

    def exact(b: Site) -> Sequence[str]:
        return [_write(b, _global(b, _places(b, x, plan)[1], plan), dy)]

    if not s.dtype.is_floating_point:
        return exact(s)
    if _is_tiled(plan) and s.dtype is float32:
        found = _native(s, x, plan)[0]
        return if_finite(s, x, lambda b: [_first_of_ties(b, x, dy, found, plan)], exact)
    return if_finite(s, x, lambda b: [_write(b, _native(b, x, plan, True)[1], dy)], exact)


def _is_tiled(plan: Plan) -> bool:
    """True if the windows lie side by side and their sizes are known."""
    return (
        plan.kernel == plan.stride
        and all(d == 1 for d in plan.dilation)
        and all(isinstance(d, int) for d in plan.sizes)
        and not any(plan.pads)
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


def _first_of_ties(s: Site, x: str, dy: str, y: str, plan: Plan) -> str:
    """Windows side by side: a maximum is what equals the enlarged y.

    That is all if no window with a gradient has two maxima: then as many elements of dx as of dy
    are not zero.
    """
    covered = [k * n for k, n in zip(plan.kernel, _static(plan.counts), strict=True)]
    axes = s.ints(*range(2, 2 + len(covered)))
    whole = tuple(covered) == plan.sizes
    if not whole:
        x = s("Slice", x, s.ints(*[0] * len(covered)), s.ints(*covered), axes)
    equal = s.cast(s("Equal", x, _enlarged(s, y, plan.kernel)), float32)
    given = _enlarged(s, dy, plan.kernel)
    every = s("Mul", equal, given)
    size = s.types[1].size
    most = size if isinstance(size, int) else 1 << 24
    unique = s("Equal", _count(s, every, most), _count(s, dy, most))
    kind = s.types[0].with_shape((*s.types[0].shape[:2], *covered))
    (dx,) = branches(
        replace(s, results=(kind,)),
        unique,
        lambda _: [every],
        lambda b: [_ranked(b, equal, given, covered, plan)],
    )
    if whole:
        return dx
    rest = [int(d) - c for d, c in zip(plan.sizes, covered, strict=True)]  # type: ignore[arg-type]
    return s("Pad", dx, s.ints(*[0] * len(rest), *rest), s.number(0), axes)


def _count(s: Site, x: str, most: int) -> str:
    """How many elements are not zero, exactly if there are ``most`` at most."""
    number = float32 if most < 1 << 24 else int32  # sums of float32 run in vectors
    return s("ReduceSum", s.cast(s.cast(x, bool_), number), keepdims=0)


def _ranked(s: Site, equal: str, given: str, covered: Sequence[int], plan: Plan) -> str:
    """Maxima that tie are told apart by rank in the window, the first one ranking highest.

    The winning rank is found by pooling once more: a third of what the pooling kernel that returns
    indices takes.
    """
    taps = math.prod(plan.kernel)
    window = np.arange(taps, 0, -1, dtype=np.float32).reshape(plan.kernel)
    ranks = np.tile(window, [c // k for c, k in zip(covered, plan.kernel, strict=True)])
    ranked = s("Mul", equal, s.writer.constant(ranks[None, None]))
    best = s("MaxPool", ranked, kernel_shape=list(plan.kernel), strides=list(plan.stride))
    first = s("Equal", ranked, _enlarged(s, best, plan.kernel))
    return s("Where", first, given, s.number(0))


def _global(s: Site, places: str, plan: Plan) -> str:
    """Places in planes as places in the whole tensor."""
    n, c = s.types[0].shape[:2]
    plane = s.reshape(s.writer.dim(product(plan.sizes)), ())
    images = s.reshape(s.writer.dim(n * c), ())
    order = s("Range", s.number(0, int64), images, s.number(1, int64), dtype=int64)
    beside = s.reshape(order, (n, c, *(1,) * len(plan.kernel)))
    return s("Add", places, s("Mul", beside, plane))


def _write(s: Site, places: str, dy: str) -> str:
    """Zeros with dy added at flat places of the whole tensor."""
    shape = s.types[0].shape
    zeros = filled(s, 0, s.dtype, (product(shape),))
    flat = [s("Reshape", v, s.ints(-1)) for v in (places, dy)]
    return s.reshape(s("ScatterElements", zeros, *flat, axis=0, reduction="add"), shape)


# -- average -------------------------------------------------------------------------------
def _shares(s: OpSite[Average], plan: Plan) -> str | float:
    """1 / divisor of each window: a number, or a constant [1, 1, *counts]."""
    if all(isinstance(d, int) for d in plan.sizes):
        divisors = s.op.divisors(_static(plan.sizes))
        if divisors.size and (divisors == divisors.flat[0]).all():
            return 1 / float(divisors.flat[0])
        return s.writer.constant((1.0 / divisors)[None, None].astype(s.dtype.numpy))
    if s.op.divisor is not None:
        return 1 / float(s.op.divisor)
    if any(plan.low) or any(b for _, b in s.op.padding):
        raise Missing("averages of padded windows over symbolic sizes")
    return 1 / math.prod(plan.kernel)


def _times(s: Site, x: str, share: str | float) -> str:
    if isinstance(share, str):
        return s("Mul", x, share)
    return x if share == 1 else s("Mul", x, s.number(share))


def _avg_pool(s: OpSite[ops.AvgPool]) -> str:
    (x,) = s.inputs
    plan = _plan(s.op, s.types[0].shape[2:], s.shape[2:])
    share, taps = _shares(s, plan), math.prod(plan.kernel)
    if s.dtype is float64:
        total = ""
        for view in plan.views(s, plan.pad(s, x)):
            total = s("Add", total, view) if total else view
        return _times(s, total, share)
    mean = s(
        "AveragePool",
        x,
        kernel_shape=list(plan.kernel),
        strides=list(plan.stride),
        pads=plan.pads,
        count_include_pad=1,
    )
    if isinstance(share, float):
        return _times(s, mean, share * taps)
    return s("Mul", s("Mul", mean, s.number(taps)), share)


def _avg_pool_grad(s: OpSite[ops.AvgPoolGrad]) -> str:
    (dy,) = s.inputs
    plan = _plan(s.op, s.op.size, s.types[0].shape[2:])
    dy = _times(s, dy, _shares(s, plan))
    if _is_tiled(plan) and s.dtype is float32:
        return _tiled_grad(s, dy, plan)
    channels = s.shape[1]
    if s.dtype is float64 or not isinstance(channels, int):
        lead = s.shape[:2]
        return plan.spread(s, [dy] * math.prod(plan.kernel), lead)
    ones = filled(s, 1, s.dtype, (channels, 1, *plan.kernel))
    return input_gradient(s, dy, ones, plan, channels, 1)


def _tiled_grad(s: Site, dy: str, plan: Plan) -> str:
    dx = _enlarged(s, dy, plan.kernel)
    covered = [k * n for k, n in zip(plan.kernel, _static(plan.counts), strict=True)]
    rest = [int(d) - c for d, c in zip(plan.sizes, covered, strict=True)]  # type: ignore[arg-type]
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
