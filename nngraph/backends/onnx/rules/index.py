"""Reading and writing by integer indices, sorting."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nngraph import ops
from nngraph.backends.onnx.emission import Emission, Emissions, OpSite
from nngraph.backends.onnx.rules.reduce import from_ordered, to_ordered
from nngraph.backends.onnx.rules.shape import filled
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import float64, int64
from nngraph.ops.index.scattering import Scattering

__all__ = ["EMISSIONS"]


def _take(s: OpSite[ops.Take]) -> str:
    return s("Gather", *s.inputs, axis=s.op.axis)


def _scatter_slices(s: OpSite[ops.ScatterSlices]) -> str:
    """ScatterElements with the indices spread over each slice.

    Not ScatterND: its ``add`` loses updates of repeated indices when it runs on several threads.
    """
    x, indices, updates = s.inputs
    shape, axis = s.types[0].shape, s.op.axis
    count: Dim = 1
    for d in s.types[1].shape:
        count = count * d
    flat = (*shape[:axis], count, *shape[axis + 1 :])
    line = tuple(count if a == axis else 1 for a in range(len(shape)))
    spread = s.expand(s.reshape(indices, line, s.types[1].shape), flat)
    return _scatter(s, x, spread, s.reshape(updates, flat, s.types[2].shape))


def _scatter(s: OpSite[Scattering], x: str, indices: str, updates: str) -> str:
    reduction = s.op.reduction
    if reduction in ("max", "min") and s.dtype.is_floating_point:
        return _scatter_extreme(s, x, indices, updates)
    return s("ScatterElements", x, indices, updates, axis=s.op.axis, reduction=reduction)


def _scatter_extreme(s: OpSite[Scattering], x: str, indices: str, updates: str) -> str:
    """The runtime's kernel drops NaN: places that meet one are found by a scattered count."""
    plain = s("ScatterElements", x, indices, updates, axis=s.op.axis, reduction=s.op.reduction)
    nan = [s.cast(s("IsNaN", v), s.dtype) for v in (x, updates)]
    met = s("ScatterElements", nan[0], indices, nan[1], axis=s.op.axis, reduction="add")
    return s("Where", s("Greater", met, s.number(0)), s.number(math.nan), plain)


def _sort(s: OpSite[ops.Sort]) -> Sequence[str]:
    return _ordered(s, s.writer.dims((s.shape[s.op.axis],)), s.op.descending)


def _topk(s: OpSite[ops.TopK]) -> Sequence[str]:
    return _ordered(s, s.writer.dims((s.op.k,)), s.op.largest)


def _ordered(s: OpSite[ops.Sort | ops.TopK], count: str, largest: bool) -> Sequence[str]:
    """TopK by a key that ranks NaN above infinity; of equal keys the first index comes first."""
    (x,) = s.inputs
    flags = {"axis": s.op.axis, "largest": int(largest), "sorted": 1}
    if not s.dtype.is_floating_point:
        key = to_ordered(s, x, s.dtype)
        values, places = s.writer.ops("TopK", (key, count), 2, [None, int64], **flags)
        return from_ordered(s, values, s.dtype), places
    high = s.number(1.7976931348623157e308 if s.dtype is float64 else 1e39, float64)
    low = s.number(-1.7976931348623157e308 if s.dtype is float64 else -1e39, float64)
    finite = s("Clip", s.cast(x, float64), low, high)
    key = s("Where", s("IsNaN", x), s.number(math.inf, float64), finite)
    _, places = s.writer.ops("TopK", (key, count), 2, [None, int64], **flags)
    return s("GatherElements", x, places, axis=s.op.axis), places


def _gather_elements(s: OpSite[ops.GatherElements]) -> str:
    if 0 in s.types[1].shape:
        return filled(s, 0, s.dtype, s.shape)
    return s("GatherElements", *s.inputs, axis=s.op.axis)


EMISSIONS: Emissions = {
    ops.Take: Emission(_take, native=True),
    ops.ScatterSlices: Emission(_scatter_slices),
    ops.GatherElements: Emission(_gather_elements, native=True),
    ops.ScatterElements: Emission(lambda s: _scatter(s, *s.inputs)),
    ops.Sort: Emission(_sort),
    ops.TopK: Emission(_topk),
}
