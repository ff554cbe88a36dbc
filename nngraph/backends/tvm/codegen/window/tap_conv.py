"""Sums over taps: the kernel behind the forward convolution and the input gradient.

A register tile holds target channels x positions. Vectors run along the positions of a row where
rows are long, else along the channels. In small images much of the padding is read: there a tile is
one position of several images, which skips the taps that fall on padding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm.codegen.common import (
    Epilogue,
    Output,
    cast,
    clear,
    const,
    multiply_add,
    unflatten,
    when,
)
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
from nngraph.backends.tvm.codegen.window.taps import TapSum, tap_sum
from nngraph.backends.tvm.loops.base import Buffer, Expr, Loops, PrimFunc
from nngraph.backends.tvm.specs import ConvForward, ConvInputGradient, accumulator
from nngraph.backends.tvm.tiles import TapTile, cdiv


@dataclass(frozen=True)
class _Taps:
    """A list of taps, made at run time."""

    numbers: Buffer
    count: Buffer


def build_tap_conv(
    spec: ConvForward | ConvInputGradient,
    tile: TapTile,
    loops: Loops,
    epilogue: Epilogue | None = None,
) -> PrimFunc:
    """Parameters: source, weight, extras, output, further outputs; all flat but the extras.

    The epilogue's index is `[image, channel, *position]` in the output.
    """
    return _Builder(tap_sum(spec), tile, loops, epilogue).build()


class _Builder:
    def __init__(
        self, conv: TapSum, tile: TapTile, loops: Loops, epilogue: Epilogue | None
    ) -> None:
        self.conv, self.plan, self.tile = conv, conv.plan, tile
        self.loops, self.epilogue = loops, epilogue
        self.acc = accumulator(conv.dtype)
        self.taps = max(len(self.plan.offsets), 1)
        self.blocks = cdiv(conv.target_channels, self.tile.channels)
        self.target = math.prod(self.plan.target_size)
        self.source = math.prod(self.plan.source_size)
        self.images = conv.groups * conv.source_channels  # channels of an image
        taps = conv.source_channels * len(self.plan.offsets)
        positions = self.target / len(self.plan.phases)
        self.work = int(conv.batch * conv.groups * conv.target_channels * positions * taps)

    def build(self) -> PrimFunc:
        conv = self.conv
        with self.loops.kernel(conv.name) as k:
            self.x = k.argument("source", (conv.batch * self.images * self.source,), conv.dtype)
            self.w = k.argument("weight", (conv.weight_size,), conv.dtype)
            size = conv.batch * conv.groups * conv.target_channels * self.target
            self.out = Output.declare(k, size, conv.dtype, self.epilogue)
            self._tables()
            self._pack_weights()
            if self.tile.images:
                self._many_image_tasks()
            elif self.tile.per:
                self._image_tasks()
            else:
                self._block_tasks()
        return k.finish()

    def _tables(self) -> None:
        plan, step = self.plan, 1 if self.tile.channel_lanes else self.tile.lanes
        self.offsets = number_table(self.loops, plan.offsets)
        self.kernel_index = number_table(self.loops, plan.kernel_index)
        if self.tile.images:
            axes = range(len(plan.target_size))
            self.inside = [
                tuple(
                    number_table(self.loops, [tap[a][end] for tap in plan.inside]) for end in (0, 1)
                )
                for a in axes
            ]
        self.groups: list[tuple[PhaseGroup, PositionTable, Buffer, Buffer, Buffer]] = []
        for group in group_phases(plan):
            pitch = [math.prod(plan.target_size[i + 1 :]) for i in range(len(plan.target_size))]
            starts = [sum(a * p for a, p in zip(f.start, pitch, strict=True)) for f in group.phases]
            tables = (
                number_table(self.loops, [f.first_tap for f in group.phases]),
                number_table(self.loops, [f.taps for f in group.phases]),
                number_table(self.loops, starts),
            )
            self.groups.append(
                (group, position_table(self.loops, plan, group.extent, step), *tables)
            )

    def _pack_weights(self) -> None:
        """packed[group, block, source channel and tap, lane], zero beyond the last channel."""
        conv, width = self.conv, self.tile.channels
        depth = conv.source_channels * self.taps
        shape = (conv.groups, self.blocks, depth, width)
        self.packed = self.loops.scratch(shape, self.acc)
        moved = math.prod(shape)
        if not self.plan.offsets:
            return
        # a weight that is contiguous in channel and tap is read as vectors
        plain = self.plan.kernel_index == tuple(range(self.taps)) and self._contiguous()
        chunk = 16 if plain and depth % 16 == 0 else 1
        with (
            self.loops.tasks(conv.groups * self.blocks, moved) as task,
            T.serial(0, depth // chunk) as step,
            T.serial(0, width) as i,
            self.loops.lanes(chunk) as v,
        ):
            group, block = task // self.blocks, task % self.blocks
            channel = block * width + i
            ragged = conv.target_channels % width != 0
            inside = tirx.min(channel, conv.target_channels - 1) if ragged else channel
            at = step * chunk + v
            if chunk > 1:
                source = conv.weight_index(group, inside, const(0, "int32"), const(0, "int32")) + at
            else:
                tap = self.kernel_index[at % self.taps]
                source = conv.weight_index(group, inside, at // self.taps, tap)
            value = cast(self.w[source], self.acc)
            if ragged:
                value = tirx.Select(channel < conv.target_channels, value, const(0, self.acc))
            T.buffer_store(self.packed, value, [group, block, at, i])

    def _contiguous(self) -> bool:
        """Whether channel and tap of a target channel lie one after the other in the weight."""
        index, taps = self.conv.weight_index, self.taps
        return all(
            index(0, 0, at // taps, at % taps) == at
            for at in range(self.conv.source_channels * taps)
        )

    def _image_tasks(self) -> None:
        """A task is a few images; its planes hold one group's channels and stay in the cache."""
        conv, per = self.conv, self.tile.per
        size = plane_buffer_size(self.plan, conv.source_channels)
        with self.loops.tasks(cdiv(conv.batch, per), self.work) as task:
            planes = self.loops.local((size,), self.acc)
            clear_planes(self.loops, planes, const(0, "int32"), size, self.acc)
            with T.serial(0, per) as part:
                image = task * per + part

                def one() -> None:
                    with T.serial(0, conv.groups) as group:
                        with T.serial(0, conv.source_channels) as c:
                            channel = image * self.images + group * conv.source_channels + c
                            start = c * self.plan.plane_size
                            self._copy(channel, planes, start)
                        with T.serial(0, self.blocks) as block:
                            self._block(image, group, block, planes, const(0, "int32"))

                when(True if conv.batch % per == 0 else image < conv.batch, one)

    def _many_image_tasks(self) -> None:
        """A task is as many images as a tile has, and some blocks of target channels."""
        conv, size = self.conv, self._image_pitch()
        images, per = self.tile.positions, self.tile.per
        parts = cdiv(conv.batch, images)
        shape = (parts, conv.groups, cdiv(self.blocks, per))
        with self.loops.tasks(math.prod(shape), self.work) as task:
            part, group, first = unflatten(task, shape)
            planes = self.loops.local((images * size,), self.acc)
            clear_planes(self.loops, planes, const(0, "int32"), images * size, self.acc)
            numbers = [tirx.min(part * images + i, conv.batch - 1) for i in range(images)]
            with T.serial(0, images) as i, T.serial(0, conv.source_channels) as c:
                image = tirx.min(part * images + i, conv.batch - 1)
                channel = image * self.images + group * conv.source_channels + c
                self._copy(channel, planes, i * size + c * self.plan.plane_size)
            with T.serial(0, per) as i:
                block = first * per + i
                when(
                    True if self.blocks % per == 0 else block < self.blocks,
                    lambda: self._block_of_images(numbers, group, block, planes),
                )

    def _image_pitch(self) -> int:
        """Elements from image to image: 5 cache lines more than whole pages.

        The images of a tile are read together; a page apart they would share one set of the cache.
        """
        return cdiv(plane_buffer_size(self.plan, self.conv.source_channels), 1024) * 1024 + 80

    def _block_of_images(
        self, images: list[Expr], group: Expr, block: Expr, planes: Buffer
    ) -> None:
        size, tile, chunks = self._image_pitch(), self.tile, self.tile.chunks
        per = cdiv(self.conv.source_channels, chunks)
        for phases, table, first, taps, origin in self.groups:
            shape = (len(phases.phases), table.count, tile.positions, tile.channels)
            partial = self.loops.local(shape, self.acc) if chunks > 1 else None
            with (
                T.serial(0, chunks) as chunk,
                T.serial(0, shape[0]) as f,
                T.serial(0, shape[1]) as i,
            ):
                position = unflatten(i, phases.extent)
                useful = self._useful_taps(position, first[f], taps[f])
                plane = T.bind(table.plane[i])
                bases = [plane + p * size for p in range(tile.positions)]
                sums = self._cleared()
                if partial is not None:
                    self._take_up(sums, partial, (f, i), chunk > 0)
                channels = (chunk * per, tirx.min(per, self.conv.source_channels - chunk * per))
                self._accumulate(
                    sums, (planes, const(0, "int32"), bases), (group, block), useful, channels
                )
                place = T.bind(origin[f] + table.target[i])
                places = [(image, place) for image in images]
                self._finish(sums, partial, (f, i), chunk, (group, block, places, table.width))

    def _take_up(self, sums: Buffer, partial: Buffer, slot: tuple[Expr, Expr], later: Expr) -> None:
        """Takes up what the chunk before left; the first chunk starts from zero."""
        with (
            T.If(later),
            T.Then(),
            T.unroll(0, self.tile.positions) as p,
            self.loops.lanes(self.tile.channels) as v,
        ):
            T.buffer_store(sums, partial[*slot, p, v], [p, v])

    def _finish(
        self,
        sums: Buffer,
        partial: Buffer | None,
        slot: tuple[Expr, Expr],
        chunk: Expr,
        where: tuple[Expr, Expr, list[tuple[Expr, Expr]], int],
    ) -> None:
        """Stores the tile after the last chunk of source channels, else keeps it."""
        group, block, places, width = where

        def store() -> None:
            self._store(sums, (group, block), places, width)

        def keep() -> None:
            with T.unroll(0, self.tile.positions) as p, self.loops.lanes(self.tile.channels) as v:
                T.buffer_store(partial, sums[p, v], [*slot, p, v])

        when(True if partial is None else chunk == self.tile.chunks - 1, store, keep)

    def _useful_taps(self, position: list[Expr], first: Expr, taps: Expr) -> _Taps:
        """The taps of a phase that fall inside the source at this position."""
        useful = _Taps(self.loops.local((self.taps,), "int32"), self.loops.local((1,), "int32"))
        T.buffer_store(useful.count, const(0, "int32"), [0])
        with T.serial(0, taps) as t:
            conditions = []
            for axis, i in enumerate(position):
                low, high = self.inside[axis]
                conditions += [i >= low[first + t], i < high[first + t]]
            with T.If(tirx.all(*conditions)), T.Then():
                T.buffer_store(useful.numbers, first + t, [useful.count[0]])
                T.buffer_store(useful.count, useful.count[0] + 1, [0])
        return useful

    def _copy(self, channel: Expr, planes: Buffer, start: Expr) -> None:
        source = (self.x, channel * self.source)
        copy_plane(self.loops, self.plan, source, (planes, start), self.acc)

    def _block_tasks(self) -> None:
        """Few images: a task is a block of target channels of one of them."""
        conv, plane = self.conv, self.plan.plane_size
        channels = conv.batch * self.images
        planes = self.loops.scratch((plane_buffer_size(self.plan, channels),), self.acc)
        with self.loops.tasks(channels, channels * plane) as channel:
            clear_planes(self.loops, planes, channel * plane, plane, self.acc)
            self._copy(channel, planes, channel * plane)
        shape = (conv.batch, conv.groups, self.blocks)
        with self.loops.tasks(math.prod(shape), self.work) as task:
            image, group, block = unflatten(task, shape)
            start = (image * conv.groups + group) * (conv.source_channels * plane)
            self._block(image, group, block, planes, start)

    def _block(self, image: Expr, group: Expr, block: Expr, planes: Buffer, start: Expr) -> None:
        """All positions of one block of target channels."""
        for phases, table, first, taps, origin in self.groups:
            with T.serial(0, len(phases.phases)) as f:
                single = len(phases.phases) == 1
                first_tap = phases.phases[0].first_tap if single else first[f]
                count = phases.phases[0].taps if single else taps[f]
                tiles = cdiv(table.count, self.tile.positions)
                with T.serial(0, tiles) as tile:
                    at = [
                        self._position(tile * self.tile.positions + p, table.count)
                        for p in range(self.tile.positions)
                    ]
                    sums = self._cleared()
                    self._accumulate(
                        sums,
                        (planes, start, [table.plane[i] for i in at]),
                        (group, block),
                        (first_tap, count),
                        (const(0, "int32"), self.conv.source_channels),
                    )
                    places = [(image, origin[f] + table.target[i]) for i in at]
                    self._store(sums, (group, block), places, table.width)

    def _position(self, i: Expr, count: int) -> Expr:
        ragged = count % self.tile.positions != 0
        return tirx.min(i, count - 1) if ragged else i

    def _cleared(self) -> Buffer:
        sums = self.loops.registers(self._register_shape(), self.acc)
        clear(self.loops, sums, self._register_shape(), self.acc)
        return sums

    def _accumulate(
        self,
        sums: Buffer,
        source: tuple[Buffer, Expr, list[Expr]],
        weights: tuple[Expr, Expr],
        taps: tuple[Expr, Expr] | _Taps,
        channels: tuple[Expr, Expr],
    ) -> None:
        """Adds to a tile source channels (first, count) and taps, a range of them or a list."""
        planes, start, positions = source
        group, block = weights
        tile, acc = self.tile, self.acc
        bases = [T.bind(start + p) for p in positions]
        count = taps.count[0] if isinstance(taps, _Taps) else taps[1]
        with T.serial(0, channels[1]) as channel, T.serial(0, count) as step:
            c = channels[0] + channel
            number = taps.numbers[step] if isinstance(taps, _Taps) else taps[0] + step
            t = T.bind(number)
            at = T.bind(self.offsets[t] + c * self.plan.plane_size)
            for p, base in enumerate(bases):
                if tile.channel_lanes:
                    with self.loops.lanes(tile.channels) as v:
                        w = self.packed[group, block, c * self.taps + t, v]
                        total = multiply_add(planes[base + at], w, sums[p, v], acc)
                        T.buffer_store(sums, total, [p, v])
                    continue
                with T.unroll(0, tile.channels) as i, self.loops.lanes(tile.lanes) as v:
                    w = self.packed[group, block, c * self.taps + t, i]
                    total = multiply_add(w, planes[base + at + v], sums[i, p, v], acc)
                    T.buffer_store(sums, total, [i, p, v])

    def _register_shape(self) -> tuple[int, ...]:
        tile = self.tile
        if tile.channel_lanes:
            return (tile.positions, tile.channels)
        return (tile.channels, tile.positions, tile.lanes)

    def _store(
        self, sums: Buffer, where: tuple[Expr, Expr], places: list[tuple[Expr, Expr]], width: int
    ) -> None:
        conv, tile = self.conv, self.tile
        group, block = where
        step = self.plan.target_stride[-1]

        def put(i: Expr, store: Callable[[Expr], None]) -> None:
            channel = block * tile.channels + i
            exact = conv.target_channels % tile.channels == 0
            when(
                True if exact else channel < conv.target_channels,
                lambda: store(group * conv.target_channels + channel),
            )

        if tile.channel_lanes:

            def column(channel: Expr) -> None:
                for p, (image, place) in enumerate(places):
                    self._put(sums[p, i], image, channel, place)

            with T.serial(0, tile.channels) as i:
                put(i, column)
            return
        vector = width >= tile.lanes and step <= 4
        for i in range(tile.channels):
            for p in range(len(places)):

                def row(channel: Expr, i: int = i, p: int = p) -> None:
                    image, place = places[p]
                    with self._along(vector, min(width, tile.lanes)) as v:
                        self._put(sums[i, p, v], image, channel, place + v * step)

                put(const(i, "int32"), row)

    def _along(self, vector: bool, extent: int) -> Any:
        return self.loops.lanes(extent) if vector else T.serial(0, extent)

    def _put(self, value: Expr, image: Expr, channel: Expr, place: Expr) -> None:
        channels = self.conv.groups * self.conv.target_channels
        position = (image * channels + channel) * self.target + place

        def index() -> list[Expr]:
            return [image, channel, *unflatten(place, self.plan.target_size)]

        self.out.store(value, index, position)
