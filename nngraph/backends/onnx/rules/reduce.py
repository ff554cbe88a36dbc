"""Reductions, positions of extremes, running sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from nngraph import ops
from nngraph.backends.onnx.emission import Emission, Emissions, OpSite, Site
from nngraph.backends.onnx.rules.shape import filled
from nngraph.backends.onnx.rules.sums import added, averaged
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import DType, float32, float64, int64, uint64
from nngraph.ir.op import Op
from nngraph.ir.types import TensorType

__all__ = ["EMISSIONS", "from_ordered", "to_ordered"]

_SIGN = -(1 << 63)


def to_ordered(s: Site, x: str, dtype: DType) -> str:
    """uint64 as int64 of the same order (no kernel compares uint64 in a reduction)."""
    if dtype is not uint64:
        return x
    return s("BitwiseXor", s.cast(x, int64), s.number(_SIGN, int64))


def from_ordered(s: Site, x: str, dtype: DType) -> str:
    """The inverse of ``to_ordered``."""
    if dtype is not uint64:
        return x
    return s.cast(s("BitwiseXor", x, s.number(_SIGN, int64)), dtype)


def _reduce(s: OpSite[ops.Reduction], kind: str, x: str) -> str:
    """Folds the operator's axes."""
    return s(kind, x, s.ints(*s.op.axes), keepdims=int(s.op.keepdims))


def _is_empty(s: OpSite[ops.Reduction]) -> bool:
    """True if the fold is over no elements (their number is known to be 0)."""
    return any(s.types[0].shape[a] == 0 for a in s.op.axes)


def _of_one(s: OpSite[ops.Reduction]) -> str:
    """The sum of one element: it starts at 0, so that of -0.0 is 0, where the runtime copies."""
    (x,) = s.inputs
    alone = x if s.types[0].shape == s.shape else s.reshape(x, s.shape)
    return s("Add", alone, s.number(0)) if s.dtype.is_floating_point else alone


def _adds_one(s: OpSite[ops.Reduction]) -> bool:
    return all(s.types[0].shape[a] == 1 for a in s.op.axes)


def _sum(s: OpSite[ops.Reduction]) -> str:
    if _adds_one(s):
        return _of_one(s)
    if _is_empty(s):
        return filled(s, 0, s.dtype, s.shape)
    return added(s, s.inputs[0], s.types[0].shape, s.op.axes, s.op.keepdims)


def _mean(s: OpSite[ops.Reduction]) -> str:
    if _adds_one(s):
        return _of_one(s)
    if _is_empty(s):
        return filled(s, math.nan, s.dtype, s.shape)
    mean = averaged(s, s.inputs[0], s.types[0].shape, s.op.axes, s.op.keepdims)
    count = math.prod((s.types[0].shape[a] for a in s.op.axes), start=cast("Dim", 1))
    if isinstance(count, int):
        return mean
    nothing = s("Equal", s.writer.dim(count), s.ints(0))  # the runtime's mean of nothing is 0
    return s("Where", s.reshape(nothing, (), (1,)), s.number(math.nan), mean)


def _extreme(s: OpSite[ops.Reduction], kind: str) -> str:
    """The runtime's kernels skip NaN, so NaN is put back where there was one."""
    if not s.op.axes:
        return s.inputs[0]
    (x,) = s.inputs
    found = from_ordered(s, _reduce(s, kind, to_ordered(s, x, s.dtype)), s.dtype)
    if not s.dtype.is_floating_point:
        return found
    broken = _reduce(s, "ReduceMax", s("IsNaN", x))
    return s("Where", broken, s.number(math.nan), found)


def _prod(s: OpSite[ops.Reduction]) -> str:
    if not s.op.axes:
        return s.inputs[0]
    if _is_empty(s):
        return filled(s, 1, s.dtype, s.shape)
    (x,) = s.inputs  # every product rounds, in any order: they are taken in float64
    return s.cast(_reduce(s, "ReduceProd", s.cast(x, float64)), s.dtype)


def _inexact(op: Op, types: Sequence[TensorType]) -> str:
    return "" if types[0].dtype.is_floating_point else "the kernel multiplies integers as floats"


def _logical(s: OpSite[ops.Reduction], kind: str, empty: bool) -> str:
    if not s.op.axes:
        return s.inputs[0]
    if _is_empty(s):
        return filled(s, empty, s.dtype, s.shape)
    if all(isinstance(s.types[0].shape[a], int) for a in s.op.axes):
        return _reduce(s, kind, s.inputs[0])
    # The kernels refuse a fold over nothing: elements that decide are counted instead.
    deciding = s("Not", s.inputs[0]) if empty else s.inputs[0]
    count = _reduce(s, "ReduceSum", s.cast(deciding, int64))
    return s("Equal" if empty else "Greater", count, s.number(0, int64))


def _position(s: OpSite[ops.ArgMax | ops.ArgMin], kind: str) -> str:
    """The first extreme; the first NaN where there is one (the runtime's kernels skip NaN)."""
    (x,) = s.inputs
    axis, keep = s.op.axis, int(s.op.keepdims)
    found = s(kind, to_ordered(s, x, s.dtype), dtype=int64, axis=axis, keepdims=keep)
    if not s.dtype.is_floating_point:
        return found
    nan = s("IsNaN", x)
    first = s("ArgMax", nan, dtype=int64, axis=axis, keepdims=keep)
    broken = s("ReduceMax", nan, s.ints(axis), keepdims=keep)
    return s("Where", broken, first, found)


def _cumsum(s: OpSite[ops.CumSum]) -> str:
    axis = s.writer.constant(np.array(s.op.axis, np.int64))
    exclusive, reverse = int(s.op.exclusive), int(s.op.reverse)
    wide = float64 if s.dtype is float32 else s.dtype
    total = s("CumSum", s.cast(s.inputs[0], wide), axis, exclusive=exclusive, reverse=reverse)
    return s.cast(total, s.dtype)


EMISSIONS: Emissions = {
    ops.Sum: Emission(_sum),
    ops.Mean: Emission(_mean),
    ops.Max: Emission(lambda s: _extreme(s, "ReduceMax")),
    ops.Min: Emission(lambda s: _extreme(s, "ReduceMin")),
    ops.Prod: Emission(_prod, lacks=_inexact),
    ops.Any: Emission(lambda s: _logical(s, "ReduceMax", False)),
    ops.All: Emission(lambda s: _logical(s, "ReduceMin", True)),
    ops.ArgMax: Emission(lambda s: _position(s, "ArgMax")),
    ops.ArgMin: Emission(lambda s: _position(s, "ArgMin")),
    ops.CumSum: Emission(_cumsum),
}
