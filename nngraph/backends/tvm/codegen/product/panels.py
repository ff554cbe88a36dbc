"""Matrix products by packed panels and a register tile.

The kernel copies B (and A where its rows are not contiguous or need a wider type) into
panels, zero padded at the edges, and keeps a tile of accumulators in registers: 8 x 32 float32 with
AVX-512. It reaches the speed of tuned BLAS libraries; see `benchmarks/kernels.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm import data
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
from nngraph.backends.tvm.codegen.product.operands import asked_index, declare_operands
from nngraph.backends.tvm.loops.base import Buffer, Expr, Loops, PrimFunc
from nngraph.backends.tvm.specs import GemmSpec, MatrixLayout, accumulator
from nngraph.backends.tvm.tiles import PanelTile, cdiv

_STEPS = 32
"""Rows packed at a time: all 2048 of a product at once took twice as long; 16 to 128 the same."""


def build_panels(
    spec: GemmSpec, tile: PanelTile, loops: Loops, epilogue: Epilogue | None = None
) -> PrimFunc:
    """C = A @ B. Parameters: A, B, the epilogue's extras, C, the epilogue's further outputs.

    A, B and C are flat, of `spec.size(..)` elements. The epilogue's index is that of `spec`:
    `[*batch, row, column]`.
    """
    return _PanelGemm(spec, tile, loops, epilogue).build()


class _PanelGemm:
    """One product; `build` writes the kernel."""

    def __init__(
        self, spec: GemmSpec, tile: PanelTile, loops: Loops, epilogue: Epilogue | None
    ) -> None:
        self.asked, self.spec, self.tile = spec, spec.folded(), tile
        self.loops, self.epilogue = loops, epilogue
        spec = self.spec
        self.acc = accumulator(spec.dtype)
        self.batch = math.prod(spec.batch)
        self.panels = cdiv(spec.columns, tile.columns)
        self.row_panels = cdiv(spec.rows, tile.rows)
        self.depth = tile.depth if self._sums_may_wait() else max(spec.inner, 1)
        self.depths = max(cdiv(spec.inner, self.depth), 1)
        self.work = self.batch * spec.rows * spec.columns * max(spec.inner, 1)

    def _sums_may_wait(self) -> bool:
        """Whether partial sums can be left in C from one pass over the inner extent to the next."""
        more = self.epilogue is not None and self.epilogue.more_outputs
        return not more and self.spec.out_dtype == self.acc and self.tile.pack_b

    def build(self) -> PrimFunc:
        spec = self.spec
        with self.loops.kernel("gemm") as k:
            self.a, self.b = declare_operands(k, spec)
            size_c = spec.size(spec.c, (spec.rows, spec.columns))
            self.out = Output.declare(k, size_c, spec.out_dtype, self.epilogue, "C")
            if self.tile.parts:
                self._block_tasks()
            else:
                self._batch_tasks()
        return k.finish()

    def _batch_tasks(self) -> None:
        """A task is one product of the batch: what it packs stays in its core's cache."""
        with self.loops.tasks(self.batch, self.work) as batch:
            packed_a, packed_b = self._buffers(self.loops.local, 1)
            self._pack(packed_a, packed_b, batch, const(0, "int32"))
            with T.serial(0, cdiv(self.spec.rows, self.tile.block)) as block:
                self._passes(packed_a, packed_b, batch, const(0, "int32"), block, 0, self.panels)

    def _block_tasks(self) -> None:
        """A task is a block of rows; few of these are split by columns too."""
        packed_a, packed_b = self._buffers(self.loops.scratch, self.batch)
        for batch in range(self.batch):
            at = const(batch, "int32")
            self._pack(packed_a, packed_b, at, at, in_parallel=True)
        blocks, per = cdiv(self.spec.rows, self.tile.block), cdiv(self.panels, self.tile.parts)
        split = cdiv(self.panels, per)
        with self.loops.tasks(self.batch * blocks * split, self.work) as task:
            batch, block, part = unflatten(task, (self.batch, blocks, split))
            self._passes(packed_a, packed_b, batch, batch, block, part * per, per)

    def _buffers(
        self, allocate: Callable[[tuple[int, ...], str], Buffer], batch: int
    ) -> tuple[Buffer | None, Buffer | None]:
        inner = max(self.spec.inner, 1)
        shape_a = (batch, self.row_panels, inner, self.tile.rows)
        shape_b = (batch, self.panels, inner, self.tile.columns)
        a = allocate(shape_a, self.acc) if self.tile.pack_a else None
        return a, allocate(shape_b, self.acc) if self.tile.pack_b else None

    def _at(self, x: Buffer, layout: MatrixLayout, batch: Expr, row: Expr, column: Expr) -> Expr:
        offset = row * layout.row + column * layout.column
        for i, stride in zip(unflatten(batch, self.spec.batch), layout.batch, strict=True):
            offset = offset + i * stride
        return x[offset]

    def _pack(
        self,
        packed_a: Buffer | None,
        packed_b: Buffer | None,
        batch: Expr,
        slot: Expr,
        in_parallel: bool = False,
    ) -> None:
        spec = self.spec
        if packed_b is not None:
            self._pack_panels(
                lambda i, column: self._at(self.b, spec.b, batch, i, column),
                (packed_b, slot, self.panels, self.tile.columns, spec.columns),
                spec.b.column == 1,
                in_parallel,
            )
        if packed_a is not None:
            self._pack_panels(
                lambda i, row: self._at(self.a, spec.a, batch, row, i),
                (packed_a, slot, self.row_panels, self.tile.rows, spec.rows),
                spec.a.row == 1,
                in_parallel,
            )

    def _along(self, vector: bool, extent: int) -> Any:
        return self.loops.lanes(extent) if vector else T.serial(0, extent)

    def _pack_panels(
        self,
        load: Callable[[Expr, Expr], Expr],
        target: tuple[Buffer, Expr, int, int, int],
        contiguous: bool,
        in_parallel: bool,
    ) -> None:
        """packed[slot, p, i, w] = load(i, p width + w), zero beyond `limit`.

        Rows that a panel takes a piece of are moved some at a time, all panels of them in a row:
        so a line of memory, and a page, is met once and not once for each panel.
        """
        packed, slot, panels, width, limit = target
        inner = self.spec.inner
        steps = _STEPS if contiguous else max(inner, 1)
        blocks = cdiv(inner, steps)

        def whole(p: Expr, block: Expr, count: Expr) -> None:
            if contiguous or inner % 16:
                with T.serial(0, count) as i, self._along(contiguous, width) as w:
                    at = block * steps + i
                    value = cast(load(at, p * width + w), self.acc)
                    T.buffer_store(packed, value, [slot, p, at, w])
                return
            with T.serial(0, inner // 16) as o, T.serial(0, width) as w, self.loops.lanes(16) as v:
                value = cast(load(o * 16 + v, p * width + w), self.acc)
                T.buffer_store(packed, value, [slot, p, o * 16 + v, w])

        def edge(p: Expr, block: Expr, count: Expr) -> None:
            with T.serial(0, count) as i, T.serial(0, width) as w:
                column, at = p * width + w, block * steps + i
                value = cast(load(at, column), self.acc)
                value = tirx.if_then_else(column < limit, value, const(0, self.acc))
                T.buffer_store(packed, value, [slot, p, at, w])

        moved, tasks = panels * width * inner, blocks if contiguous else panels
        with (
            self.loops.tasks(tasks, moved) if in_parallel else T.serial(0, tasks) as task,
            T.serial(0, panels if contiguous else 1) as panel,
        ):
            p, block = (panel, task) if contiguous else (task, panel)
            count = steps if inner % steps == 0 else tirx.min(steps, inner - block * steps)
            full: bool | Expr = True if limit % width == 0 else p * width + width <= limit
            when(full, lambda: whole(p, block, count), lambda: edge(p, block, count))

    def _passes(
        self,
        packed_a: Buffer | None,
        packed_b: Buffer | None,
        batch: Expr,
        slot: Expr,
        block: Expr,
        first: Expr,
        count: int,
    ) -> None:
        """All tiles of one block of rows and `count` panels from `first`."""
        spec, tile = self.spec, self.tile
        with (
            T.serial(0, self.depths) as depth,
            T.serial(0, count) as j,
            T.serial(0, tile.block // tile.rows) as i,
        ):
            panel, row = first + j, block * tile.block + i * tile.rows

            def run(full_rows: bool, full_columns: bool) -> None:
                self._micro(
                    packed_a, packed_b, (batch, slot, row, panel, depth), full_rows, full_columns
                )

            def columns(full_rows: bool) -> None:
                whole: bool | Expr = spec.columns % tile.columns == 0 or not self.tile.pack_b
                if not whole:
                    whole = panel * tile.columns + tile.columns <= spec.columns
                when(whole, lambda: run(full_rows, True), lambda: run(full_rows, False))

            def rows() -> None:
                whole: bool | Expr = spec.rows % tile.block == 0
                if not whole:
                    whole = row + tile.rows <= spec.rows
                partial = spec.rows % tile.rows != 0
                when(
                    whole,
                    lambda: columns(True),
                    (lambda: when(row < spec.rows, lambda: columns(False))) if partial else None,
                )

            exact = isinstance(first, int) or self.panels % count == 0
            when(True if exact else panel < self.panels, rows)

    def _micro(
        self,
        packed_a: Buffer | None,
        packed_b: Buffer | None,
        where: tuple[Expr, Expr, Expr, Expr, Expr],
        full_rows: bool,
        full_columns: bool,
    ) -> None:
        """One register tile: accumulate over this pass of the inner extent, then store."""
        spec, tile, dtype = self.spec, self.tile, self.acc
        batch, slot, row, panel, depth = where
        start = panel * tile.columns
        if packed_b is None and spec.columns % tile.columns:
            # the last panel reaches back into the one before: both store the same values
            start = tirx.min(start, spec.columns - tile.columns)
        sums = self.loops.registers((tile.rows, tile.columns), dtype)
        clear(self.loops, sums, (tile.rows, tile.columns), dtype)
        whole = self.depths == 1 or spec.inner % self.depth == 0
        extent = self.depth if whole else tirx.min(self.depth, spec.inner - depth * self.depth)
        if spec.inner:
            with (
                T.serial(0, extent) as step,
                T.unroll(0, tile.rows) as i,
                self.loops.lanes(tile.columns) as j,
            ):
                at = depth * self.depth + step
                r = row + i if full_rows else tirx.min(row + i, spec.rows - 1)
                if packed_a is not None:
                    a = packed_a[slot, row // tile.rows, at, i]
                else:
                    a = cast(self._at(self.a, spec.a, batch, r, at), dtype)
                if packed_b is not None:
                    b = packed_b[slot, panel, at, j]
                else:
                    b = self._at(self.b, spec.b, batch, at, start + j)
                T.buffer_store(sums, multiply_add(a, b, sums[i, j], dtype), [i, j])
        self._store_tile(sums, (batch, row, start, depth), full_rows, full_columns)

    def _store_tile(
        self, sums: Buffer, where: tuple[Expr, Expr, Expr, Expr], full_rows: bool, full: bool
    ) -> None:
        spec, tile = self.spec, self.tile
        batch, row, start, depth = where
        vector = full and spec.c.column == 1

        def columns(i: Expr) -> None:
            with self._along(vector, tile.columns) as j:
                column = start + j
                when(
                    True if full else column < spec.columns,
                    lambda: self._store(sums[i, j], batch, row + i, column, depth),
                )

        with (T.unroll if full_rows else T.serial)(0, tile.rows) as i:
            when(True if full_rows else row + i < spec.rows, lambda: columns(i))

    def _store(self, value: Expr, batch: Expr, row: Expr, column: Expr, depth: Expr) -> None:
        layout, out = self.spec.c, self.out
        indices = unflatten(batch, self.spec.batch)
        position = row * layout.row + column * layout.column
        for i, stride in zip(indices, layout.batch, strict=True):
            position = position + i * stride

        def index() -> list[Expr]:
            return asked_index(self.asked, [*indices, row, column])

        if self.depths == 1:
            out.store(value, index, position)
            return
        buffer = out.buffers[0]
        value = tirx.Select(depth == 0, value, data.add(value, buffer[position]))
        if out.epilogue:
            done = out.epilogue.apply(value, index(), out.extras)
            value = tirx.Select(depth == self.depths - 1, cast(done, self.acc), value)
        T.buffer_store(buffer, value, [position])
