"""Reading and writing parts: subscripts, gather, scatter and friends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.access import overwrite, owned, viewed
from nngraph.frontend.functional.joining import broadcast_shapes
from nngraph.frontend.functional.selected import assigned_part, selected_part
from nngraph.frontend.functional.subscript import Plan, plan_subscript
from nngraph.frontend.functional.variants import both, everywhere
from nngraph.frontend.limits import iinfo
from nngraph.frontend.promotion import (
    as_number,
    as_tensor_like,
    filler,
    is_number,
    need_alpha,
    need_fit,
)
from nngraph.frontend.tensor import Number, Operand, Tensor
from nngraph.frontend.world import world
from nngraph.ir.dtypes import bool_, uint8
from nngraph.ops.composite import wide_dtype
from nngraph.ops.core import normalize_axis

# fmt: off
__all__ = [
    "gather", "index_add", "index_copy", "index_fill", "index_put", "index_select", "scatter",
    "scatter_add", "scatter_reduce", "select_scatter", "slice_scatter", "take", "take_along_dim",
]
# fmt: on

_REDUCTIONS = {
    "sum": "add",
    "add": "add",
    "prod": "mul",
    "multiply": "mul",
    "amax": "max",
    "amin": "min",
    "mean": "add",
}


def getitem(input: Tensor, key: Any) -> Tensor:
    """``input[key]``: a view where ``key`` holds no tensor."""
    selected = selected_part(input, key)
    if selected is not None:
        return selected
    return viewed(plan_subscript(key, input).read(), input)


def setitem(input: Tensor, key: Any, value: Any) -> None:
    """``input[key] = value``."""
    if isinstance(value, Tensor):
        world().assigned(value)
    if _has_mask(key):
        if isinstance(value, Tensor) and value.aval.size != 1:
            _need_dtype(input, value)
        if assigned_part(input, key, _filler(input, value)):
            return
    if isinstance(key, Tensor) and key.dtype is bool_:
        filler = _filler(input, value)
        if filler.aval.size == 1 and key.aval.shape == input.aval.shape[: key.ndim]:
            mask = key.reshape(*key.aval.shape, *(1,) * (input.ndim - key.ndim))
            overwrite(input, ops.where(mask, filler.reshape(()), input))
            return
    plan = plan_subscript(key, input)
    if plan.indices and isinstance(value, Tensor):
        _need_dtype(input, value)
    overwrite(input, plan.write(_update(plan, value)))


def _need_dtype(input: Tensor, value: Tensor) -> None:
    """Tensors that are scattered are not cast."""
    if value.dtype is not input.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{input.dtype.name} for the destination and {value.dtype.name} for the source: write "
            f"value.to({input.dtype.name})"
        )


def _has_mask(key: Any) -> bool:
    parts = key if isinstance(key, tuple) else (key,)
    return any(isinstance(part, Tensor) and part.dtype in (bool_, uint8) for part in parts)


@both
def index_select(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Slices of ``dim`` named by a 1-D index tensor; none is counted from the end."""
    if not index.dtype.is_integer:
        raise RuntimeError(
            f"index_select(): Expected dtype int32 or int64 for index, got {index.aval}"
        )
    if index.ndim > 1:
        raise IndexError(f"index_select(): Index is supposed to be a vector, got {index.aval}")
    axis = normalize_axis(dim, input.ndim)
    places = ops.from_start(_line(index), "index_select")
    return _as_before(ops.take(_line(input), places, axis), input)


def _line(input: Tensor) -> Tensor:
    """A tensor without dimensions as one of one element: a dimension may name that, too."""
    return input if input.ndim else input.reshape(1)


def _as_before(result: Tensor, input: Tensor) -> Tensor:
    """The result of an operator on ``_line(input)``."""
    return result if input.ndim else result.reshape(())


@both
def take(input: Tensor, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elements of the flattened tensor."""
    return ops.take(input.reshape(-1), index, 0)


@both
def take_along_dim(
    input: Tensor, indices: Tensor, dim: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``gather``; of the flattened tensor without ``dim``. With it -1 is the last place.

    Dimensions of size 1 other than ``dim`` are broadcast, of ``input`` and of ``indices``.
    """
    if dim is None:
        return input.reshape(-1).gather(0, indices.reshape(-1))
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "take_along_dim(): input and indices should have the same number of dimensions, got "
            f"{input.aval} and {indices.aval}"
        )
    axis = normalize_axis(dim, input.ndim)
    if not input.ndim:
        raise IndexError("take_along_dim: the input has no dimensions")
    shapes = [(*t.aval.shape[:axis], 1, *t.aval.shape[axis + 1 :]) for t in (input, indices)]
    common = broadcast_shapes(*shapes)
    input, indices = (
        t.expand(*common[:axis], t.aval.shape[axis], *common[axis + 1 :]) for t in (input, indices)
    )
    return ops.gather_elements(input, indices, axis)


