"""Max and average pooling in 1, 2 and 3 dimensions, and their gradients.

Windows are read as taps of padded planes (see `taps`), vectors along the output's rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm import data
from nngraph.backends.tvm.codegen.common import cast, const, is_float, lowest, unflatten, when
from nngraph.backends.tvm.codegen.window.planes import (
    PhaseGroup,
    PositionTable,
    clear_planes,
    copy_plane,
    group_phases,
    number_table,
    plane_buffer_size,
    position_table,
)
from nngraph.backends.tvm.codegen.window.taps import (
    TapPlan,
    forward_plan,
    input_gradient_plan,
    strides,
)
from nngraph.backends.tvm.loops.base import Buffer, Expr, Loops, PrimFunc
from nngraph.backends.tvm.specs import (
    AveragePool,
    AveragePoolGradient,
    MaxPool,
    MaxPoolGradient,
    PoolSpec,
    accumulator,
)
from nngraph.backends.tvm.tiles import PlaneTile, cdiv


def max_pool(of: MaxPool, tile: PlaneTile, loops: Loops) -> PrimFunc:
    """Parameters: x (flat), y (flat), and with `indices` the flat int64 index of each maximum.

    The index is that in its plane of x. NaN is larger than every number; of equal values the first
    counts, of NaNs the last, as in PyTorch.
    """
    spec, with_indices = of.pool, of.indices
    plan = forward_plan(spec.windows)
    acc = accumulator(spec.dtype)
    outputs = math.prod(spec.out_size)
    with loops.kernel("max_pool") as k:
        x = k.argument("x", (spec.planes * math.prod(spec.size),), spec.dtype)
        y = k.argument("y", (spec.planes * outputs,), spec.dtype)
        found = k.argument("indices", (spec.planes * outputs,), "int64") if with_indices else None
        walk = _Walk.prepare(loops, plan, tile.lanes)
        tap_index = number_table(loops, _tap_index(spec)) if with_indices else None

        def plane(number: Expr, planes: Buffer) -> None:
            start = number * math.prod(spec.size)
            copy_plane(loops, plan, (x, start), (planes, const(0, "int32")), acc)

            def segment(at: Expr, place: Expr, first: Expr, taps: Expr, width: int) -> None:
                best, index = _maximum(spec, walk, planes, at, place, first, taps, tap_index)
                with _row(width, walk) as v:
                    T.buffer_store(y, cast(best[v], spec.dtype), [number * outputs + place + v])
                    if found is not None and index is not None:
                        value = tirx.Cast("int64", index[v])
                        T.buffer_store(found, value, [number * outputs + place + v])

            walk.run(segment)

        _each_plane(spec, tile, loops, plan, plane, lowest(acc))
    return k.finish()


def _tap_index(spec: PoolSpec) -> list[int]:
    """Flat offset in x of each tap from the start of its window."""
    pitch = strides(spec.size)
    result = []
    for t in range(math.prod(spec.kernel)):
        index = [t // p % n for p, n in zip(strides(spec.kernel), spec.kernel, strict=True)]
        result.append(sum(i * d * p for i, d, p in zip(index, spec.dilation, pitch, strict=True)))
    return result


def _maximum(
    spec: PoolSpec,
    walk: _Walk,
    planes: Buffer,
    at: Expr,
    place: Expr,
    first: Expr,
    taps: Expr,
    tap_index: Buffer | None,
) -> tuple[Buffer, Buffer | None]:
    """Best value of each lane, and its index in x."""
    acc = accumulator(spec.dtype)
    loops = walk.loops
    best = loops.registers((walk.lanes,), acc)
    with loops.lanes(walk.lanes) as v:
        T.buffer_store(best, lowest(acc), [v])
    index, start = None, None
    if tap_index is not None:
        index = loops.registers((walk.lanes,), "int32")
        start = _first_index(spec, walk, place, index)
    with T.serial(0, taps) as t:
        offset = T.bind(at + walk.offsets[first + t])
        step = T.bind(start + tap_index[t]) if tap_index is not None else None
        with loops.lanes(walk.lanes) as v:
            value = planes[offset + v]
            better = data.lt(best[v], value)
            if is_float(acc):
                better = tirx.any(better, data.isnan(value))
            if index is not None:
                found = step + v * spec.stride[-1]
                T.buffer_store(index, tirx.Select(better, found, index[v]), [v])
            T.buffer_store(best, tirx.Select(better, value, best[v]), [v])
    return best, index


def _first_index(spec: PoolSpec, walk: _Walk, place: Expr, index: Buffer) -> Expr:
    """Sets `index` to each window's first element inside x: that of a window of -inf only.

    Returns the flat index in x, maybe outside, at which the first lane's window starts.
    """
    pitch = strides(spec.size)
    starts = [
        T.bind(i * s - p)
        for i, s, p in zip(unflatten(place, spec.out_size), spec.stride, spec.pad_low, strict=True)
    ]
    corner = T.bind(sum(s * p for s, p in zip(starts, pitch, strict=True)))
    inside = [_clip(s, d) * p for s, d, p in zip(starts, spec.dilation, pitch, strict=True)]
    row = T.bind(sum(inside[:-1], const(0, "int32")))
    with walk.loops.lanes(walk.lanes) as v:
        T.buffer_store(index, row + _clip(starts[-1] + v * spec.stride[-1], spec.dilation[-1]), [v])
    return corner


def _clip(start: Expr, dilation: int) -> Expr:
    """The least start + i dilation that is not negative."""
    before = tirx.max(-start, const(0, "int32"))
    if dilation == 1:
        return start + before
    return start + tirx.truncdiv(before + (dilation - 1), const(dilation, "int32")) * dilation


def max_pool_gradient(of: MaxPoolGradient, tile: PlaneTile, loops: Loops) -> PrimFunc:
    """Finds the maxima again. Parameters: x, dy, dx; flat. Windows may overlap."""
    spec = of.pool
    plan, acc = forward_plan(spec.windows), accumulator(spec.dtype)
    outputs, size = math.prod(spec.out_size), math.prod(spec.size)
    with loops.kernel("max_pool_input_gradient") as k:
        x = k.argument("x", (spec.planes * size,), spec.dtype)
        dy = k.argument("dy", (spec.planes * outputs,), spec.dtype)
        dx = k.argument("dx", (spec.planes * size,), spec.dtype)
        walk = _Walk.prepare(loops, plan, tile.lanes)
        tap_index = number_table(loops, _tap_index(spec))

        def plane(number: Expr, planes: Buffer) -> None:
            copy_plane(loops, plan, (x, number * size), (planes, const(0, "int32")), acc)
            found = loops.local((outputs,), "int32")

            def segment(at: Expr, place: Expr, first: Expr, taps: Expr, width: int) -> None:
                _, index = _maximum(spec, walk, planes, at, place, first, taps, tap_index)
                if index is not None:
                    with _row(width, walk) as v:
                        T.buffer_store(found, index[v], [place + v])

            walk.run(segment)
            _scatter_plane(spec, loops, number, dy, (found, const(0, "int32")), dx)

        _each_plane(spec, tile, loops, plan, plane, lowest(acc))
    return k.finish()


def _scatter_plane(
    spec: PoolSpec, loops: Loops, plane: Expr, dy: Buffer, indices: tuple[Buffer, Expr], dx: Buffer
) -> None:
    acc, widened = accumulator(spec.dtype), accumulator(spec.dtype) != spec.dtype
    outputs, size = math.prod(spec.out_size), math.prod(spec.size)
    sums = loops.local((size,), acc) if widened else dx
    start = const(0, "int32") if widened else plane * size
    clear_planes(loops, sums, start, size, acc)
    with T.serial(0, outputs) as i:
        at = T.bind(start + cast(indices[0][indices[1] + i], "int32"))
        value = cast(dy[plane * outputs + i], acc)
        T.buffer_store(sums, data.add(sums[at], value), [at])
    if widened:
        with T.serial(0, size) as i:
            T.buffer_store(dx, cast(sums[i], spec.dtype), [plane * size + i])


def average_pool(of: AveragePool, tile: PlaneTile, loops: Loops) -> PrimFunc:
    """Parameters: x (flat), y (flat)."""
    spec = of.pool
    plan, acc = forward_plan(spec.windows), accumulator(spec.dtype)
    outputs, size = math.prod(spec.out_size), math.prod(spec.size)
    with loops.kernel("average_pool") as k:
        x = k.argument("x", (spec.planes * size,), spec.dtype)
        y = k.argument("y", (spec.planes * outputs,), spec.dtype)
        scale = _scale_table(spec, tile, loops, acc)
        walk = _Walk.prepare(loops, plan, tile.lanes)

        def plane(number: Expr, planes: Buffer) -> None:
            copy_plane(loops, plan, (x, number * size), (planes, const(0, "int32")), acc)

            def segment(at: Expr, place: Expr, first: Expr, taps: Expr, width: int) -> None:
                total = _sum_taps(walk, planes, at, first, taps, acc)
                with _row(width, walk) as v:
                    value = cast(data.mul(total[v], scale[place + v]), spec.dtype)
                    T.buffer_store(y, value, [number * outputs + place + v])

            walk.run(segment)

        _each_plane(spec, tile, loops, plan, plane, const(0, acc))
    return k.finish()


def average_pool_gradient(of: AveragePoolGradient, tile: PlaneTile, loops: Loops) -> PrimFunc:
    """Parameters: dy (flat), dx (flat)."""
    spec = of.pool
    plan, acc = input_gradient_plan(spec.windows), accumulator(spec.dtype)
    outputs, size = math.prod(spec.out_size), math.prod(spec.size)
    with loops.kernel("average_pool_gradient") as k:
        dy = k.argument("dy", (spec.planes * outputs,), spec.dtype)
        dx = k.argument("dx", (spec.planes * size,), spec.dtype)
        scale = _scale_table(spec, tile, loops, acc)
        walk = _Walk.prepare(loops, plan, tile.lanes)
        step = plan.target_stride[-1]

        def plane(number: Expr, planes: Buffer) -> None:
            scaled = loops.local((outputs,), acc)
            with T.serial(0, outputs) as i:
                value = data.mul(cast(dy[number * outputs + i], acc), scale[i])
                T.buffer_store(scaled, value, [i])
            copy_plane(loops, plan, (scaled, const(0, "int32")), (planes, const(0, "int32")), acc)

            def segment(at: Expr, place: Expr, first: Expr, taps: Expr, width: int) -> None:
                total = _sum_taps(walk, planes, at, first, taps, acc)
                with _row(width, walk) as v:
                    value = cast(total[v], spec.dtype)
                    T.buffer_store(dx, value, [number * size + place + v * step])

            walk.run(segment)

        _each_plane(spec, tile, loops, plan, plane, const(0, acc))
    return k.finish()


def _sum_taps(walk: _Walk, planes: Buffer, at: Expr, first: Expr, taps: Expr, acc: str) -> Buffer:
    loops = walk.loops
    total = loops.registers((walk.lanes,), acc)
    with loops.lanes(walk.lanes) as v:
        T.buffer_store(total, const(0, acc), [v])
    with T.serial(0, taps) as t:
        offset = T.bind(at + walk.offsets[first + t])
        with loops.lanes(walk.lanes) as v:
            T.buffer_store(total, data.add(total[v], planes[offset + v]), [v])
    return total


def _scale_table(spec: PoolSpec, tile: PlaneTile, loops: Loops, acc: str) -> Buffer:
    """1 / (elements that count) of each window; a vector of slack at the end."""
    count = math.prod(spec.out_size)
    table = loops.scratch((count + tile.lanes,), acc)
    with T.serial(0, count) as i:
        elements: Expr = const(1, "int32")
        for axis, p in enumerate(unflatten(i, spec.out_size)):
            start = p * spec.stride[axis] - spec.pad_low[axis]
            end = start + spec.kernel[axis]
            if spec.count_include_pad:
                end = tirx.min(end, const(spec.size[axis] + spec.pad_high[axis], "int32"))
            else:
                end = tirx.min(end, const(spec.size[axis], "int32"))
                start = tirx.max(start, const(0, "int32"))
            elements = elements * (end - start)
        if spec.divisor is not None:
            elements = const(spec.divisor, "int32")
        T.buffer_store(table, data.div(const(1, acc), tirx.Cast(acc, elements)), [i])
    return table


def _row(width: int, walk: _Walk) -> Any:
    """Lanes of a segment that are stored."""
    extent = min(width, walk.lanes)
    return walk.loops.lanes(extent) if width >= walk.lanes else T.serial(0, extent)


Segment = Callable[[Expr, Expr, Expr, Expr, int], None]


@dataclass(frozen=True)
class _Walk:
    """All segments of a plane: calls with plane offset, target offset, tap range and row width."""

    loops: Loops
    lanes: int
    offsets: Buffer
    groups: list[tuple[PhaseGroup, PositionTable, Buffer, Buffer, Buffer]]

    @classmethod
    def prepare(cls, loops: Loops, plan: TapPlan, vector: int) -> _Walk:
        groups = []
        pitch = strides(plan.target_size)
        for group in group_phases(plan):
            starts = [sum(a * p for a, p in zip(f.start, pitch, strict=True)) for f in group.phases]
            firsts = number_table(loops, [f.first_tap for f in group.phases])
            counts = number_table(loops, [f.taps for f in group.phases])
            table = position_table(loops, plan, group.extent, vector)
            groups.append((group, table, firsts, counts, number_table(loops, starts)))
        return cls(loops, vector, number_table(loops, plan.offsets), groups)

    def run(self, segment: Segment) -> None:
        for group, table, firsts, counts, starts in self.groups:
            with T.serial(0, len(group.phases)) as f, T.serial(0, table.count) as i:
                at, place = T.bind(table.plane[i]), T.bind(table.target[i] + starts[f])
                single = len(group.phases) == 1
                taps = group.phases[0].taps if single else counts[f]
                segment(at, place, firsts[f], taps, table.width)


def _each_plane(
    spec: PoolSpec,
    tile: PlaneTile,
    loops: Loops,
    plan: TapPlan,
    body: Callable[[Expr, Buffer], None],
    padding: Expr,
) -> None:
    """A task is some planes, with one padded copy at a time."""
    per = tile.per
    acc = accumulator(spec.dtype)
    size = plane_buffer_size(plan, 1)
    work = spec.planes * (math.prod(spec.size) + math.prod(spec.out_size) * len(plan.offsets))
    with loops.tasks(cdiv(spec.planes, per), work) as task:
        planes = loops.local((size,), acc)
        clear_planes(loops, planes, const(0, "int32"), size, acc, padding)
        with T.serial(0, per) as part:
            number = task * per + part
            when(
                True if spec.planes % per == 0 else number < spec.planes,
                lambda: body(number, planes),
            )
