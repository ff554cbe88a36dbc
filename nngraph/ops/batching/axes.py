"""Rules of operators that name axes or sizes: all of them stand one further on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nngraph.ir.op import Op, apply
from nngraph.ops.activation import LogSoftmax, Softmax
from nngraph.ops.batching.lane import Lane, Rule
from nngraph.ops.broadcast import BroadcastTo, Reduction, Reshape
from nngraph.ops.reduce import ArgMax, ArgMin, Running, Var
from nngraph.ops.shape import Concat, Flip, Pad, Slice, SliceUpdate, Split, Strided, Tile, Transpose
from nngraph.ops.sort import Median, Sort, TopK

__all__ = ["RULES"]


def _axis(op: Any, operands: Sequence[Lane]) -> Sequence[Any]:
    return apply(replace(op, axis=op.axis + 1), *(o.whole for o in operands))


def _axes(op: Any, operands: Sequence[Lane]) -> Sequence[Any]:
    return apply(replace(op, axes=tuple(a + 1 for a in op.axes)), operands[0].inner)


def _median(op: Median, operands: Sequence[Lane]) -> Sequence[Any]:
    """It takes all axes: of a batch, its decomposition is computed."""
    return [lane.whole for lane in op.decompose(*operands)]


def _reshape(op: Reshape, operands: Sequence[Lane]) -> Sequence[Any]:
    (x,) = operands
    return apply(Reshape((x.size, *op.shape)), x.inner)


def _broadcast_to(op: BroadcastTo, operands: Sequence[Lane]) -> Sequence[Any]:
    (x,) = operands
    return apply(BroadcastTo((x.size, *op.shape)), x.padded(len(op.shape)))


def _transpose(op: Transpose, operands: Sequence[Lane]) -> Sequence[Any]:
    return apply(Transpose((0, *(a + 1 for a in op.perm))), operands[0].inner)


def _tile(op: Tile, operands: Sequence[Lane]) -> Sequence[Any]:
    return apply(Tile((1, *op.repeats)), operands[0].inner)


def _pad(op: Pad, operands: Sequence[Lane]) -> Sequence[Any]:
    return apply(replace(op, pads=((0, 0), *op.pads)), operands[0].inner)


def _slice(op: Slice, operands: Sequence[Lane]) -> Sequence[Any]:
    size = operands[0].size
    made = Slice((0, *op.starts), (size, *op.sizes), (1, *op.steps))
    return apply(made, operands[0].inner)


def _slice_update(op: SliceUpdate, operands: Sequence[Lane]) -> Sequence[Any]:
    size = operands[0].size
    made = SliceUpdate((0, *op.starts), (size, *op.sizes), (1, *op.steps))
    return apply(made, *(o.whole for o in operands))


def _strided(op: Strided, operands: Sequence[Lane]) -> Sequence[Any]:
    (x,) = operands
    through = (1, *(0,) * x.aval.rank)
    steps = (through, *((0, *step) for step in op.steps))
    return apply(Strided((x.size, *op.shape), (0, *op.starts), steps), x.inner)


RULES: dict[type[Op], Rule] = {
    ArgMax: _axis,
    ArgMin: _axis,
    BroadcastTo: _broadcast_to,
    Concat: _axis,
    Flip: _axes,
    LogSoftmax: _axis,
    Median: _median,
    Pad: _pad,
    Reduction: _axes,
    Reshape: _reshape,
    Running: _axis,
    Slice: _slice,
    SliceUpdate: _slice_update,
    Softmax: _axis,
    Sort: _axis,
    Split: _axis,
    Strided: _strided,
    Tile: _tile,
    TopK: _axis,
    Transpose: _transpose,
    Var: _axes,
}