def _need_rank(name: str, input: Tensor, index: Tensor) -> None:
    """Refuses an index of another rank, unless it names nothing or all.

    Raises:
        RuntimeError: with both types.
    """
    if 0 not in index.aval.shape and max(input.ndim, 1) != max(index.ndim, 1):
        raise RuntimeError(
            f"{name}(): Index tensor must have the same number of dimensions as the input, got "
            f"{index.aval} for {input.aval}"
        )


@both
def gather(
    input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out: Tensor | None = None
) -> Tensor:
    """``out[i][j] = input[index[i][j]][j]`` for ``dim=0``; no index counts from the end."""
    axis = normalize_axis(dim, input.ndim)
    _need_rank("gather", input, index)
    if 0 in index.aval.shape and index.ndim != input.ndim:
        return input.reshape(-1)[:0].reshape(index.aval.shape)
    found = ops.gather_elements(_line(input), ops.from_start(_line(index), "gather"), axis)
    return _as_before(found, index)


@everywhere
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Operand | None = None,
    *,
    value: Number | None = None,
    reduce: str | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """``input`` with ``input[index[i][j]][j] = src[i][j]`` (or ``value``) for ``dim=0``."""
    source = value if src is None else src
    if source is None:
        raise TypeError("scatter() missing 1 required positional argument: 'src' or 'value'")
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    return _scatter(input, dim, index, source, "none" if reduce is None else _REDUCTIONS[reduce])


@everywhere
def scatter_add(
    input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """``scatter`` that adds; sums of repeated places are in a fixed order."""
    return _scatter(input, dim, index, src, "add")


@everywhere
def scatter_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:
    """``scatter`` with ``"sum"``, ``"mean"``, ``"prod"``, ``"amax"`` or ``"amin"``.

    Args:
        include_self: whether the elements of ``input`` at the places take part.
    """
    if reduce not in ("sum", "mean", "prod", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce!r}"
        )
    if input.dtype is bool_ and reduce in ("amax", "amin") and src.dtype is bool_:
        numbers = input.to(uint8), dim, index, src.to(uint8), reduce
        return scatter_reduce(*numbers, include_self=include_self).to(bool_)
    base = input
    if not include_self:
        base = _scatter(input, dim, index, _neutral(reduce, input), "none")
    result = _scatter(base, dim, index, src, _REDUCTIONS[reduce])
    if reduce != "mean":
        return result
    ones = ops.full_like(input, 1)
    start = ones if include_self else _scatter(ones, dim, index, 0, "none")
    count = _scatter(start, dim, index, ops.full_like(src, 1), "add")
    whole = not input.dtype.is_floating_point
    return result.div(count, rounding_mode="floor" if whole else None)


def _scatter(input: Tensor, dim: int, index: Tensor, src: Operand, reduction: str) -> Tensor:
    axis = normalize_axis(dim, input.ndim)
    _need_rank("scatter", input, index)
    if 0 in index.aval.shape and not (isinstance(src, Tensor) and src.requires_grad):
        return input.clone()
    places = _line(index)
    if isinstance(src, Tensor):
        if src.dtype is not input.dtype:
            raise RuntimeError(
                "scatter(): Expected self.dtype to be equal to src.dtype, got "
                f"{input.dtype.name} and {src.dtype.name}"
            )
        updates = _line(src)
        if updates.aval.shape != places.aval.shape:
            updates = updates[tuple(slice(0, n) for n in places.aval.shape)]
    else:
        updates = filler(src, input.dtype, input).expand(*places.aval.shape)
    starts = ops.from_start(places, "scatter")
    return _as_before(ops.scatter_elements(_line(input), starts, updates, axis, reduction), input)


