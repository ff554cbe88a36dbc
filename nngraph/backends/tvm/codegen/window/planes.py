"""Zero-padded copies of source channels, and the tables of positions and taps that index them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm.codegen.common import cast, const, unflatten
from nngraph.backends.tvm.codegen.window.taps import Part, Phase, TapPlan, strides
from nngraph.backends.tvm.loops.base import Buffer, Expr, Loops
from nngraph.backends.tvm.tiles import cdiv

_WIDE = 16
_MAX_STEP = 4
"""Elements apart up to which a vector is read as such."""


def plane_buffer_size(plan: TapPlan, channels: int) -> int:
    """Elements for `channels` planes, and for a vector that reads over the end of the last."""
    return cdiv(channels * plan.plane_size + _WIDE, _WIDE) * _WIDE


def clear_planes(
    loops: Loops, buffer: Buffer, start: Expr, size: int, dtype: str, value: Expr | None = None
) -> None:
    """Fills with zero, or with `value`.

    Copies leave the padding as it is, so that filling once is enough for many images.
    """
    fill = const(0, dtype) if value is None else value
    with T.serial(0, size // _WIDE) as i, loops.lanes(_WIDE) as v:
        T.buffer_store(buffer, fill, [start + i * _WIDE + v])
    if size % _WIDE:
        with T.serial(0, size % _WIDE) as i:
            T.buffer_store(buffer, fill, [start + size - size % _WIDE + i])


def copy_plane(
    loops: Loops, plan: TapPlan, source: tuple[Buffer, Expr], target: tuple[Buffer, Expr], acc: str
) -> None:
    """One channel of the source into its plane, split into parts."""
    size = math.prod(plan.plane)
    for number, part in enumerate(plan.parts):
        if all(axis.count for axis in part):
            at = target[1] + number * size
            _copy_rows(loops, plan, part, source, (target[0], at), acc, 0)


def _copy_rows(
    loops: Loops,
    plan: TapPlan,
    part: tuple[Part, ...],
    source: tuple[Buffer, Expr],
    target: tuple[Buffer, Expr],
    acc: str,
    axis: int,
) -> None:
    piece = part[axis]
    source_pitch, target_pitch = strides(plan.source_size)[axis], plan.pitch[axis]
    source_start = source[1] + piece.start * source_pitch
    target_start = target[1] + piece.first * target_pitch
    if axis < len(part) - 1:
        with T.serial(0, piece.count) as i:
            row = (source[0], source_start + i * (piece.step * source_pitch))
            into = (target[0], target_start + i * target_pitch)
            _copy_rows(loops, plan, part, row, into, acc, axis + 1)
        return

    def store(i: Expr) -> None:
        value = cast(source[0][source_start + i * piece.step], acc)
        T.buffer_store(target[0], value, [target_start + i])

    # explicit vectors: LLVM would call memcpy for every short row
    vectors = piece.count // _WIDE if piece.step <= _MAX_STEP else 0
    if vectors:
        with T.serial(0, vectors) as i, loops.lanes(_WIDE) as v:
            store(i * _WIDE + v)
    if piece.count > vectors * _WIDE:
        with T.serial(0, piece.count - vectors * _WIDE) as i:
            store(vectors * _WIDE + i)


@dataclass(frozen=True)
class PhaseGroup:
    """Phases of one extent: they share their table of positions."""

    extent: tuple[int, ...]
    phases: tuple[Phase, ...]


def group_phases(plan: TapPlan) -> list[PhaseGroup]:
    """Phases by extent, without the empty ones."""
    groups: dict[tuple[int, ...], list[Phase]] = {}
    for phase in plan.phases:
        if math.prod(phase.extent):
            groups.setdefault(phase.extent, []).append(phase)
    return [PhaseGroup(extent, tuple(phases)) for extent, phases in groups.items()]


@dataclass(frozen=True)
class PositionTable:
    """Where position i (or segment i of `lanes` positions of a row) lies in plane and target."""

    count: int
    width: int  # positions of a row
    plane: Buffer
    target: Buffer


def position_table(
    loops: Loops, plan: TapPlan, extent: tuple[int, ...], lanes: int
) -> PositionTable:
    """Fills the table, serially. The last segment of a row reaches back into the one before."""
    per_row = cdiv(extent[-1], lanes)
    count = math.prod(extent[:-1]) * per_row
    plane, target = loops.scratch((count,), "int32"), loops.scratch((count,), "int32")
    target_pitch = strides(plan.target_size)
    with T.serial(0, count) as i:
        *rows, segment = unflatten(i, (*extent[:-1], per_row))
        column = segment * lanes
        if extent[-1] % lanes and extent[-1] > lanes:
            column = tirx.min(column, extent[-1] - lanes)
        elif extent[-1] < lanes:
            column = const(0, "int32")
        index = [*rows, column]
        T.buffer_store(plane, _dot(index, plan.pitch), [i])
        steps = [s * p for s, p in zip(plan.target_stride, target_pitch, strict=True)]
        T.buffer_store(target, _dot(index, steps), [i])
    return PositionTable(count, extent[-1], plane, target)


def _dot(index: Sequence[Expr], pitch: Sequence[int]) -> Expr:
    total: Expr = const(0, "int32")
    for i, p in zip(index, pitch, strict=True):
        total = total + i * p
    return total


def number_table(loops: Loops, values: Sequence[int]) -> Buffer:
    """Constants that the kernel indexes at run time."""
    table = loops.scratch((max(len(values), 1),), "int32")
    for i, value in enumerate(values):
        T.buffer_store(table, const(value, "int32"), [i])
    return table
