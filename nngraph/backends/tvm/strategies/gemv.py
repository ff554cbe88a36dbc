"""Products with few rows or few columns whose operands are contiguous along the inner extent."""

from __future__ import annotations

import math
from collections.abc import Callable

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm.specs import GemmSpec, MatrixLayout
from nngraph.backends.tvm.strategies.common import (
    Buffer,
    Epilogue,
    Expr,
    Kernel,
    Output,
    PrimFunc,
    accumulator,
    cast,
    cdiv,
    clear,
    const,
    kernel,
    lanes,
    multiply_add,
    parallel,
    registers,
    unflatten,
)

_NARROW = 16
_TILE = 4
_MIN_TASK = 16384
"""Multiplications of a task, at least."""


def prefers_dot(spec: GemmSpec) -> bool:
    """Whether dot products beat packed panels: a narrow side, and contiguous operands."""
    contiguous = spec.a.column == 1 and spec.b.row == 1
    wide = spec.inner >= 2 * lanes(accumulator(spec.dtype))
    return contiguous and wide and min(spec.rows, spec.columns) <= _NARROW


def declare_operands(k: Kernel, spec: GemmSpec, swapped: bool) -> tuple[Buffer, Buffer]:
    """A and B as flat arguments, in this order or in the other."""
    sizes = {
        "A": spec.size(spec.a, (spec.rows, spec.inner)),
        "B": spec.size(spec.b, (spec.inner, spec.columns)),
    }
    names = ("B", "A") if swapped else ("A", "B")
    buffers = {name: k.argument(name, (sizes[name],), spec.dtype) for name in names}
    return buffers["A"], buffers["B"]


def build_dot(
    spec: GemmSpec,
    epilogue: Epilogue | None,
    restore: Callable[[list[Expr]], list[Expr]],
    swap_arguments: bool,
) -> PrimFunc:
    """C[r, c] = sum over lanes of A[r, :] * B[:, c]; lanes run along the inner extent."""
    rows, columns = min(spec.rows, _TILE), min(spec.columns, _TILE)
    grid = (math.prod(spec.batch), cdiv(spec.rows, rows), cdiv(spec.columns, columns))
    # a task of a few microseconds at least
    per = max(1, min(grid[2], cdiv(_MIN_TASK, rows * columns * spec.inner)))
    tasks = (grid[0], grid[1], cdiv(grid[2], per))
    work = math.prod(grid) * rows * columns * spec.inner
    with kernel("gemm_dot") as k:
        a, b = declare_operands(k, spec, swap_arguments)
        size = spec.size(spec.c, (spec.rows, spec.columns))
        out = Output.declare(k, size, spec.out_dtype, epilogue, "C")
        with parallel(math.prod(tasks), work) as task, T.serial(0, per) as part:
            batch, i, j = unflatten(task, tasks)
            with T.If(j * per + part < grid[2]), T.Then():
                corner = _inside(i, rows, spec.rows), _inside(j * per + part, columns, spec.columns)
                _tile(spec, (a, b, out), batch, corner, (rows, columns), restore)
    return k.finish()


def _inside(block: Expr, width: int, extent: int) -> Expr:
    """Start of a block; the last one reaches back into the one before instead of over the end."""
    return block * width if extent % width == 0 else tirx.min(block * width, extent - width)


def _tile(
    spec: GemmSpec,
    buffers: tuple[Buffer, Buffer, Output],
    batch: Expr,
    corner: tuple[Expr, Expr],
    shape: tuple[int, int],
    restore: Callable[[list[Expr]], list[Expr]],
) -> None:
    a, b, out = buffers
    dtype = accumulator(spec.dtype)
    vector = lanes(dtype)
    (row, column), (rows, columns) = corner, shape
    indices = unflatten(batch, spec.batch)

    def offset(layout: MatrixLayout, r: Expr, c: Expr) -> Expr:
        terms = (i * s for i, s in zip(indices, layout.batch, strict=True))
        return sum(terms, r * layout.row + c * layout.column)

    sums = registers((rows, columns, vector), dtype)
    clear(sums, (rows, columns, vector), dtype)
    with (
        T.serial(0, spec.inner // vector) as step,
        T.unroll(0, rows) as i,
        T.unroll(0, columns) as j,
        T.vectorized(0, vector) as v,
    ):
        at = step * vector + v
        x = cast(a[offset(spec.a, row + i, at)], dtype)
        y = cast(b[offset(spec.b, at, column + j)], dtype)
        T.buffer_store(sums, multiply_add(x, y, sums[i, j, v], dtype), [i, j, v])
    with T.serial(0, rows) as i, T.serial(0, columns) as j:
        total = registers((1,), dtype)
        T.buffer_store(total, const(0, dtype), [0])
        with T.serial(0, vector) as v:
            T.buffer_store(total, total[0] + sums[i, j, v], [0])
        with T.serial(0, spec.inner % vector) as step:
            at = spec.inner - spec.inner % vector + step
            x = cast(a[offset(spec.a, row + i, at)], dtype)
            y = cast(b[offset(spec.b, at, column + j)], dtype)
            T.buffer_store(total, multiply_add(x, y, total[0], dtype), [0])
        r, c = row + i, column + j
        out.store(total[0], lambda: restore([*indices, r, c]), offset(spec.c, r, c))
