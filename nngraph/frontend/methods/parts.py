"""Parts and repeats: select, diagonals, splits at indices, repeated elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from nngraph import ops
from nngraph.frontend.base import TensorBase
from nngraph.frontend.promotion import Operand
from nngraph.ops.core import normalize_axis

if TYPE_CHECKING:
    from nngraph.frontend.tensor import Tensor

__all__ = ["PartMethods"]


class PartMethods(TensorBase):
    """Each method is PyTorch's method of that name."""

    __slots__ = ()

    def select(self: Tensor, dim: int, index: int) -> Tensor:
        """The slice ``index`` of ``dim``, which goes away."""
        axis = normalize_axis(dim, self.ndim, "select")
        return self[(slice(None),) * axis + (index,)]

    def tensor_split(
        self: Tensor, indices_or_sections: int | Sequence[int], dim: int = 0
    ) -> tuple[Tensor, ...]:
        """Nearly equal parts, or parts that end at the indices."""
        total = int(cast("int", self.type.shape[normalize_axis(dim, self.ndim)]))
        if isinstance(indices_or_sections, int):
            small, more = divmod(total, indices_or_sections)
            sizes = [small + (i < more) for i in range(indices_or_sections)]
        else:
            ends = [min(i if i >= 0 else total + i, total) for i in indices_or_sections]
            starts = [0, *ends]
            sizes = [max(e - s, 0) for s, e in zip(starts, [*ends, total], strict=True)]
        return self.split(sizes, dim)

    # -- diagonals -------------------------------------------------------------------------
    def diagonal(self: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
        """The elements ``[i, i + offset]`` of two dimensions, as the last dimension: a view."""
        a, b = (normalize_axis(d, self.ndim, "diagonal") for d in (dim1, dim2))
        if a == b:
            raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
        rest = [d for d in range(self.ndim) if d not in (a, b)]
        x = self.permute(*rest, a, b)
        rows, columns = (int(cast("int", d)) for d in x.type.shape[-2:])
        start = offset if offset >= 0 else -offset * columns
        count = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
        flat = x.reshape(*x.type.shape[:-2], rows * columns)
        sizes, starts = [*flat.type.shape[:-1], count], [0] * len(rest) + [start if count else 0]
        return ops.slice(flat, starts, sizes, [1] * len(rest) + [columns + 1 if count > 1 else 1])

    def diag(self: Tensor, diagonal: int = 0) -> Tensor:
        """The matrix with this vector as diagonal, or a copy of this matrix's diagonal."""
        if self.ndim == 2:
            return self.diagonal(diagonal).clone()
        if self.ndim != 1:
            raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {self.ndim}D")
        return self.diag_embed(diagonal)

    def diag_embed(self: Tensor, offset: int = 0) -> Tensor:
        """Matrices (the last two dimensions) with the last dimension as diagonal."""
        size = int(cast("int", self.type.shape[-1]))
        side = size + abs(offset)
        places = np.arange(size) * (side + 1) + (offset if offset >= 0 else -offset * side)
        lead = self.type.shape[:-1]
        empty = ops.full(0, self.dtype, (*lead, side * side), self)
        index = ops.constant(places.astype(np.int64), self)
        filled = ops.scatter_slices(empty, index, self, len(lead), "none")
        return filled.reshape(*lead, side, side)

    def trace(self: Tensor) -> Tensor:
        """The sum of a matrix's diagonal."""
        if self.ndim != 2:
            raise RuntimeError("trace: expected a matrix")
        return self.diagonal().sum()

    def fill_diagonal_(self: Tensor, fill_value: Operand) -> Tensor:
        """The diagonal becomes ``fill_value``."""
        self.diagonal().fill_(fill_value)
        return self

    # -- repeats ---------------------------------------------------------------------------
    def tile(self: Tensor, *dims: Any) -> Tensor:
        """``repeat`` that adds ones to ``dims`` on the left where there are too few."""
        counts = dims[0] if len(dims) == 1 and isinstance(dims[0], tuple | list) else dims
        return self.repeat(*(1,) * (self.ndim - len(counts)), *counts)

    def repeat_interleave(self: Tensor, repeats: int | Tensor, dim: int | None = None) -> Tensor:
        """Each element ``repeats`` times in a row (a tensor of counts: eager only)."""
        if dim is None:
            return self.flatten().repeat_interleave(repeats, 0)
        axis = normalize_axis(dim, self.ndim)
        if isinstance(repeats, TensorBase):
            counts = repeats._array("repeat_interleave(tensor)")
            places = np.repeat(np.arange(self.type.static_shape[axis]), counts)
            return ops.take(self, ops.constant(places.astype(np.int64), self), axis)
        x, shape = self.unsqueeze(axis + 1), list(self.type.shape)
        wide = x.expand(*shape[: axis + 1], repeats, *shape[axis + 1 :])
        return wide.flatten(axis, axis + 1)

    def fliplr(self: Tensor) -> Tensor:
        return self.flip(1)

    def flipud(self: Tensor) -> Tensor:
        return self.flip(0)

    def ravel(self: Tensor) -> Tensor:
        return self.reshape(-1)

    def diff(self: Tensor, n: int = 1, dim: int = -1) -> Tensor:
        """Differences of neighbours, ``n`` times."""
        x, axis = self, normalize_axis(dim, self.ndim)
        for _ in range(n):
            size = cast("int", x.type.shape[axis])
            x = x.narrow(axis, 1, size - 1) - x.narrow(axis, 0, size - 1)
        return x

    # -- facts -----------------------------------------------------------------------------
    def nelement(self: Tensor) -> Any:
        return self.numel()

    def ndimension(self: Tensor) -> int:
        return self.ndim

    def is_complex(self: Tensor) -> bool:
        """False: nngraph has no complex numbers."""
        return False

    @property
    def itemsize(self: Tensor) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self: Tensor) -> Any:
        """Bytes of all elements."""
        return self.type.size * self.dtype.itemsize

    def cross(self: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
        """Vector products along a dimension of size 3 (the first one, if not named)."""
        if dim is None:
            dim = next((a for a, d in enumerate(self.type.shape) if d == 3), -1)
        axis = normalize_axis(dim, self.ndim)
        if self.type.shape[axis] != 3 or other.type.shape[axis] != 3:
            raise RuntimeError(
                "linalg.cross: inputs dimension must have length 3. Got "
                f"{self.type} and {other.type}"
            )
        return self.roll(-1, axis) * other.roll(1, axis) - self.roll(1, axis) * other.roll(-1, axis)

    # -- counting: eager only, shapes depend on values ---------------------------------------
    def unique(
        self: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False
    ) -> Any:
        """The different elements in order, with where each went and how often it was there."""
        values, inverse, counts = np.unique(
            self._array("unique()"), return_inverse=True, return_counts=True
        )
        inverse = inverse.reshape(self.type.static_shape)
        wanted = [values, *[inverse] * return_inverse, *[counts] * return_counts]
        found = [ops.constant(np.ascontiguousarray(a), self) for a in wanted]
        return found[0] if len(found) == 1 else tuple(found)

    def bincount(self: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
        """How often each number occurs (with ``weights`` the sum of theirs)."""
        by = None if weights is None else weights._array("bincount()")
        counts = np.bincount(self._array("bincount()"), by, minlength)
        if by is not None and by.dtype == np.float32:
            counts = counts.astype(np.float32)
        return ops.constant(counts, self)
