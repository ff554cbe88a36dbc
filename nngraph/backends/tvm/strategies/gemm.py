"""Ways to compute a matrix product."""

from __future__ import annotations

import math
from typing import Any

from nngraph.backends.tvm.loops.base import Loops, PrimFunc
from nngraph.backends.tvm.machine import Device, Machine
from nngraph.backends.tvm.specs import GemmSpec, accumulator
from nngraph.backends.tvm.strategies.base import Strategy, strategy
from nngraph.backends.tvm.tiles import DotTile, PanelTile, cdiv

__all__ = ["PRODUCTS"]

_PACK = 16.5
"""Multiply-adds that moving an element into a panel takes, when B is read across its rows. With
``_DOT`` it puts the break-even at a side of 16, where timings of both kernels had put it.
"""
_DOT = 2.0
"""Time of a dot product's multiply-add: it loads an operand for each, a panel's for eight."""
_DOT_TASK = 16384
"""Multiplications of a task of dot products, at least: a few microseconds."""
_WANTED_TASKS = 8
_UNPACKED = 6
"""Tiles of rows up to which a near B is not packed: 0.8 of the time with 4 of them, 0.9 with 6, and
twice the time where B is not near (timed for inner extents of 128 to 1024).
"""
_HALF_PAGE = 2048
_ROWS = {True: 8, False: 6}
"""Of two vectors of sums each: 8 x 2 of 32 registers, 6 x 2 of 16, the others hold operands."""
_DOT_COLUMNS = {True: 4, False: 3}
"""Beside 4 rows of one vector of sums each, in 32 registers and in 16."""


def _multiply_adds(spec: GemmSpec) -> int:
    return math.prod(spec.batch) * spec.rows * spec.columns * spec.inner


@strategy(GemmSpec, device=Device.CPU)
class PanelGemm(Strategy[GemmSpec]):
    """Copies operands into panels and keeps a tile of sums in registers; fits everything."""

    def cost(self, spec: GemmSpec, machine: Machine) -> float:
        spec = spec.folded()
        moved = math.prod(spec.batch) * max(spec.rows, spec.columns) * spec.inner
        return machine.seconds(_multiply_adds(spec) + _PACK * moved, accumulator(spec.dtype))

    def tile(self, spec: GemmSpec, machine: Machine) -> PanelTile:
        spec = spec.folded()
        acc = accumulator(spec.dtype)
        vector = machine.lanes(acc)
        columns = vector if spec.columns <= vector else 2 * vector
        rows = min(spec.rows, _ROWS[machine.many_registers])
        if rows <= 2 and spec.columns >= 4 * vector:
            columns = 4 * vector  # few rows: more columns keep enough sums in flight
        block = min(8, cdiv(spec.rows, rows)) * rows
        # packing moves each element of B once, which few rows do not pay back
        plain = spec.b.column == 1 and acc == spec.dtype
        few = spec.rows <= _UNPACKED * rows and _is_near(spec, machine)
        few = few or spec.rows <= 2 * rows
        pack_b = not (plain and few and spec.columns >= columns)
        pack_a = spec.rows > 1 and (spec.a.column != 1 or acc != spec.dtype)
        # a deep panel of B would not stay in the second cache: 1024 x 32 float32 are 128 KB
        depth = 1024 if spec.inner > 2048 else max(spec.inner, 1)
        parts = _column_parts(spec, cdiv(spec.rows, block), cdiv(spec.columns, columns))
        return PanelTile(rows, columns, block, depth, pack_a, pack_b, parts)

    def build(
        self, spec: GemmSpec, machine: Machine, loops: Loops, epilogue: Any = None
    ) -> PrimFunc:
        from nngraph.backends.tvm.codegen.product.panels import build_panels

        return build_panels(spec, self.tile(spec, machine), loops, epilogue)


def _is_near(spec: GemmSpec, machine: Machine) -> bool:
    """True if B may be walked panel by panel where it is: all of it stays in the second cache, and
    neighbouring rows share a page.
    """
    width = machine.vector_bytes // machine.lanes(spec.dtype)  # bytes of an element
    size = spec.inner * spec.columns * width
    return size <= machine.l2_bytes // 2 and spec.b.row * width <= _HALF_PAGE


def _column_parts(spec: GemmSpec, blocks: int, panels: int) -> int:
    """Tasks that share the columns of a block of rows; 0 if products of the batch are tasks.

    What a whole product packs stays in its core's cache, where there are products enough.
    """
    batch = math.prod(spec.batch)
    if batch >= 4:
        return 0
    parts = 1
    while blocks * batch * parts < _WANTED_TASKS and cdiv(panels, parts * 2) >= 2:
        parts *= 2
    return parts


@strategy(GemmSpec, device=Device.CPU)
class DotGemm(Strategy[GemmSpec]):
    """Dot products of rows of A and columns of B, in place: for a few of either."""

    def fits(self, spec: GemmSpec, machine: Machine) -> str | None:
        spec = spec.folded()
        if spec.a.column != 1 or spec.b.row != 1:
            return "an operand is not contiguous along the inner extent"
        lanes = machine.lanes(accumulator(spec.dtype))
        if spec.inner < 2 * lanes:
            return f"an inner extent of {spec.inner} is less than two vectors of {lanes}"
        return None

    def cost(self, spec: GemmSpec, machine: Machine) -> float:
        return machine.seconds(_DOT * _multiply_adds(spec), accumulator(spec.dtype))

    def tile(self, spec: GemmSpec, machine: Machine) -> DotTile:
        spec = spec.folded()
        rows, columns = min(spec.rows, 4), min(spec.columns, _DOT_COLUMNS[machine.many_registers])
        wanted = cdiv(_DOT_TASK, rows * columns * spec.inner)
        per = max(1, min(cdiv(spec.columns, columns), wanted))
        return DotTile(rows, columns, machine.lanes(accumulator(spec.dtype)), per)

    def build(
        self, spec: GemmSpec, machine: Machine, loops: Loops, epilogue: Any = None
    ) -> PrimFunc:
        from nngraph.backends.tvm.codegen.product.dot import build_dot

        return build_dot(spec, self.tile(spec, machine), loops, epilogue)


PRODUCTS: tuple[Strategy[GemmSpec], ...] = (PanelGemm(), DotGemm())
