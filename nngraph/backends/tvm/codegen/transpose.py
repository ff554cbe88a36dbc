"""Transposes: element by element of the result, or by tiles."""

from __future__ import annotations

import math

from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm.codegen.common import unflatten
from nngraph.backends.tvm.codegen.paint import Element, paint
from nngraph.backends.tvm.loops.base import Buffer, Expr, Loops, PrimFunc
from nngraph.backends.tvm.specs import TransposeSpec
from nngraph.backends.tvm.tiles import MoveTile

__all__ = ["build_transpose"]


def build_transpose(spec: TransposeSpec, tile: MoveTile, loops: Loops) -> PrimFunc:
    """Parameters: x, out. Tiles of one element go along the result's rows."""
    with loops.kernel("transpose") as k:
        x = k.argument("in0", spec.shape or (1,), spec.dtype)
        out = k.argument("out0", spec.out_shape or (1,), spec.dtype)

        def source(index: list[Expr]) -> Expr:
            back: list[Expr] = [0] * len(spec.shape)
            for place, axis in enumerate(spec.perm):
                back[axis] = index[place]
            return x[tuple(back) if back else 0]

        if tile.vector == 1:
            paint(loops, out, spec.out_shape, source)
        else:
            _tiles(spec, tile, loops, source, out)
    return k.finish()


def _tiles(spec: TransposeSpec, tile: MoveTile, loops: Loops, source: Element, out: Buffer) -> None:
    """Tiles that the cache holds: vectors along the axis that is contiguous in the source."""
    shape, walked = spec.out_shape, spec.walked
    rest = [n for a, n in enumerate(shape[:-1]) if a != walked]
    blocks = [*rest, shape[walked] // tile.vector, shape[-1] // tile.strip]
    with loops.tasks(math.prod(blocks), math.prod(shape)) as task:
        *others, row, column = unflatten(task, blocks)
        with T.serial(0, tile.strip) as j, loops.lanes(tile.vector) as i:
            index = list(others)
            index.insert(walked, row * tile.vector + i)
            index.append(column * tile.strip + j)
            T.buffer_store(out, source(index), index)
