"""Which matrices the functions of linear algebra take, and PyTorch's words for the others."""

from __future__ import annotations

from nngraph.frontend.functional.joining import broadcast_shapes
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import float32, float64

__all__ = ["broadcast_batches", "need_matrix", "need_same_matrices", "need_square"]


def need_matrix(name: str, x: Tensor, argument: str = "A") -> None:
    """Refuses what are no matrices of float32 or float64.

    Raises:
        RuntimeError: with the shape or the dtype.
    """
    if x.ndim < 2:
        raise RuntimeError(
            f"{name}: The input tensor {argument} must have at least 2 dimensions, got {x.aval}."
        )
    if not x.dtype.is_floating_point:
        raise RuntimeError(
            f"{name}: Expected a floating point tensor as input. Got {x.dtype.name}; convert it "
            "with .float()"
        )
    if x.dtype not in (float32, float64):
        raise RuntimeError(
            f"{name}: Low precision dtypes not supported. Got {x.dtype.name}; convert it with "
            ".float()"
        )


def need_square(name: str, x: Tensor, argument: str = "A") -> None:
    """Refuses what are no square matrices of float32 or float64.

    Raises:
        RuntimeError: with the shape or the dtype.
    """
    need_matrix(name, x, argument)
    rows, columns = x.aval.shape[-2:]
    if rows != columns:
        raise RuntimeError(
            f"{name}: {argument} must be batches of square matrices, but they are {rows} by "
            f"{columns} matrices"
        )


def need_same_matrices(name: str, a: Tensor, b: Tensor, left: bool = True) -> None:
    """Refuses two operands of a system of equations that do not fit each other.

    Raises:
        RuntimeError: with their dtypes or their shapes.
    """
    need_square(name, a)
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {a.dtype.name} "
            f"and B of type {b.dtype.name} instead"
        )
    need_matrix(name, b, "B")
    if a.aval.shape[-1] != b.aval.shape[-2 if left else -1]:
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {'AX' if left else 'XA'} = B "
            f"({a.aval} and {b.aval})"
        )


def broadcast_batches(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both with the same dimensions before the last two."""
    batch = broadcast_shapes(a.aval.shape[:-2], b.aval.shape[:-2])
    return a.expand(*batch, *a.shape[-2:]), b.expand(*batch, *b.shape[-2:])
