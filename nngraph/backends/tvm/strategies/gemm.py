"""Matrix products: packed panels and a register tile, or dot products for matrix-vector shapes.

The panel kernel copies B (and A where its rows are not contiguous or need a wider type) into
panels, zero padded at the edges, and keeps a tile of accumulators in registers: 8 x 32 float32 with
AVX-512. It reaches the speed of tuned BLAS libraries; see `benchmarks/kernels.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm.specs import GemmSpec, MatrixLayout
from nngraph.backends.tvm.strategies.common import (
    Buffer,
    Epilogue,
    Expr,
    Output,
    PrimFunc,
    accumulator,
    cast,
    cdiv,
    clear,
    const,
    kernel,
    lanes,
    local,
    multiply_add,
    parallel,
    registers,
    scratch,
    unflatten,
    when,
)
from nngraph.backends.tvm.strategies.gemv import build_dot, declare_operands, prefers_dot


def gemm(
    spec: GemmSpec, epilogue: Epilogue | None = None, *, swap_arguments: bool = False
) -> PrimFunc:
    """C = A @ B. Parameters: A, B, the epilogue's extras, C, the epilogue's further outputs.

    A, B and C are flat, of `spec.size(..)` elements. The epilogue's index is that of `spec`:
    `[*batch, row, column]`. `swap_arguments` declares B before A.
    """
    plan = spec.folded()
    restored = _restore_index(spec, plan)
    if prefers_dot(plan):
        return build_dot(plan, epilogue, restored, swap_arguments)
    return _PanelGemm(plan, epilogue, restored).build(swap_arguments)


def _restore_index(spec: GemmSpec, plan: GemmSpec) -> Callable[[list[Expr]], list[Expr]]:
    """Index in the folded product -> index in the one that was asked for."""
    folded = spec.batch[len(plan.batch) :]

    def restore(index: list[Expr]) -> list[Expr]:
        if not folded:
            return index
        *batch, row, column = index
        return [*batch, *unflatten(row // spec.rows, folded), row % spec.rows, column]

    return restore


@dataclass(frozen=True)
class _Tile:
    rows: int
    columns: int
    block: int  # rows of a task


def _choose_tile(spec: GemmSpec, acc: str) -> _Tile:
    vector = lanes(acc)
    columns = vector if spec.columns <= vector else 2 * vector
    rows = min(spec.rows, 8 if vector == 16 or acc == "float64" else 6)
    if rows <= 2 and spec.columns >= 4 * vector:
        columns = 4 * vector  # few rows: more columns keep enough sums in flight
    return _Tile(rows, columns, min(8, cdiv(spec.rows, rows)) * rows)


class _PanelGemm:
    """One product; the attributes are its plan, `build` writes the kernel."""

    def __init__(
        self, spec: GemmSpec, epilogue: Epilogue | None, restore: Callable[[list[Expr]], list[Expr]]
    ) -> None:
        self.spec, self.epilogue, self.restore = spec, epilogue, restore
        self.acc = accumulator(spec.dtype)
        self.tile = _choose_tile(spec, self.acc)
        self.batch = math.prod(spec.batch)
        self.panels = cdiv(spec.columns, self.tile.columns)
        self.row_panels = cdiv(spec.rows, self.tile.rows)
        widened = self.acc != spec.dtype
        # packing moves each element of B once, which few rows do not pay back
        self.pack_b = not (
            spec.b.column == 1
            and not widened
            and spec.rows <= 2 * self.tile.rows
            and spec.columns >= self.tile.columns
        )
        self.pack_a = spec.rows > 1 and (spec.a.column != 1 or widened)
        self.depth = self._choose_depth()
        self.depths = max(cdiv(spec.inner, self.depth), 1)
        self.work = self.batch * spec.rows * spec.columns * max(spec.inner, 1)

    def _choose_depth(self) -> int:
        """Inner extent of a pass: a panel of B stays in the second cache."""
        spec = self.spec
        more = self.epilogue is not None and self.epilogue.more_outputs
        if spec.inner <= 2048 or more or spec.out_dtype != self.acc or not self.pack_b:
            return max(spec.inner, 1)
        return 1024

    def build(self, swap_arguments: bool) -> PrimFunc:
        spec = self.spec
        with kernel("gemm") as k:
            self.a, self.b = declare_operands(k, spec, swap_arguments)
            size_c = spec.size(spec.c, (spec.rows, spec.columns))
            self.out = Output.declare(k, size_c, spec.out_dtype, self.epilogue, "C")
            if self.batch >= 4:
                self._batch_tasks()
            else:
                self._block_tasks()
        return k.finish()

    def _batch_tasks(self) -> None:
        """A task is one product of the batch: what it packs stays in its core's cache."""
        with parallel(self.batch, self.work) as batch:
            packed_a, packed_b = self._buffers(local, 1)
            self._pack(packed_a, packed_b, batch, const(0, "int32"))
            with T.serial(0, cdiv(self.spec.rows, self.tile.block)) as block:
                self._passes(packed_a, packed_b, batch, const(0, "int32"), block, 0, self.panels)

    def _block_tasks(self) -> None:
        """A task is a block of rows; few of these are split by columns too."""
        packed_a, packed_b = self._buffers(scratch, self.batch)
        for batch in range(self.batch):
            at = const(batch, "int32")
            self._pack(packed_a, packed_b, at, at, in_parallel=True)
        blocks, split = cdiv(self.spec.rows, self.tile.block), 1
        while blocks * self.batch * split < 8 and cdiv(self.panels, split * 2) >= 2:
            split *= 2
        per = cdiv(self.panels, split)
        split = cdiv(self.panels, per)
        with parallel(self.batch * blocks * split, self.work) as task:
            batch, block, part = unflatten(task, (self.batch, blocks, split))
            self._passes(packed_a, packed_b, batch, batch, block, part * per, per)

    def _buffers(
        self, allocate: Callable[[tuple[int, ...], str], Buffer], batch: int
    ) -> tuple[Buffer | None, Buffer | None]:
        inner = max(self.spec.inner, 1)
        shape_a = (batch, self.row_panels, inner, self.tile.rows)
        shape_b = (batch, self.panels, inner, self.tile.columns)
        a = allocate(shape_a, self.acc) if self.pack_a else None
        return a, allocate(shape_b, self.acc) if self.pack_b else None

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

    def _pack_panels(
        self,
        load: Callable[[Expr, Expr], Expr],
        target: tuple[Buffer, Expr, int, int, int],
        contiguous: bool,
        in_parallel: bool,
    ) -> None:
        """packed[slot, p, i, w] = load(i, p width + w), zero beyond `limit`."""
        packed, slot, panels, width, limit = target
        inner = self.spec.inner

        def whole(p: Expr) -> None:
            if contiguous or inner % 16:
                loop = T.vectorized if contiguous else T.serial
                with T.serial(0, inner) as i, loop(0, width) as w:
                    value = cast(load(i, p * width + w), self.acc)
                    T.buffer_store(packed, value, [slot, p, i, w])
                return
            with T.serial(0, inner // 16) as o, T.serial(0, width) as w, T.vectorized(0, 16) as v:
                value = cast(load(o * 16 + v, p * width + w), self.acc)
                T.buffer_store(packed, value, [slot, p, o * 16 + v, w])

        def edge(p: Expr) -> None:
            with T.serial(0, inner) as i, T.serial(0, width) as w:
                column = p * width + w
                value = cast(load(i, column), self.acc)
                value = tirx.if_then_else(column < limit, value, const(0, self.acc))
                T.buffer_store(packed, value, [slot, p, i, w])

        moved = panels * width * inner
        with parallel(panels, moved) if in_parallel else T.serial(0, panels) as p:
            full: bool | Expr = True if limit % width == 0 else p * width + width <= limit
            when(full, lambda: whole(p), lambda: edge(p))

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
                whole: bool | Expr = spec.columns % tile.columns == 0 or not self.pack_b
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
        sums = registers((tile.rows, tile.columns), dtype)
        clear(sums, (tile.rows, tile.columns), dtype)
        whole = self.depths == 1 or spec.inner % self.depth == 0
        extent = self.depth if whole else tirx.min(self.depth, spec.inner - depth * self.depth)
        if spec.inner:
            with (
                T.serial(0, extent) as step,
                T.unroll(0, tile.rows) as i,
                T.vectorized(0, tile.columns) as j,
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
            with (T.vectorized if vector else T.serial)(0, tile.columns) as j:
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
            return self.restore([*indices, row, column])

        if self.depths == 1:
            out.store(value, index, position)
            return
        buffer = out.buffers[0]
        value = tirx.Select(depth == 0, value, value + buffer[position])
        if out.epilogue:
            done = out.epilogue.apply(value, index(), out.extras)
            value = tirx.Select(depth == self.depths - 1, cast(done, self.acc), value)
        T.buffer_store(buffer, value, [position])
