"""Linear systems, inverses, determinants, Cholesky factors (``ng.linalg`` has them, too)."""

from __future__ import annotations

from nngraph import ops
from nngraph.frontend.functional.creation import eye
from nngraph.frontend.functional.matrices import (
    broadcast_batches,
    need_matrix,
    need_same_matrices,
    need_square,
)
from nngraph.frontend.functional.variants import both
from nngraph.frontend.tensor import SignAndLog, Tensor

# fmt: off
__all__ = [
    "cholesky", "cholesky_inverse", "cholesky_solve", "det", "inverse", "logdet", "slogdet",
]
# fmt: on


def identity_like(x: Tensor) -> Tensor:
    """An identity matrix for each square matrix of ``x``."""
    return eye(x.shape[-1], dtype=x.dtype).expand(*x.shape)


def solved(name: str, a: Tensor, b: Tensor, left: bool, checked: bool = True) -> Tensor:
    """X of ``a X = b``, or of ``X a = b``; batches broadcast."""
    need_same_matrices(name, a, b, left)
    a, b = broadcast_batches(a, b)
    what = name if checked else ""
    return ops.solve(a, b, what) if left else ops.solve(a, b.mT, what, True).mT


def solved_triangular(a: Tensor, b: Tensor, upper: bool, left: bool, unit: bool) -> Tensor:
    """``solved`` with a triangle of ``a``."""
    need_same_matrices("linalg.solve_triangular", a, b, left)
    a, b = broadcast_batches(a, b)
    if left:
        return ops.solve_triangular(a, b, upper, False, unit)
    return ops.solve_triangular(a, b.mT, upper, True, unit).mT


@both
def cholesky(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The triangle L of ``input = L L^T``, or U of ``U^T U``; batches of them.

    One triangle of the input is read: the one that the result has.

    Raises:
        RuntimeError: for other than square matrices of float32 or float64.
        LinAlgError: if a matrix is not positive definite.
    """
    return lower_factor(input, upper, True)


def lower_factor(input: Tensor, upper: bool, checked: bool) -> Tensor:
    """Cholesky's factor; unchecked it is NaN from the minor on that is not positive definite."""
    need_square("linalg.cholesky", input)
    low: Tensor = ops.cholesky(ops.symmetric(input.mT if upper else input), checked)
    return low.mT if upper else low


@both
def cholesky_solve(
    input: Tensor, input2: Tensor, upper: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """X of ``A X = input``, given the Cholesky factor ``input2`` of A.

    Raises:
        RuntimeError: for shapes and dtypes that do not fit.
    """
    need_matrix("cholesky_solve", input, "B")
    need_same_matrices("cholesky_solve", input2, input)
    factor, b = broadcast_batches(input2, input)
    first = ops.solve_triangular(factor, b, upper, upper)
    return ops.solve_triangular(factor, first, upper, not upper)


@both
def cholesky_inverse(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The inverse of A, given its Cholesky factor."""
    need_square("cholesky_inverse", input)
    return cholesky_solve(identity_like(input), input, upper)


@both
def inverse(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverse of each matrix.

    Raises:
        RuntimeError: for other than square matrices of float32 or float64.
        LinAlgError: if a matrix is singular.
    """
    return inverted(input, True)


def inverted(input: Tensor, checked: bool) -> Tensor:
    """Inverses; unchecked those of singular matrices are NaN."""
    need_square("linalg.inv", input)
    return ops.solve(input, identity_like(input), "linalg.inv" if checked else "")


@both
def det(input: Tensor) -> Tensor:
    """The determinant of each matrix."""
    need_square("linalg.det", input)
    return ops.det(input)


@both
def slogdet(input: Tensor, *, out: tuple[Tensor, Tensor] | None = None) -> SignAndLog:
    """The sign of each determinant, and the logarithm of its size."""
    need_square("linalg.slogdet", input)
    return SignAndLog(*ops.slogdet(input))


@both
def logdet(input: Tensor) -> Tensor:
    """The logarithm of each determinant, NaN of negative ones."""
    need_square("logdet", input)
    sign, log = ops.slogdet(input)
    return log.masked_fill(sign.lt(0), float("nan"))
