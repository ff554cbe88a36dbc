"""Products with few rows or few columns whose operands are contiguous along the inner extent."""

from __future__ import annotations

import math

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm.codegen.common import (
    Epilogue,
    Output,
    cast,
    clear,
    multiply_add,
    unflatten,
)
from nngraph.backends.tvm.codegen.product.operands import asked_index, declare_operands
from nngraph.backends.tvm.loops.base import Expr, Loops, PrimFunc
from nngraph.backends.tvm.specs import GemmSpec, MatrixLayout, accumulator
from nngraph.backends.tvm.tiles import DotTile, cdiv


def build_dot(
    spec: GemmSpec, tile: DotTile, loops: Loops, epilogue: Epilogue | None = None
) -> PrimFunc:
    """C[r, c] = sum over lanes of A[r, :] * B[:, c]; lanes run along the inner extent.

    Parameters and the epilogue's index as of `build_panels`.
    """
    return _Dot(spec, tile, loops).build(epilogue)


class _Dot:
    def __init__(self, spec: GemmSpec, tile: DotTile, loops: Loops) -> None:
        self.asked, self.spec = spec, spec.folded()
        self.tile, self.loops = tile, loops
        self.acc = accumulator(spec.dtype)

    def build(self, epilogue: Epilogue | None) -> PrimFunc:
        spec, tile, loops = self.spec, self.tile, self.loops
        columns = cdiv(spec.columns, tile.columns)
        tasks = (math.prod(spec.batch), cdiv(spec.rows, tile.rows), cdiv(columns, tile.per))
        work = tasks[0] * tasks[1] * columns * tile.rows * tile.columns * spec.inner
        with loops.kernel("gemm_dot") as k:
            self.a, self.b = declare_operands(k, spec)
            size = spec.size(spec.c, (spec.rows, spec.columns))
            self.out = Output.declare(k, size, spec.out_dtype, epilogue, "C")
            with loops.tasks(math.prod(tasks), work) as task, T.serial(0, tile.per) as part:
                batch, i, j = unflatten(task, tasks)
                with T.If(j * tile.per + part < columns), T.Then():
                    row = _inside(i, tile.rows, spec.rows)
                    column = _inside(j * tile.per + part, tile.columns, spec.columns)
                    self._tile(unflatten(batch, spec.batch), row, column)
        return k.finish()

    def _offset(self, batch: list[Expr], layout: MatrixLayout, row: Expr, column: Expr) -> Expr:
        terms = (i * s for i, s in zip(batch, layout.batch, strict=True))
        return sum(terms, row * layout.row + column * layout.column)

    def _tile(self, batch: list[Expr], row: Expr, column: Expr) -> None:
        spec, tile, loops, acc = self.spec, self.tile, self.loops, self.acc

        def pair(r: Expr, c: Expr, at: Expr) -> tuple[Expr, Expr]:
            x = cast(self.a[self._offset(batch, spec.a, r, at)], acc)
            return x, cast(self.b[self._offset(batch, spec.b, at, c)], acc)

        shape = (tile.rows, tile.columns, tile.lanes)
        sums = loops.registers(shape, acc)
        clear(loops, sums, shape, acc)
        with (
            T.serial(0, spec.inner // tile.lanes) as step,
            T.unroll(0, tile.rows) as i,
            T.unroll(0, tile.columns) as j,
            loops.lanes(tile.lanes) as v,
        ):
            x, y = pair(row + i, column + j, step * tile.lanes + v)
            T.buffer_store(sums, multiply_add(x, y, sums[i, j, v], acc), [i, j, v])
        with T.serial(0, tile.rows) as i, T.serial(0, tile.columns) as j:
            total = loops.sum_lanes(lambda v: sums[i, j, v], tile.lanes, acc)
            with T.serial(0, spec.inner % tile.lanes) as step:
                at = spec.inner - spec.inner % tile.lanes + step
                x, y = pair(row + i, column + j, at)
                T.buffer_store(total, multiply_add(x, y, total[0], acc), [0])
            r, c = row + i, column + j
            place = self._offset(batch, spec.c, r, c)
            self.out.store(total[0], lambda: asked_index(self.asked, [*batch, r, c]), place)


def _inside(block: Expr, width: int, extent: int) -> Expr:
    """Start of a block; the last one reaches back into the one before instead of over the end."""
    return block * width if extent % width == 0 else tirx.min(block * width, extent - width)
