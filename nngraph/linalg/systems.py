"""Linear systems, inverses, determinants, Cholesky factors."""

from __future__ import annotations

from typing import NamedTuple

from nngraph import ops
from nngraph.frontend.functional.systems import inverted, lower_factor, solved, solved_triangular
from nngraph.frontend.functional.variants import function
from nngraph.frontend.tensor import SignAndLog, Size, Tensor
from nngraph.ir.dtypes import int32

# fmt: off
__all__ = [
    "cholesky", "cholesky_ex", "det", "inv", "inv_ex", "slogdet", "solve", "solve_ex",
    "solve_triangular", "tensorinv", "tensorsolve",
]
# fmt: on


class Factor(NamedTuple):
    """What ``cholesky_ex`` returns."""

    L: Tensor
    info: Tensor


class Inverse(NamedTuple):
    """What ``inv_ex`` returns."""

    inverse: Tensor
    info: Tensor


class Solution(NamedTuple):
    """What ``solve_ex`` returns."""

    result: Tensor
    info: Tensor


@function
def cholesky(A: Tensor, *, upper: bool = False, out: Tensor | None = None) -> Tensor:
    """The triangle L of ``A = L L^T``, or U of ``U^T U``; ``[..., n, n]``.

    Raises:
        RuntimeError: for other than square matrices of float32 or float64.
        LinAlgError: if a matrix is not positive definite.
    """
    return lower_factor(A, upper, True)


@function
def cholesky_ex(
    A: Tensor, *, upper: bool = False, check_errors: bool = False, out: Tensor | None = None
) -> Factor:
    """``cholesky``, and 0 or the order of the leading minor that is not positive definite."""
    factor = lower_factor(A, upper, check_errors)
    bad = factor.detach().diagonal(0, -2, -1).gt(0).logical_not()
    order = bad.to(int32).argmax(-1) + 1 if A.shape[-1] else bad.sum(-1)
    return Factor(factor, order.masked_fill(bad.any(-1).logical_not(), 0).to(int32))


@function
def inv(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverse of each matrix.

    Raises:
        RuntimeError: for other than square matrices of float32 or float64.
        LinAlgError: if a matrix is singular.
    """
    return inverted(A, True)


@function
def inv_ex(A: Tensor, *, check_errors: bool = False, out: Tensor | None = None) -> Inverse:
    """``inv``, which is NaN for singular matrices, and which pivot is zero, from 1 (0: none)."""
    return Inverse(inverted(A, check_errors), ops.zero_pivot(A.detach()))


@function
def det(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The determinant of each matrix."""
    return A.det()


@function
def slogdet(A: Tensor, *, out: tuple[Tensor, Tensor] | None = None) -> SignAndLog:
    """The sign of each determinant, and the logarithm of its size."""
    found: SignAndLog = A.slogdet()
    return found


@function
def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Tensor | None = None) -> Tensor:
    """X of ``A X = B`` (of ``X A = B`` unless ``left``); batches broadcast.

    ``B`` is a vector if it has one dimension, or the shape of ``A`` without its last one.

    Raises:
        RuntimeError: for shapes and dtypes that do not fit.
        LinAlgError: if a matrix is singular.
    """
    return _solved(A, B, left, True)


def _solved(A: Tensor, B: Tensor, left: bool, checked: bool) -> Tensor:
    if B.ndim != 1 and B.aval.shape != A.aval.shape[:-1]:
        return solved("linalg.solve", A, B, left, checked)
    if not left:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for "
            "left=False. In this case linalg.solve is equivalent to B / A.squeeze(-1)"
        )
    return solved("linalg.solve", A, B.unsqueeze(-1), True, checked).squeeze(-1)


@function
def solve_ex(
    A: Tensor,
    B: Tensor,
    *,
    left: bool = True,
    check_errors: bool = False,
    out: Tensor | None = None,
) -> Solution:
    """``solve``, which is NaN for singular matrices, and which pivot is zero, from 1 (0: none)."""
    return Solution(_solved(A, B, left, check_errors), ops.zero_pivot(A.detach()))


@function
def solve_triangular(
    A: Tensor,
    B: Tensor,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """X of ``A X = B`` (of ``X A = B`` unless ``left``) with a triangle of ``A``.

    Args:
        A: ``[..., n, n]``; the other triangle, and the diagonal of ``unitriangular``, are unread.
        B: ``[..., n, k]``; batches broadcast.
        upper: which triangle.
        left: on which side ``A`` stands.
        unitriangular: the diagonal is ones.

    A zero on the diagonal gives infinity or NaN.

    Raises:
        RuntimeError: for shapes and dtypes that do not fit.
    """
    return solved_triangular(A, B, upper, left, unitriangular)


@function
def tensorinv(A: Tensor, ind: int = 2, *, out: Tensor | None = None) -> Tensor:
    """The inverse of ``tensordot(A, ., A.ndim - ind)``; ``ind`` splits the dimensions of A.

    Raises:
        RuntimeError: if the sizes before and after ``ind`` have different products.
    """
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', got {ind}")
    before, after = Size(A.shape[:ind]), Size(A.shape[ind:])
    if before.numel() != after.numel():
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {after.numel()} != {before.numel()}"
        )
    return inverted(A.reshape(before.numel(), -1), True).reshape(*after, *before)


@function
def tensorsolve(
    A: Tensor, B: Tensor, dims: tuple[int, ...] | None = None, *, out: Tensor | None = None
) -> Tensor:
    """X of ``tensordot(A, X, X.ndim) = B``; ``dims`` of A are first moved to the end.

    Raises:
        RuntimeError: if A, as a matrix, is not square.
    """
    if dims is not None:
        A = A.movedim(dims, tuple(range(A.ndim - len(dims), A.ndim)))
    shape = Size(A.shape[B.ndim :])
    if shape.numel() != B.numel():
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {shape.numel()} != {B.numel()}"
        )
    square = A.reshape(B.numel(), B.numel())
    return solve(square, B.flatten()).reshape(*shape)
