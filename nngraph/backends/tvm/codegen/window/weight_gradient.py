"""The weight gradient of a convolution: dw[o, c, t] = sum over images and positions q of
dy[n, o, q] * plane[n][c][q + offset[t]].

Two register tiles: output channels in lanes; or (depthwise) positions in lanes, with the sum over
lanes at the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm import data
from nngraph.backends.tvm.codegen.common import cast, clear, const, multiply_add, unflatten, when
from nngraph.backends.tvm.codegen.window.planes import (
    clear_planes,
    copy_plane,
    number_table,
    plane_buffer_size,
    position_table,
)
from nngraph.backends.tvm.codegen.window.taps import forward_plan
from nngraph.backends.tvm.loops.base import Buffer, Expr, Kernel, Loops, PrimFunc
from nngraph.backends.tvm.specs import ConvSpec, ConvWeightGradient, accumulator
from nngraph.backends.tvm.tiles import ChannelWeightTile, PositionWeightTile, cdiv


def build_channel_lanes(
    spec: ConvWeightGradient, tile: ChannelWeightTile, loops: Loops
) -> PrimFunc:
    """Parameters: x, dy, dweight; flat. Sums have a fixed order."""
    return _ChannelLanes(spec.conv, tile, loops).build()


def build_position_lanes(
    spec: ConvWeightGradient, tile: PositionWeightTile, loops: Loops
) -> PrimFunc:
    """Parameters: x, dy, dweight; flat. Sums have a fixed order."""
    return _PositionLanes(spec.conv, tile, loops).build()


@dataclass
class _Arguments:
    x: Buffer
    dy: Buffer
    dw: Buffer

    @classmethod
    def declare(cls, k: Kernel, spec: ConvSpec) -> _Arguments:
        shapes = {"x": spec.x_shape, "dy": spec.y_shape, "dw": spec.weight_shape}
        buffers = {n: k.argument(n, (math.prod(s),), spec.dtype) for n, s in shapes.items()}
        return cls(**buffers)


class _ChannelLanes:
    """Rows of a tile are (channel, tap) pairs, scalars of x; its lanes are output channels."""

    def __init__(self, spec: ConvSpec, tile: ChannelWeightTile, loops: Loops) -> None:
        self.spec, self.plan, self.loops = spec, forward_plan(spec), loops
        self.width, self.rows, self.together = tile.width, tile.rows, tile.together
        self.per = tile.per
        self.acc = accumulator(spec.dtype)
        self.outs = spec.out_channels // spec.groups
        self.channels = spec.channels // spec.groups
        self.blocks = cdiv(self.outs, self.width)
        self.taps = len(self.plan.offsets)
        self.pairs = self.channels * self.taps
        self.tiles = cdiv(self.pairs, self.rows)
        self.positions = math.prod(spec.out_size)
        self.work = spec.batch * self.positions * spec.out_channels * self.pairs

    def build(self) -> PrimFunc:
        spec = self.spec
        with self.loops.kernel("conv_weight_gradient") as k:
            self.arguments = _Arguments.declare(k, spec)
            self.offsets = number_table(self.loops, self.plan.offsets)
            self._copies()
            per = self.per
            shape = (spec.groups, self.blocks, cdiv(self.tiles, per))
            with self.loops.tasks(math.prod(shape), self.work) as task:
                group, block, part = unflatten(task, shape)
                partial = self.loops.local((per * self.rows, self.width), self.acc)
                with T.serial(0, per * self.rows) as i, self.loops.lanes(self.width) as v:
                    T.buffer_store(partial, const(0, self.acc), [i, v])
                with T.serial(0, spec.batch // self.together) as images, T.serial(0, per) as j:
                    tile = part * per + j
                    with T.If(tile < self.tiles), T.Then():
                        self._tile(partial, group, block, (images, tile, j))
                self._write(partial, group, block, part, per)
        return k.finish()

    def _copies(self) -> None:
        """Padded planes of x, and dy with output channels innermost."""
        spec, plane = self.spec, self.plan.plane_size
        channels = spec.batch * spec.channels
        self.planes = self.loops.scratch((plane_buffer_size(self.plan, channels),), self.acc)
        source = math.prod(spec.size)
        with self.loops.tasks(channels, channels * plane) as c:
            clear_planes(self.loops, self.planes, c * plane, plane, self.acc)
            x, into = (self.arguments.x, c * source), (self.planes, c * plane)
            copy_plane(self.loops, self.plan, x, into, self.acc)
        shape = (spec.batch, spec.groups, self.blocks, self.positions, self.width)
        self.dy = self.loops.scratch(shape, self.acc)
        with self.loops.tasks(math.prod(shape[:3]), math.prod(shape)) as task:
            image, group, block = unflatten(task, shape[:3])
            chunk = 16 if self.positions % 16 == 0 else 1
            with T.serial(0, self.positions // chunk) as q, T.serial(0, self.width) as i:
                out = block * self.width + i
                inside = tirx.min(out, self.outs - 1) if self.outs % self.width else out
                row = image * spec.out_channels + group * self.outs + inside
                with self.loops.lanes(chunk) as v:
                    at = q * chunk + v
                    value = cast(self.arguments.dy[row * self.positions + at], self.acc)
                    T.buffer_store(self.dy, value, [image, group, block, at, i])

    def _tile(
        self, partial: Buffer, group: Expr, block: Expr, where: tuple[Expr, Expr, Expr]
    ) -> None:
        """Adds `together` images to one tile of partial sums."""
        images, tile, slot = where
        spec, size = self.spec, self.spec.out_size
        bases = []
        for r in range(self.rows):
            pair = tile * self.rows + r
            if self.pairs % self.rows:
                pair = tirx.min(pair, self.pairs - 1)
            at = self.offsets[pair % self.taps] + pair // self.taps * self.plan.plane_size
            bases.append(T.bind(at + group * (self.channels * self.plan.plane_size)))
        sums = self.loops.registers((self.rows, self.width), self.acc)
        with T.unroll(0, self.rows) as i, self.loops.lanes(self.width) as v:
            T.buffer_store(sums, partial[slot * self.rows + i, v], [i, v])
        rows = math.prod(size[:-1])
        with T.serial(0, self.together) as n, T.serial(0, rows) as row:
            image = images * self.together + n
            index = unflatten(row, size[:-1])
            line = image * (spec.channels * self.plan.plane_size)
            for i, p in zip(index, self.plan.pitch[:-1], strict=True):
                line = line + i * p
            start = T.bind(line)
            with T.serial(0, size[-1]) as column:
                for r, base in enumerate(bases):
                    with self.loops.lanes(self.width) as v:
                        dy = self.dy[image, group, block, row * size[-1] + column, v]
                        x = self.planes[base + start + column]
                        T.buffer_store(sums, multiply_add(x, dy, sums[r, v], self.acc), [r, v])
        with T.unroll(0, self.rows) as i, self.loops.lanes(self.width) as v:
            T.buffer_store(partial, sums[i, v], [slot * self.rows + i, v])

    def _write(self, partial: Buffer, group: Expr, block: Expr, part: Expr, per: int) -> None:
        with T.serial(0, self.width) as v:
            out = block * self.width + v

            def channel() -> None:
                with T.serial(0, per * self.rows) as i:
                    pair = part * (per * self.rows) + i
                    with T.If(pair < self.pairs), T.Then():
                        at = (group * self.outs + out) * self.pairs + pair
                        value = cast(partial[i, v], self.spec.dtype)
                        T.buffer_store(self.arguments.dw, value, [at])

            when(True if self.outs % self.width == 0 else out < self.outs, channel)


class _PositionLanes:
    """One output channel and one channel at a time; a vector of sums for each tap."""

    def __init__(self, spec: ConvSpec, tile: PositionWeightTile, loops: Loops) -> None:
        self.spec, self.plan, self.loops = spec, forward_plan(spec), loops
        self.vector, self.in_registers, self.per = tile.lanes, tile.taps, tile.per
        self.acc = accumulator(spec.dtype)
        self.outs = spec.out_channels // spec.groups
        self.channels = spec.channels // spec.groups
        self.taps = len(self.plan.offsets)
        self.positions = math.prod(spec.out_size)

    def build(self) -> PrimFunc:
        spec = self.spec
        with self.loops.kernel("conv_weight_gradient") as k:
            self.arguments = _Arguments.declare(k, spec)
            self.offsets = number_table(self.loops, self.plan.offsets)
            self.table = position_table(self.loops, self.plan, self._flattened(), self.vector)
            work = spec.batch * self.positions * spec.out_channels * self.channels * self.taps
            tasks = spec.groups * cdiv(self.channels, self.per)
            with self.loops.tasks(tasks, work) as task:
                self._task(*unflatten(task, (spec.groups, cdiv(self.channels, self.per))))
        return k.finish()

    def _flattened(self) -> tuple[int, ...]:
        """Extent of the positions, whole planes as one row where rows are short.

        Positions between the rows of the output get a dy of zero.
        """
        size, pitch = self.spec.out_size, self.plan.pitch
        self.flat = size[-1] % self.vector != 0
        if not self.flat:
            return size
        last = sum((n - 1) * p for n, p in zip(size, pitch, strict=True))
        row = cdiv(last + 1, self.vector) * self.vector
        return (*(1,) * (len(size) - 1), row)

    def _task(self, group: Expr, part: Expr) -> None:
        spec, plane = self.spec, self.plan.plane_size
        size = plane_buffer_size(self.plan, self.per) + self.vector
        planes = self.loops.local((size,), self.acc)
        dy_size = self.table.count * self.vector
        dy = self.loops.local((self.outs * dy_size,), self.acc)
        partial = self.loops.local((self.outs * self.per * self.taps, self.vector), self.acc)
        clear_planes(self.loops, planes, const(0, "int32"), size, self.acc)
        clear_planes(self.loops, dy, const(0, "int32"), self.outs * dy_size, self.acc)
        rows = self.outs * self.per * self.taps
        with T.serial(0, rows) as i, self.loops.lanes(self.vector) as v:
            T.buffer_store(partial, const(0, self.acc), [i, v])
        with T.serial(0, spec.batch) as image:
            with T.serial(0, self.per) as c:
                channel = tirx.min(part * self.per + c, self.channels - 1)
                at = (image * spec.channels + group * self.channels + channel) * math.prod(
                    spec.size
                )
                x = (self.arguments.x, at)
                copy_plane(self.loops, self.plan, x, (planes, c * plane), self.acc)
            with T.serial(0, self.outs) as out:
                self._copy_dy(
                    dy, out * dy_size, image * spec.out_channels + group * self.outs + out
                )
                with T.serial(0, self.per) as c:
                    self._sum(planes, dy, partial, (out, c, dy_size))
        self._write(partial, group, part)

    def _copy_dy(self, dy: Buffer, start: Expr, channel: Expr) -> None:
        size = self.spec.out_size
        rows = math.prod(size[:-1])
        source = channel * self.positions
        pitch = self.plan.pitch if self.flat else (*_pitch(size),)
        with T.serial(0, rows) as row:
            line = start
            for i, p in zip(unflatten(row, size[:-1]), pitch[:-1], strict=True):
                line = line + i * p
            vectors = size[-1] // self.vector
            if vectors:
                with T.serial(0, vectors) as i, self.loops.lanes(self.vector) as v:
                    column = i * self.vector + v
                    value = self.arguments.dy[source + row * size[-1] + column]
                    T.buffer_store(dy, cast(value, self.acc), [line + column])
            if size[-1] % self.vector:
                with T.serial(0, size[-1] % self.vector) as i:
                    column = vectors * self.vector + i
                    value = self.arguments.dy[source + row * size[-1] + column]
                    T.buffer_store(dy, cast(value, self.acc), [line + column])

    def _sum(
        self, planes: Buffer, dy: Buffer, partial: Buffer, where: tuple[Expr, Expr, int]
    ) -> None:
        out, c, dy_size = where
        count = self.in_registers
        with T.serial(0, cdiv(self.taps, count)) as chunk:
            ragged = self.taps % count != 0

            def tap(t: int | Expr) -> Expr:
                number = chunk * count + t
                return tirx.min(number, self.taps - 1) if ragged else number

            offsets = [
                T.bind(self.offsets[tap(t)] + c * self.plan.plane_size) for t in range(count)
            ]
            first = (out * self.per + c) * self.taps
            sums = self.loops.registers((count, self.vector), self.acc)
            clear(self.loops, sums, (count, self.vector), self.acc)
            with T.serial(0, self.table.count) as segment:
                at = T.bind(self.table.plane[segment])
                for t, offset in enumerate(offsets):
                    with self.loops.lanes(self.vector) as v:
                        d = dy[out * dy_size + segment * self.vector + v]
                        x = planes[at + offset + v]
                        T.buffer_store(sums, multiply_add(x, d, sums[t, v], self.acc), [t, v])
            for t in range(count):
                with self.loops.lanes(self.vector) as v:
                    row = first + tap(t)
                    # a repeated last tap adds nothing
                    new = chunk * count + t < self.taps if ragged else True
                    value = sums[t, v]
                    if ragged:
                        value = tirx.Select(new, value, const(0, self.acc))
                    T.buffer_store(partial, data.add(partial[row, v], value), [row, v])

    def _write(self, partial: Buffer, group: Expr, part: Expr) -> None:
        with T.serial(0, self.outs) as out, T.serial(0, self.per) as c, T.serial(0, self.taps) as t:
            channel = part * self.per + c

            def write() -> None:
                row = (out * self.per + c) * self.taps + t
                total = self.loops.sum_lanes(lambda v: partial[row, v], self.vector, self.acc)
                at = ((group * self.outs + out) * self.channels + channel) * self.taps + t
                T.buffer_store(self.arguments.dw, cast(total[0], self.spec.dtype), [at])

            exact = self.channels % self.per == 0
            when(True if exact else channel < self.channels, write)


def _pitch(size: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(size[i + 1 :]) for i in range(len(size)))