@everywhere
def index_add(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    *,
    alpha: float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """Adds slices of ``source`` at the places of ``dim`` named by ``index``."""
    _need_vector("index_add", index)
    axis = normalize_axis(dim, input.ndim)
    need_alpha(input, alpha)
    if (input.ndim == 0) is not (source.ndim == 0):
        raise RuntimeError(
            "index_add(): source tensor shape must match self tensor shape, excluding the "
            f"specified dimension. Got self {input.aval} and source {source.aval}"
        )
    updates = source if alpha == 1 else source * as_number(alpha, source.dtype)
    return _scattered_slices(input, ops.from_start(index, "index_add"), updates, axis, "add")


def _need_vector(name: str, index: Tensor) -> None:
    if index.ndim > 1:
        raise IndexError(f"{name}: the index should have dimension 1 or 0, got {index.aval}")


def _scattered_slices(
    input: Tensor, index: Tensor, updates: Tensor, axis: int, reduction: str
) -> Tensor:
    lined = _line(input), _line(index), _line(updates)
    return _as_before(ops.scatter_slices(*lined, axis, reduction), input)


@everywhere
def index_copy(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """Replaces slices of ``dim`` named by ``index``."""
    _need_vector("index_copy", index)
    axis = normalize_axis(dim, input.ndim)
    count, given = index.aval.size, source.aval.shape[axis] if source.ndim > axis else 1
    if isinstance(count, int) and isinstance(given, int) and count != given:
        raise IndexError(
            f"index_copy_(): Number of indices ({count}) should be equal to "
            f"source.size(dim) ({given})"
        )
    if input.ndim and source.ndim and input.ndim != source.ndim:
        raise IndexError(
            "index_copy(): When source and destination are not scalars, their dimensionality must "
            f"match, got {source.aval} and {input.aval}"
        )
    return _scattered_slices(input, ops.from_start(index, "index_copy"), source, axis, "none")


@everywhere
def index_fill(input: Tensor, dim: int, index: Tensor, value: Operand) -> Tensor:
    """Slices of ``dim`` named by ``index`` become ``value``."""
    axis = normalize_axis(dim, input.ndim)
    if index.ndim > 1:
        raise RuntimeError(
            f"index_fill: the index has to be a vector or a number, got {index.aval}"
        )
    size = input.aval.shape[axis] if input.ndim else 1
    named = ops.full(False, bool_, (size,), input)
    there = ops.full(True, bool_, _line(index).aval.shape, input)
    named = ops.scatter_slices(named, _line(index), there, 0, "none")
    shape = (-1, *(1,) * (input.ndim - axis - 1)) if input.ndim else ()
    return ops.where(named.reshape(shape), filler(value, input.dtype, input), input)


@everywhere
def index_put(
    input: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False
) -> Tensor:
    """``input`` with ``input[indices] = values``, or with the values added there."""
    _need_dtype(input, values)
    if len(indices) > input.ndim:
        raise IndexError(
            f"too many indices for tensor of dimension {input.ndim} (got {len(indices)})"
        )
    whole = len(indices) == 1 and indices[0].aval.shape == input.aval.shape
    if whole and indices[0].dtype is bool_ and values.aval.size == 1 and not accumulate:
        return ops.where(indices[0], values.reshape(()), input)
    plan = plan_subscript(tuple(indices), input)
    return plan.write(_update(plan, values), "add" if accumulate else "none")


@both
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy with the slice ``index`` of ``dim`` replaced by ``src``."""
    axis = normalize_axis(dim, input.ndim)
    plan = plan_subscript((slice(None),) * axis + (index,), input)
    _need_shape("select_scatter", plan, src)
    return owned(plan.write(_update(plan, src)), src)


@both
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """A copy with a slice of ``dim`` replaced by ``src``."""
    axis = normalize_axis(dim, input.ndim)
    plan = plan_subscript((slice(None),) * axis + (slice(start, end, step),), input)
    _need_shape("slice_scatter", plan, src)
    return owned(plan.write(_update(plan, src)), src)


def _need_shape(name: str, plan: Plan, src: Tensor) -> None:
    if src.aval.shape != plan.shape:
        raise RuntimeError(
            f"{name}(): expected src to have a size equal to the slice of self, "
            f"{list(plan.shape)}, got {src.aval}"
        )


def _filler(base: Tensor, value: Any) -> Tensor:
    if not isinstance(value, Tensor) and not is_number(value):
        value = ops.constant(np.asarray(value), base)
    if not isinstance(value, Tensor):
        need_fit(value, wide_dtype(base.dtype))
    return as_tensor_like(value, base.dtype, base)


def _update(plan: Plan, value: Any) -> Tensor:
    update = _filler(plan.base, value)
    shape: Sequence[Any] = plan.shape
    extra = update.ndim - len(shape)
    if extra > 0:  # PyTorch drops leading sizes of 1
        update = update.reshape(update.aval.shape[extra:])
    return update if update.aval.shape == tuple(shape) else update.expand(*shape)


def _neutral(reduce: str, like: Tensor) -> float:
    """The number that changes no result of the reduction."""
    if reduce in ("amax", "amin"):
        if like.dtype.is_floating_point:
            return float("-inf") if reduce == "amax" else float("inf")
        limits = iinfo(like.dtype)
        return limits.min if reduce == "amax" else limits.max
    return 1 if reduce == "prod" else 0
