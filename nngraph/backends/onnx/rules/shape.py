"""Creation, and operators that move elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from nngraph import ops
from nngraph.backends.onnx.emission import Emission, Emissions, OpSite, Site
from nngraph.ir.dims import Dim, is_nonnegative, positive_part
from nngraph.ir.dtypes import DType, int64
from nngraph.ir.types import Shape

__all__ = ["EMISSIONS", "filled", "is_zero"]

_FIRST = -(2**63) + 1  # as the end of a slice that runs backwards: up to and with element 0


def filled(s: Site, value: float, dtype: DType, dims: Shape) -> str:
    """A tensor of one value."""
    static = [d for d in dims if isinstance(d, int)]
    if len(static) == len(dims) and math.prod(static) <= 16:
        return s.writer.constant(np.full(static, value, dtype.numpy))
    one = np.full((1,), value, dtype.numpy)
    return s("ConstantOfShape", s.writer.dims(dims), dtype=dtype, value=one)


def is_zero(s: Site, position: int) -> bool:
    """True if the operand is known to be zero everywhere."""
    producer = s.node.inputs[position].producer
    return (
        producer is not None
        and isinstance(producer.op, ops.Full)
        and producer.op.value == 0
        and not math.copysign(1, producer.op.value) < 0
    )


def _full(s: OpSite[ops.Full]) -> str:
    return filled(s, s.op.value, s.op.dtype, s.op.shape)


def _constant(s: OpSite[ops.Constant]) -> str:
    return s.writer.constant(s.op.literal.array)


def _extent(s: OpSite[ops.Extent]) -> str:
    return s.reshape(s.writer.dim(s.op.size), (), (1,))


def _iota(s: OpSite[ops.Iota]) -> str:
    op, (kind,) = s.op, s.results
    length = op.shape[op.axis]
    if kind.is_static and math.prod(kind.static_shape) <= s.choices.small_constant:
        return s.writer.constant(op.eval()[0])
    limit = s.reshape(s.writer.dim(length), ())
    line = s("Range", s.number(0, int64), limit, s.number(1, int64), dtype=int64)
    column = [length if a == op.axis else 1 for a in range(len(op.shape))]
    return s.expand(s.reshape(s.cast(line, op.dtype), tuple(column), (length,)), op.shape)


def _reshape(s: Site) -> str:
    return s.reshape(s.inputs[0], s.shape, s.types[0].shape)


def _broadcast(s: Site) -> str:
    return s.expand(s.inputs[0], s.shape)


def _slice_axes(s: Site, x: str, rows: Sequence[tuple[int, Dim, Dim, int]]) -> str:
    """Slices some axes; a row is (axis, start, size, step)."""
    if not rows:
        return x
    ends = [_end(*row[1:]) for row in rows]
    starts = tuple(r[1] for r in rows)
    axes, steps = s.ints(*(r[0] for r in rows)), s.ints(*(r[3] for r in rows))
    return s("Slice", x, s.writer.dims(starts), s.writer.dims(tuple(ends)), axes, steps)


def _end(start: Dim, size: Dim, step: int) -> Dim:
    """Where a slice ends, so that ONNX does not count a negative end from behind."""
    end = start + size * step
    if step > 0 or is_nonnegative(end):
        return end
    if isinstance(end, int):
        return _FIRST
    is_before = positive_part(-end) - positive_part(-end - 1)  # 1 below 0, from there on 0
    return end + _FIRST * is_before


def _partial(s: OpSite[ops.Slice | ops.SliceUpdate]) -> list[tuple[int, Dim, Dim, int]]:
    """(axis, start, size, step) of each axis that is not taken whole."""
    rows = zip(s.op.starts, s.op.sizes, s.op.steps, s.types[0].shape, strict=True)
    return [
        (axis, start, size, step)
        for axis, (start, size, step, extent) in enumerate(rows)
        if not (start == 0 and step == 1 and size == extent)
    ]


def _slice(s: OpSite[ops.Slice]) -> str:
    return _slice_axes(s, s.inputs[0], _partial(s))


def _slice_update(s: OpSite[ops.SliceUpdate]) -> str:
    x, update = s.inputs
    rows = _partial(s)
    if 0 in s.op.sizes:
        return x
    if is_zero(s, 0) and all(step == 1 for *_, step in rows):
        return _pad_zeros(s, update, rows)
    return _update(s, x, update, rows, s.shape)


def _pad_zeros(s: Site, update: str, rows: Sequence[tuple[int, Dim, Dim, int]]) -> str:
    if not rows:
        return update
    pads: list[Dim] = [0] * (2 * len(s.shape))
    for axis, start, size, _ in rows:
        pads[axis], pads[axis + len(s.shape)] = start, s.shape[axis] - start - size
    return s("Pad", update, s.writer.dims(tuple(pads)), s.number(0, s.types[1].dtype))


def _update(
    s: Site, x: str, update: str, rows: Sequence[tuple[int, Dim, Dim, int]], shape: Shape
) -> str:
    """Replaces the slice axis by axis: the innermost region first, then what surrounds it.

    ``shape`` is that of ``x``.
    """
    if not rows:
        return update
    (axis, start, size, step), *inner = rows
    extent, part = shape[axis], (*shape[:axis], size, *shape[axis + 1 :])
    if inner:
        update = _update(s, _slice_axes(s, x, rows[:1]), update, inner, part)
    if step != 1 and all(isinstance(d, int) for d in (start, size, extent)):
        return _interleave(s, x, update, axis, (start, size, step, extent))
    if step != 1:
        places = _places(s, start, size, step)
        column = s.reshape(places, tuple(size if a == axis else 1 for a in range(len(shape))))
        return s("ScatterElements", x, s.expand(column, part), update, axis=axis)
    parts = [update]
    if start != 0:
        parts.insert(0, _slice_axes(s, x, [(axis, 0, start, 1)]))
    if start + size != extent:
        parts.append(_slice_axes(s, x, [(axis, start + size, extent - start - size, 1)]))
    return s("Concat", *parts, axis=axis) if len(parts) > 1 else update


def _interleave(s: Site, x: str, update: str, axis: int, row: tuple[Dim, Dim, int, Dim]) -> str:
    """Elements of x and of the update, picked from both side by side."""
    start, size, step, extent = (cast("int", d) for d in row)
    order = np.arange(extent)
    order[start + step * np.arange(size)] = extent + np.arange(size)
    return s("Gather", s("Concat", x, update, axis=axis), s.ints(*order), axis=axis)


def _places(s: Site, start: Dim, size: Dim, step: int) -> str:
    """Where the elements of a slice over symbolic sizes are, counted when the graph runs."""
    ends = (s.reshape(s.writer.dim(d), (), (1,)) for d in (start, start + size * step))
    return s("Range", *ends, s.number(step, int64), dtype=int64)


def _pad(s: OpSite[ops.Pad]) -> str:
    op, (x,) = s.op, s.inputs
    if not any(pair != (0, 0) for pair in op.pads):
        return x
    # All axes: the runtime moves transposes across a Pad as if it had no list of axes.
    pads = s.ints(*(pair[0] for pair in op.pads), *(pair[1] for pair in op.pads))
    if op.mode == "constant":
        return s("Pad", x, pads, s.number(op.value))
    mode = {"circular": "wrap"}.get(op.mode, op.mode)
    return s("Pad", x, pads, mode=mode)


def _concat(s: OpSite[ops.Concat]) -> str:
    return s("Concat", *s.inputs, axis=s.op.axis)


def _split(s: OpSite[ops.Split]) -> Sequence[str]:
    sizes = s.writer.dims(s.op.sizes)
    return s.writer.ops("Split", (s.inputs[0], sizes), len(s.op.sizes), axis=s.op.axis)


def _flip(s: OpSite[ops.Flip]) -> str:
    if not s.op.axes:
        return s.inputs[0]
    count = len(s.op.axes)
    backwards = s.ints(*[-1] * count)
    ends = s.ints(*[_FIRST] * count)
    return s("Slice", s.inputs[0], backwards, ends, s.ints(*s.op.axes), backwards)


def _tile(s: OpSite[ops.Tile]) -> str:
    if not s.op.repeats:
        return s.inputs[0]
    return s("Tile", s.inputs[0], s.ints(*s.op.repeats))


def _transpose(s: OpSite[ops.Transpose]) -> str:
    if s.op.perm == tuple(range(len(s.op.perm))):
        return s.inputs[0]
    return s("Transpose", s.inputs[0], perm=list(s.op.perm))


EMISSIONS: Emissions = {
    ops.Full: Emission(_full, native=True),
    ops.Constant: Emission(_constant, native=True),
    ops.Extent: Emission(_extent, native=True),
    ops.Iota: Emission(_iota, native=True),
    ops.Reshape: Emission(_reshape, native=True),
    ops.BroadcastTo: Emission(_broadcast, native=True),
    ops.Transpose: Emission(_transpose, native=True),
    ops.Slice: Emission(_slice, native=True),
    ops.SliceUpdate: Emission(_slice_update, native=True),
    ops.Pad: Emission(_pad, native=True),
    ops.Concat: Emission(_concat, native=True),
    ops.Split: Emission(_split, native=True),
    ops.Flip: Emission(_flip, native=True),
    ops.Tile: Emission(_tile, native=True),
}
