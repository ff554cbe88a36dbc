"""Reading and writing parts: subscripts, gather, scatter and friends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from nngraph import ops
from nngraph.frontend.base import TensorBase
from nngraph.frontend.promotion import Operand, as_tensor_like, is_number
from nngraph.frontend.subscript import Plan, plan_subscript
from nngraph.ir.dtypes import bool_
from nngraph.ops.core import normalize_axis

if TYPE_CHECKING:
    from nngraph.frontend.tensor import Tensor

__all__ = ["IndexMethods"]

_REDUCTIONS = {"sum": "add", "add": "add", "prod": "mul", "multiply": "mul", "amax": "max",
               "amin": "min"}  # fmt: skip


class IndexMethods(TensorBase):
    """Each method is PyTorch's method of that name."""

    __slots__ = ()

    def __getitem__(self: Tensor, key: Any) -> Tensor:
        plan = plan_subscript(key, self)
        return plan.read()

    def __setitem__(self: Tensor, key: Any, value: Any) -> None:
        if isinstance(key, TensorBase) and key.dtype is bool_:
            self._assign(_masked_write(self, cast("Tensor", key), value)._variable)
            return
        plan = plan_subscript(key, self)
        self._assign(plan.write(_update(plan, value))._variable)

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self[i] for i in range(len(self)))

    def index_select(self: Tensor, dim: int, index: Tensor) -> Tensor:
        """Slices of ``dim`` named by a 1-D index tensor."""
        return ops.take(self, index, normalize_axis(dim, self.ndim))

    def take_along_dim(self: Tensor, indices: Tensor, dim: int) -> Tensor:
        return ops.gather_elements(self, indices, normalize_axis(dim, self.ndim))

    def gather(self: Tensor, dim: int, index: Tensor) -> Tensor:
        """``out[i][j] = self[index[i][j]][j]`` for ``dim=0``."""
        axis = normalize_axis(dim, self.ndim)
        return ops.gather_elements(self, index, axis)

    def scatter(self: Tensor, dim: int, index: Tensor, src: Operand, *,
                reduce: str | None = None) -> Tensor:  # fmt: skip
        """``self`` with ``self[index[i][j]][j] = src[i][j]`` for ``dim=0``."""
        kind = "none" if reduce is None else _REDUCTIONS[reduce]
        return self._scatter(dim, index, src, kind)

    def scatter_add(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
        """``scatter`` that adds; sums of repeated places are in a fixed order."""
        return self._scatter(dim, index, src, "add")

    def scatter_reduce(self: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str) -> Tensor:
        """``scatter`` with ``"sum"``, ``"prod"``, ``"amax"`` or ``"amin"`` (self included)."""
        if reduce not in _REDUCTIONS:
            raise RuntimeError(f"reduce argument must be one of {sorted(_REDUCTIONS)}, "
                               f"got {reduce!r}")  # fmt: skip
        return self._scatter(dim, index, src, _REDUCTIONS[reduce])

    def _scatter(self: Tensor, dim: int, index: Tensor, src: Operand, reduction: str) -> Tensor:
        axis = normalize_axis(dim, self.ndim)
        updates = as_tensor_like(src, self.dtype, self)
        if not isinstance(src, TensorBase):
            updates = updates.expand(*index.type.shape)
        elif updates.type.shape != index.type.shape:
            updates = updates[tuple(slice(0, n) for n in index.type.shape)]
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


def _update(plan: Plan, value: Any) -> Tensor:
    if not isinstance(value, TensorBase) and not is_number(value):
        value = ops.constant(np.asarray(value), plan.base)
    update = as_tensor_like(value, plan.base.dtype, plan.base)
    shape: Sequence[Any] = plan.shape
    extra = update.ndim - len(shape)
    if extra > 0:  # PyTorch drops leading sizes of 1
        update = update.reshape(update.type.shape[extra:])
    return update if update.type.shape == tuple(shape) else update.expand(*shape)


def _masked_write(base: Tensor, mask: Tensor, value: Any) -> Tensor:
    lead = mask
    for _ in range(base.ndim - mask.ndim):
        lead = lead.unsqueeze(-1)
    if not isinstance(value, TensorBase) and not is_number(value):
        value = ops.constant(np.asarray(value), base)
    filler = as_tensor_like(value, base.dtype, base)
    if filler.ndim > 0 and filler.type.size != 1:
        raise RuntimeError(
            f"x[mask] = values with {filler.type}: the number of places depends on the mask's "
            "values; use ng.where(mask, values_of_full_shape, x)"
        )
    return ops.where(lead, filler.reshape(()), base)
