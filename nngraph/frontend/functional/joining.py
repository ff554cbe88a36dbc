"""Functions of several tensors: joins, grids, common shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nngraph import ops
from nngraph.frontend.functional.access import owned
from nngraph.frontend.functional.variants import function
from nngraph.frontend.promotion import as_tensor_like, result_type
from nngraph.frontend.tensor import Size, Tensor
from nngraph.ir.types import TypeMismatch
from nngraph.ops.core import broadcast_shapes as common_shape
from nngraph.ops.core import normalize_axis

# fmt: off
__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_shapes", "broadcast_tensors", "cat",
    "concat", "concatenate", "hstack", "meshgrid", "stack", "vstack",
]
# fmt: on


@function
def cat(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Joins tensors along an existing dimension.

    Raises:
        ValueError: for an empty list.
    """
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    if any(not t.ndim for t in tensors):
        raise RuntimeError(
            "cat: tensors without dimensions cannot be concatenated, got "
            f"{', '.join(str(t.aval) for t in tensors)}; use stack"
        )
    dtype = result_type(*tensors)
    # A vector of nothing fits everywhere, as it did before PyTorch had other empty tensors.
    lines = all(t.ndim == 1 for t in tensors)
    some = [t for t in tensors if lines or t.aval.shape != (0,)]
    parts = [as_tensor_like(t, dtype, t) for t in some]
    return owned(ops.concat(parts, normalize_axis(dim, parts[0].ndim, "cat")), *parts)


@function
def stack(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Joins tensors along a new dimension.

    Raises:
        RuntimeError: for an empty list.
    """
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    return cat([t.unsqueeze(dim) for t in tensors], dim)


@function
def hstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joins tensors along axis 1 (axis 0 for vectors)."""
    listed = [x.reshape(1) if x.ndim == 0 else x for x in tensors]
    return cat(listed, 0 if listed[0].ndim == 1 else 1)


@function
def vstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joins tensors along axis 0; vectors become rows."""
    return cat([x.reshape(1, -1) if x.ndim < 2 else x for x in tensors], 0)


@function
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All tensors in their common shape."""
    shape = broadcast_shapes(*(x.aval.shape for x in tensors))
    return tuple(x if x.aval.shape == shape else x.expand(*shape) for x in tensors)


@function
def broadcast_shapes(*shapes: Any) -> Size:
    """The common shape of tensors that are combined element by element.

    Raises:
        RuntimeError: if two sizes differ and neither is 1.
    """
    try:
        listed = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
        return Size(common_shape("broadcast_shapes", listed))
    except TypeMismatch as error:
        raise RuntimeError(str(error)) from None


@function
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Grids of coordinates; ``indexing`` is ``"ij"`` (also if None) or ``"xy"``."""
    lines = list(
        tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors
    )
    if any(t.dtype is not lines[0].dtype for t in lines):
        raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    if any(t.ndim > 1 for t in lines):
        raise RuntimeError(
            "meshgrid: expected tensors of one axis or none, got "
            f"{', '.join(str(t.aval) for t in lines)}"
        )
    swap = indexing == "xy" and len(lines) > 1
    if swap:
        lines[0], lines[1] = lines[1], lines[0]
    sizes = [t.numel() for t in lines]
    grids = [
        t.reshape([-1 if a == i else 1 for a in range(len(lines))]).expand(*sizes)
        for i, t in enumerate(lines)
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@function
def atleast_1d(*tensors: Any) -> Any:
    """A tensor without axes gets one; of several tensors, each."""
    return _each(lambda t: t if t.ndim else t.reshape(1), tensors)


@function
def atleast_2d(*tensors: Any) -> Any:
    """A tensor with fewer than two axes becomes a row; of several tensors, each."""
    return _each(lambda t: t if t.ndim > 1 else t.reshape(1, -1), tensors)


@function
def atleast_3d(*tensors: Any) -> Any:
    """A vector becomes ``[1, N, 1]``, a matrix ``[N, M, 1]``; of several tensors, each."""
    return _each(lambda t: t if t.ndim > 2 else _deep(t), tensors)


def _deep(x: Tensor) -> Tensor:
    return x.unsqueeze(-1) if x.ndim == 2 else x.reshape(1, -1, 1)


def _each(change: Callable[[Tensor], Tensor], tensors: tuple[Any, ...]) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return change(tensors[0])
    listed = tensors[0] if len(tensors) == 1 else tensors
    return tuple(change(t) for t in listed)


concat = concatenate = cat
