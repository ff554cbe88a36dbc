"""PyTorch's top-level functions of several tensors: joins, choices, sums of products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from nngraph import ops
from nngraph.frontend.base import TensorBase
from nngraph.frontend.promotion import Operand, as_tensor_like, promoted, result_type
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import bool_
from nngraph.ops.core import normalize_axis

__all__ = [
    "cat",
    "concat",
    "concatenate",
    "einsum",
    "is_tensor",
    "meshgrid",
    "numel",
    "stack",
    "where",
]


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Joins tensors along an existing dimension.

    Raises:
        ValueError: for an empty list.
    """
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    dtype = result_type(*tensors)
    parts = [as_tensor_like(t, dtype, t) for t in tensors]
    return ops.concat(parts, normalize_axis(dim, parts[0].ndim, "cat"))


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Joins tensors along a new dimension.

    Raises:
        RuntimeError: for an empty list.
    """
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    return cat([t.unsqueeze(dim) for t in tensors], dim)


@overload
def where(condition: Tensor, input: Operand, other: Operand) -> Tensor: ...
@overload
def where(condition: Tensor) -> tuple[Tensor, ...]: ...
def where(condition: Tensor, input: Operand | None = None, other: Operand | None = None) -> Any:
    """``input`` where the condition holds, ``other`` elsewhere; alone, where it holds (eager)."""
    if input is None or other is None:
        return condition.nonzero(as_tuple=True)
    if condition.dtype is not bool_:
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with "
            f"dtype {condition.dtype.name}"
        )
    if isinstance(input, TensorBase) or isinstance(other, TensorBase):
        return ops.where(condition, *promoted(input, other))
    dtype = result_type(input, other)
    return ops.where(condition, *(as_tensor_like(v, dtype, condition) for v in (input, other)))


def einsum(equation: str, *operands: Any) -> Tensor:
    """Sums of products named by letters.

    Raises:
        RuntimeError: if the equation does not fit the operands.
    """
    from nngraph.frontend.einsum import einsum as run

    listed = (
        operands[0] if len(operands) == 1 and isinstance(operands[0], list | tuple) else operands
    )
    return run(equation, *listed)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Grids of coordinates; ``indexing`` is ``"ij"`` or ``"xy"``."""
    lines = list(
        tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors
    )
    if any(t.dtype is not lines[0].dtype for t in lines):
        raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    swap = indexing == "xy" and len(lines) > 1
    if swap:
        lines[0], lines[1] = lines[1], lines[0]
    sizes = [t.numel() for t in lines]
    grids = [
        t.reshape([-1 if a == i else 1 for a in range(len(lines))]).expand(*sizes)
        for i, t in enumerate(lines)
    ]
    if swap:
        grids = [g.transpose(0, 1) for g in grids]
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


def is_tensor(value: object) -> bool:
    """True for tensors."""
    return isinstance(value, Tensor)


def numel(input: Tensor) -> Any:
    """The number of elements."""
    return input.numel()


concat = concatenate = cat
