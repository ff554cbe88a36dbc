"""Reading and writing parts: subscripts, gather, scatter and friends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from nngraph import ops
from nngraph.frontend.base import TensorBase
from nngraph.frontend.limits import iinfo
from nngraph.frontend.modes import active_trace
from nngraph.frontend.promotion import Operand, as_tensor_like, is_number
from nngraph.frontend.subscript import Plan, plan_subscript
from nngraph.frontend.trace import TraceError
from nngraph.frontend.userline import user_source
from nngraph.ir.dtypes import bool_, int64
from nngraph.ops.core import normalize_axis

if TYPE_CHECKING:
    from nngraph.frontend.tensor import Tensor

__all__ = ["IndexMethods"]

_REDUCTIONS = {
    "sum": "add",
    "add": "add",
    "prod": "mul",
    "multiply": "mul",
    "amax": "max",
    "amin": "min",
    "mean": "add",
}


class IndexMethods(TensorBase):
    """Each method is PyTorch's method of that name."""

    __slots__ = ()

    def __getitem__(self: Tensor, key: Any) -> Tensor:
        plan = plan_subscript(key, self)
        return plan.read()

    def __setitem__(self: Tensor, key: Any, value: Any) -> None:
        if isinstance(key, TensorBase) and key.dtype is bool_ and key.ndim:
            filler = _filler(self, value)
            if filler.type.size == 1 and key.type.shape == self.type.shape[: key.ndim]:
                mask = cast("Tensor", key).reshape(*key.type.shape, *(1,) * (self.ndim - key.ndim))
                self._assign(ops.where(mask, filler.reshape(()), self)._variable)
                return
            if active_trace() is not None:
                raise TraceError(
                    f"x[mask] = values of {filler.type}: while tracing, the number of places "
                    "depends on the mask's values; write x = ng.where(mask, full_size_values, x)\n"
                    f"    {user_source()}"
                )
        plan = plan_subscript(key, self)
        self._assign(plan.write(_update(plan, value))._variable)

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self[i] for i in range(len(self)))

    def index_select(self: Tensor, dim: int, index: Tensor) -> Tensor:
        """Slices of ``dim`` named by a 1-D index tensor."""
        if not index.dtype.is_integer:
            raise RuntimeError(
                f"index_select(): Expected dtype int32 or int64 for index, got {index.type}"
            )
        if index.ndim > 1:
            raise IndexError(f"index_select(): Index is supposed to be a vector, got {index.type}")
        axis = normalize_axis(dim, self.ndim)
        return ops.take(self, index if index.ndim else index.reshape(1), axis)

    def take(self: Tensor, index: Tensor) -> Tensor:
        """Elements of the flattened tensor."""
        return ops.take(self.reshape(-1), index, 0)

    def take_along_dim(self: Tensor, indices: Tensor, dim: int) -> Tensor:
        return ops.gather_elements(self, indices, normalize_axis(dim, self.ndim))

    def gather(self: Tensor, dim: int, index: Tensor) -> Tensor:
        """``out[i][j] = self[index[i][j]][j]`` for ``dim=0``."""
        axis = normalize_axis(dim, self.ndim)
        return ops.gather_elements(self, index, axis)

    def scatter(
        self: Tensor, dim: int, index: Tensor, src: Operand, *, reduce: str | None = None
    ) -> Tensor:
        """``self`` with ``self[index[i][j]][j] = src[i][j]`` for ``dim=0``."""
        if reduce not in (None, "add", "multiply"):
            raise RuntimeError("reduce argument must be either add or multiply.")
        return self._scatter(dim, index, src, "none" if reduce is None else _REDUCTIONS[reduce])

    def scatter_add(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
        """``scatter`` that adds; sums of repeated places are in a fixed order."""
        return self._scatter(dim, index, src, "add")

    def scatter_reduce(
        self: Tensor,
        dim: int,
        index: Tensor,
        src: Tensor,
        reduce: str,
        *,
        include_self: bool = True,
    ) -> Tensor:
        """``scatter`` with ``"sum"``, ``"mean"``, ``"prod"``, ``"amax"`` or ``"amin"``.

        Args:
            include_self: whether the elements of ``self`` at the places take part.
        """
        if reduce not in ("sum", "mean", "prod", "amax", "amin"):
            raise RuntimeError(
                f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce!r}"
            )
        base = self
        if not include_self:
            base = self._scatter(dim, index, _neutral(reduce, self), "none")
        out = base._scatter(dim, index, src, _REDUCTIONS[reduce])
        if reduce != "mean":
            return out
        ones = ops.full_like(self, 1)
        start = ones if include_self else ones._scatter(dim, index, 0, "none")
        count = start._scatter(dim, index, ops.full_like(src, 1), "add")
        whole = not self.dtype.is_floating_point
        return out.div(count, rounding_mode="floor" if whole else None)

    def _scatter(self: Tensor, dim: int, index: Tensor, src: Operand, reduction: str) -> Tensor:
        axis = normalize_axis(dim, self.ndim)
        if isinstance(src, TensorBase):
            if src.dtype is not self.dtype:
                raise RuntimeError(
                    "scatter(): Expected self.dtype to be equal to src.dtype, got "
                    f"{self.dtype.name} and {src.dtype.name}"
                )
            updates = cast("Tensor", src)
            if src.type.shape != index.type.shape:
                updates = updates[tuple(slice(0, n) for n in index.type.shape)]
        else:
            updates = as_tensor_like(src, self.dtype, self).expand(*index.type.shape)
        return ops.scatter_elements(self, index, updates, axis, reduction)

    def index_add(
        self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
    ) -> Tensor:
        """Adds slices of ``source`` at the places of ``dim`` named by ``index``."""
        axis = normalize_axis(dim, self.ndim)
        updates = source if alpha == 1 else source * alpha
        return ops.scatter_slices(self, index, updates, axis, "add")

    def index_copy(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
        """Replaces slices of ``dim`` named by ``index``."""
        axis = normalize_axis(dim, self.ndim)
        return ops.scatter_slices(self, index, source, axis, "none")

    def index_fill(self: Tensor, dim: int, index: Tensor, value: Operand) -> Tensor:
        """Slices of ``dim`` named by ``index`` become ``value``."""
        axis = normalize_axis(dim, self.ndim)
        shape = (*self.type.shape[:axis], *index.type.shape, *self.type.shape[axis + 1 :])
        updates = as_tensor_like(value, self.dtype, self).expand(*shape)
        return ops.scatter_slices(self, index, updates, axis, "none")

    def index_put(
        self: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False
    ) -> Tensor:
        """``self`` with ``self[indices] = values``, or with the values added there."""
        plan = plan_subscript(tuple(indices), self)
        return plan.write(_update(plan, values), "add" if accumulate else "none")

    def masked_scatter(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
        """Elements where ``mask`` holds become those of ``source``, one after the other."""
        chosen = mask.expand(*self.type.shape).reshape(-1)
        place = (chosen.to(int64).cumsum(0) - 1).clamp(0, source.numel() - 1)
        values = source.reshape(-1).take(place)
        return ops.where(chosen, values, self.reshape(-1)).reshape(self.type.shape)

    def select_scatter(self: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
        """A copy with the slice ``index`` of ``dim`` replaced by ``src``."""
        axis = normalize_axis(dim, self.ndim)
        plan = plan_subscript((slice(None),) * axis + (index,), self)
        return plan.write(_update(plan, src))

    def slice_scatter(
        self: Tensor,
        src: Tensor,
        dim: int = 0,
        start: int | None = None,
        end: int | None = None,
        step: int = 1,
    ) -> Tensor:
        """A copy with a slice of ``dim`` replaced by ``src``."""
        axis = normalize_axis(dim, self.ndim)
        plan = plan_subscript((slice(None),) * axis + (slice(start, end, step),), self)
        return plan.write(_update(plan, src))

    def argwhere(self: Tensor) -> Tensor:
        """``nonzero()``."""
        out: Tensor = self.nonzero()
        return out

    def nonzero(self: Tensor, *, as_tuple: bool = False) -> Any:
        """Indices of nonzero elements, one row each: eager only, the shape depends on values.

        Args:
            as_tuple: one index tensor for each axis instead.
        """
        rows = np.argwhere(self._array("nonzero()")).astype(np.int64)
        if as_tuple:
            return tuple(ops.constant(np.ascontiguousarray(c), self) for c in rows.T)
        return ops.constant(rows, self)

    def masked_select(self: Tensor, mask: Tensor) -> Tensor:
        """Elements where ``mask`` holds: eager only, the shape depends on values."""
        places = np.flatnonzero(
            np.broadcast_to(mask._array("masked_select()"), self.type.static_shape)
        )
        index = ops.constant(places.astype(np.int64), self)
        return self.reshape(-1).index_select(0, index)


def _filler(base: Tensor, value: Any) -> Tensor:
    if not isinstance(value, TensorBase) and not is_number(value):
        value = ops.constant(np.asarray(value), base)
    return as_tensor_like(value, base.dtype, base)


def _update(plan: Plan, value: Any) -> Tensor:
    update = _filler(plan.base, value)
    shape: Sequence[Any] = plan.shape
    extra = update.ndim - len(shape)
    if extra > 0:  # PyTorch drops leading sizes of 1
        update = update.reshape(update.type.shape[extra:])
    return update if update.type.shape == tuple(shape) else update.expand(*shape)


def _neutral(reduce: str, like: Tensor) -> float:
    """The number that changes no result of the reduction."""
    if reduce in ("amax", "amin"):
        if like.dtype.is_floating_point:
            return float("-inf") if reduce == "amax" else float("inf")
        limits = iinfo(like.dtype)
        return limits.min if reduce == "amax" else limits.max
    return 1 if reduce == "prod" else 0
