"""Shapes: views, joins and repeats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from nngraph import ops
from nngraph.frontend.base import TensorBase
from nngraph.frontend.modes import active_trace, is_grad_enabled
from nngraph.frontend.trace import TraceError
from nngraph.frontend.userline import user_source
from nngraph.frontend.views import is_row_major, strides_of
from nngraph.ir.dims import Dim, SymDim, floordiv
from nngraph.ops.core import normalize_axis

if TYPE_CHECKING:
    from nngraph.frontend.tensor import Tensor

__all__ = ["ShapeMethods", "infer_size"]


def _listed(sizes: Sequence[Any]) -> tuple[Any, ...]:
    """``f(2, 3)`` and ``f((2, 3))`` mean the same."""
    if len(sizes) == 1 and isinstance(sizes[0], tuple | list):
        return tuple(sizes[0])
    return tuple(sizes)


def infer_size(shape: Sequence[Dim], total: Dim, kind: object) -> tuple[Dim, ...]:
    """Replaces one -1 by what is left of ``total`` elements.

    Raises:
        RuntimeError: if the shape does not hold ``total`` elements.
    """
    known: Dim = 1
    for d in shape:
        known = known if d == -1 else known * d
    holes = [i for i, d in enumerate(shape) if isinstance(d, int) and d == -1]
    if len(holes) > 1:
        raise RuntimeError("only one dimension can be inferred")
    wrong = RuntimeError(f"shape '{list(shape)}' is invalid for input {kind}")
    if not holes:
        if known != total:
            raise wrong
        return tuple(shape)
    if known == 0 or (isinstance(known, int) and isinstance(total, int) and total % known):
        raise wrong
    try:
        rest = floordiv(total, known)
    except ValueError:
        raise wrong from None
    return tuple(rest if i == holes[0] else d for i, d in enumerate(shape))


class ShapeMethods(TensorBase):
    """Each method is PyTorch's method of that name."""

    __slots__ = ()

    def numel(self: Tensor) -> Any:
        """The number of elements."""
        return self.type.size

    def dim(self: Tensor) -> int:
        return self.ndim

    def size(self: Tensor, dim: int | None = None) -> Any:
        """The shape, or one of its sizes."""
        return self.shape if dim is None else self.shape[normalize_axis(dim, self.ndim, "size")]

    def reshape(self: Tensor, *shape: Any) -> Tensor:
        sizes = tuple(d if isinstance(d, SymDim) else int(d) for d in _listed(shape))
        target = infer_size(sizes, self.type.size, self.type)
        return ops.reshape(self, target)

    def view(self: Tensor, *shape: Any) -> Tensor:
        """``reshape`` that never copies; a dtype instead of a shape is not supported.

        Raises:
            RuntimeError: if the elements do not lie in memory as the shape needs.
        """
        out = self.reshape(*shape)
        if out._alias is None and out is not self:
            raise RuntimeError(
                "view size is not compatible with input tensor's size and stride (at least one "
                "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
            )
        return out

    def view_as(self: Tensor, other: Tensor) -> Tensor:
        return self.view(other.type.shape)

    def reshape_as(self: Tensor, other: Tensor) -> Tensor:
        return self.reshape(other.type.shape)

    def flatten(self: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """Joins the dimensions from ``start_dim`` to ``end_dim``."""
        if not self.ndim:
            return self.reshape(1)
        start, end = (normalize_axis(d, self.ndim, "flatten") for d in (start_dim, end_dim))
        if start > end:
            raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
        middle: Dim = 1
        for d in self.type.shape[start : end + 1]:
            middle = middle * d
        shape = (*self.type.shape[:start], middle, *self.type.shape[end + 1 :])
        return ops.reshape(self, shape)

    def unflatten(self: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
        axis = normalize_axis(dim, self.ndim, "unflatten")
        shape = self.type.shape
        parts = infer_size(tuple(sizes), shape[axis], self.type)
        return ops.reshape(self, (*shape[:axis], *parts, *shape[axis + 1 :]))

    def permute(self: Tensor, *dims: Any) -> Tensor:
        perm = tuple(normalize_axis(d, self.ndim, "permute") for d in _listed(dims))
        if sorted(perm) != list(range(self.ndim)):
            raise RuntimeError(
                f"permute(dims): {list(dims)} does not name every dimension of {self.type} once"
            )
        return ops.transpose(self, perm)

    def transpose(self: Tensor, dim0: int, dim1: int) -> Tensor:
        perm = list(range(self.ndim))
        if self.ndim:
            a, b = (normalize_axis(d, self.ndim, "transpose") for d in (dim0, dim1))
            perm[a], perm[b] = perm[b], perm[a]
        return ops.transpose(self, tuple(perm))

    swapaxes = swapdims = transpose

    def t(self: Tensor) -> Tensor:
        if self.ndim > 2:
            raise RuntimeError(
                f"t() expects a tensor with <= 2 dimensions, but self is {self.ndim}D"
            )
        return self.transpose(0, 1) if self.ndim == 2 else self

    @property
    def T(self: Tensor) -> Tensor:
        return self.permute(*reversed(range(self.ndim)))

    @property
    def mT(self: Tensor) -> Tensor:
        if self.ndim < 2:
            raise RuntimeError(
                "tensor.mT is only supported on matrices or batches of matrices. "
                f"Got {self.ndim}-D tensor."
            )
        return self.transpose(-2, -1)

    def movedim(
        self: Tensor, source: int | Sequence[int], destination: int | Sequence[int]
    ) -> Tensor:
        """Moves dimensions to other places; the rest keep their order."""
        sources, places = ([d] if isinstance(d, int) else list(d) for d in (source, destination))
        here = [normalize_axis(d, self.ndim, "movedim") for d in sources]
        there = [normalize_axis(d, self.ndim, "movedim") for d in places]
        if len(here) != len(there) or len({*here}) != len(here) or len({*there}) != len(there):
            raise RuntimeError(
                f"movedim: source {source} and destination {destination} must name "
                "as many dimensions, each once"
            )
        order = [a for a in range(self.ndim) if a not in here]
        for place, axis in sorted(zip(there, here, strict=True)):
            order.insert(place, axis)
        return self.permute(*order)

    moveaxis = movedim

    def squeeze(self: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
        """Removes dimensions of size 1 (those named, or all)."""
        listed = range(self.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
        drop = {normalize_axis(d, self.ndim, "squeeze") for d in listed}
        shape = [d for a, d in enumerate(self.type.shape) if not (a in drop and d == 1)]
        return ops.reshape(self, tuple(shape))

    def t_(self: Tensor) -> Tensor:
        return self._become(self.t())

    def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
        return self._become(self.transpose(dim0, dim1))

    def squeeze_(self: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
        return self._become(self.squeeze(dim))

    def unsqueeze_(self: Tensor, dim: int) -> Tensor:
        return self._become(self.unsqueeze(dim))

    def _become(self: Tensor, view: Tensor) -> Tensor:
        """This handle shows what ``view`` shows."""
        if active_trace() is not None:
            raise TraceError(
                f"a shape is changed in place while tracing:\n    {user_source()}\n"
                "Write x = x.t(), x = x.squeeze(), ... instead."
            )
        if self.requires_grad and self.is_leaf and is_grad_enabled():
            raise RuntimeError(
                "a leaf Variable that requires grad is being used in an in-place operation."
            )
        if view is not self:
            variable, alias = view._own, view._alias
            base = self._result(self._own)
            base._alias = self._alias
            self._variable = variable
            if alias is not None:
                alias.base = base
                self._alias = alias
        return self

    def unsqueeze(self: Tensor, dim: int) -> Tensor:
        shape = list(self.type.shape)
        shape.insert(normalize_axis(dim, self.ndim + 1, "unsqueeze"), 1)
        return ops.reshape(self, tuple(shape))

    def expand(self: Tensor, *sizes: Any) -> Tensor:
        """Repeats dimensions of size 1 without copying; -1 keeps a size."""
        wanted = _listed(sizes)
        lead = len(wanted) - self.ndim
        if lead < 0:
            raise RuntimeError(
                f"expand({list(wanted)}): the number of sizes provided "
                f"({len(wanted)}) must be greater or equal to the number of "
                f"dimensions in the tensor ({self.ndim})"
            )
        if any(isinstance(d, int) and d == -1 for d in wanted[:lead]):
            raise RuntimeError(
                f"The expanded size of the tensor (-1) isn't allowed in a leading, "
                f"non-existing dimension: {list(wanted)}"
            )
        shape = tuple(
            self.type.shape[a - lead] if isinstance(d, int) and d == -1 else d
            for a, d in enumerate(wanted)
        )
        if shape == self.type.shape:
            return self
        return ops.broadcast_to(self, shape)

    def expand_as(self: Tensor, other: Tensor) -> Tensor:
        return self.expand(*other.type.shape)

    broadcast_to = expand

    def stride(self: Tensor, dim: int | None = None) -> Any:
        """Distances of neighbours in memory, in elements."""
        strides = strides_of(self)
        return strides if dim is None else strides[normalize_axis(dim, self.ndim, "stride")]

    def is_contiguous(self: Tensor) -> bool:
        """True if the elements lie in memory in the order of their indices."""
        return is_row_major(self.type.shape, strides_of(self))

    def contiguous(self: Tensor) -> Tensor:
        """The tensor itself if its elements lie in order, else a copy."""
        return self if self.is_contiguous() else self.clone()

    def repeat(self: Tensor, *sizes: Any) -> Tensor:
        """Tiles the tensor ``sizes[i]`` times along dimension i."""
        counts = _listed(sizes)
        if len(counts) < self.ndim:
            raise RuntimeError(
                "Number of dimensions of repeat dims can not be smaller than number "
                "of dimensions of tensor"
            )
        full = (1,) * (len(counts) - self.ndim) + tuple(self.type.shape)
        return ops.tile(self.reshape(full), tuple(counts))

    def flip(self: Tensor, *dims: Any) -> Tensor:
        axes = tuple(sorted(normalize_axis(d, self.ndim, "flip") for d in _listed(dims)))
        if len(set(axes)) != len(axes):
            raise RuntimeError(f"flip: a dim appears multiple times in {list(dims)}")
        return ops.flip(self, axes)

    def narrow(self: Tensor, dim: int, start: int, length: int) -> Tensor:
        """``length`` elements from ``start`` along ``dim``."""
        axis = normalize_axis(dim, self.ndim, "narrow")
        size = self.type.shape[axis]
        if start < 0 and isinstance(size, int):
            start += size
        starts, sizes = [0] * self.ndim, list(self.type.shape)
        starts[axis], sizes[axis] = start, length
        return ops.slice(self, tuple(starts), tuple(sizes), (1,) * self.ndim)

    def split(self: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
        """Parts of ``split_size`` (the last may be smaller), or of the sizes listed."""
        axis = normalize_axis(dim, self.ndim, "split")
        total = int(cast("int", self.type.shape[axis]))
        if isinstance(split_size, int):
            if split_size < 0 or (split_size == 0 and total):
                raise RuntimeError(
                    f"split_size can only be 0 if dimension size is 0, but got "
                    f"{split_size} for a dimension of {total}"
                )
            split_size = max(split_size, 1)
            sizes = [min(split_size, total - i) for i in range(0, total, split_size)] or [0]
        else:
            sizes = list(split_size)
        if sum(sizes) != total:
            raise RuntimeError(
                f"split expects sizes that sum to {total} in dimension {dim}, got {sizes}"
            )
        return cast("tuple[Tensor, ...]", tuple(ops.split(self, tuple(sizes), axis)))

    def chunk(self: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
        """At most ``chunks`` parts of equal size (the last may be smaller)."""
        axis = normalize_axis(dim, self.ndim, "chunk")
        total = int(cast("int", self.type.shape[axis]))
        if chunks < 1:
            raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
        return self.split(max(-(-total // chunks), 1), dim)

    def unbind(self: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
        """The slices along ``dim``."""
        axis = normalize_axis(dim, self.ndim, "unbind")
        if not self.ndim:
            raise IndexError("unbind: dimension specified as 0 but tensor has no dimensions")
        return tuple(self.select(axis, i) for i in range(int(cast("int", self.type.shape[axis]))))

    def _need_matrix(self: Tensor, what: str) -> None:
        if self.ndim < 2:
            raise RuntimeError(
                f"{what}: input tensor must have at least 2 dimensions, got {self.type}"
            )

    def tril(self: Tensor, diagonal: int = 0) -> Tensor:
        self._need_matrix("tril")
        return ops.tril(self, diagonal)

    def triu(self: Tensor, diagonal: int = 0) -> Tensor:
        self._need_matrix("triu")
        return ops.triu(self, diagonal)

    def roll(
        self: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None
    ) -> Tensor:
        """Moves elements round; without ``dims`` the flattened tensor is rolled."""
        if dims is None:
            return self.flatten().roll(shifts, 0).reshape(self.type.shape)
        steps = (shifts,) if isinstance(shifts, int) else tuple(shifts)
        axes = (dims,) if isinstance(dims, int) else tuple(dims)
        if len(steps) != len(axes):
            raise RuntimeError(
                f"shifts and dimensions must align. shifts: {len(steps)}, dims: {len(axes)}"
            )
        named = tuple(normalize_axis(d, self.ndim, "roll") for d in axes)
        out = self
        for step, axis in zip(steps, named, strict=True):
            out = ops.roll(out, step, axis)
        return out
