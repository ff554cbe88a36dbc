"""Orthogonal factors, eigenvalues, singular values, and what follows from them."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

from nngraph import ops
from nngraph.frontend.absent import COMPLEX
from nngraph.frontend.functional.decompositions import factored, least_ratio
from nngraph.frontend.functional.matrices import broadcast_batches, need_matrix, need_square
from nngraph.frontend.functional.variants import function
from nngraph.frontend.tensor import QR, Tensor

# fmt: off
__all__ = [
    "eig", "eigh", "eigvals", "eigvalsh", "lstsq", "matrix_rank", "pinv", "qr", "svd", "svdvals",
]
# fmt: on


class Eigen(NamedTuple):
    """What ``eigh`` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class Singular(NamedTuple):
    """What ``svd`` returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class LeastSquares(NamedTuple):
    """What ``lstsq`` returns."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


@function
def qr(A: Tensor, mode: str = "reduced", *, out: tuple[Tensor, Tensor] | None = None) -> QR:
    """Q of orthonormal columns and the upper triangle R with ``A = Q R``.

    Args:
        A: ``[..., m, n]``.
        mode: ``"reduced"`` (``Q [..., m, k]``, k the lesser size), ``"complete"`` (k is m) or
            ``"r"`` (Q is empty).
        out: where to write.
    """
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), "
            "'r', or 'complete'"
        )
    q, r = factored(A, mode == "complete")
    return QR(A.new_empty(0) if mode == "r" else q, r)


def _symmetric(name: str, A: Tensor, UPLO: str) -> Tensor:
    need_square(name, A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    found: Tensor = ops.symmetric(A if UPLO.upper() == "L" else A.mT)
    return found


@function
def eigh(A: Tensor, UPLO: str = "L", *, out: tuple[Tensor, Tensor] | None = None) -> Eigen:
    """Eigenvalues, ascending, and eigenvectors (columns) of symmetric matrices; eager only.

    Args:
        A: ``[..., n, n]``.
        UPLO: which triangle is read.
        out: where to write.
    """
    return Eigen(*ops.eigh(_symmetric("linalg.eigh", A, UPLO)))


@function
def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of ``eigh``."""
    return ops.eigh(_symmetric("linalg.eigvalsh", A, UPLO))[0]


@function
def eig(A: Tensor, *, out: Any = None) -> NoReturn:
    """Refused: the eigenvalues of general matrices are complex."""
    raise NotImplementedError(f"linalg.eig (of a symmetric matrix, linalg.eigh is real): {COMPLEX}")


@function
def eigvals(A: Tensor, *, out: Any = None) -> NoReturn:
    """Refused: the eigenvalues of general matrices are complex."""
    raise NotImplementedError(
        f"linalg.eigvals (of a symmetric matrix, linalg.eigvalsh is real): {COMPLEX}"
    )


@function
def svd(
    A: Tensor,
    full_matrices: bool = True,
    *,
    driver: str | None = None,
    out: tuple[Tensor, Tensor, Tensor] | None = None,
) -> Singular:
    """U, S (descending) and Vh with ``A = U diag(S) Vh``; eager only.

    Args:
        A: ``[..., m, n]``.
        full_matrices: U and Vh are square; the vectors beyond S have no gradient.
        driver: NumPy has one.
        out: where to write.

    Raises:
        LinAlgError: for NaN and infinities.
    """
    need_matrix("linalg.svd", A)
    return Singular(*ops.svd(A, full_matrices))


@function
def svdvals(A: Tensor, *, driver: str | None = None, out: Tensor | None = None) -> Tensor:
    """The singular values, descending; eager only."""
    need_matrix("linalg.svdvals", A)
    return ops.svd(A)[1]


def _number(value: Any) -> float:
    return float(value.item() if isinstance(value, Tensor) else value)


def _tolerances(A: Tensor, atol: Any, rtol: Any) -> tuple[float, float]:
    """Absolute and relative; the latter follows from the dtype where none is given."""
    least = 0.0 if atol is None else _number(atol)
    if rtol is not None:
        return least, _number(rtol)
    return least, 0.0 if least > 0 else least_ratio(A)


@function
def matrix_rank(
    A: Tensor,
    tol: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """How many singular values are not zero (int64); eager only.

    Args:
        A: ``[..., m, n]``.
        tol: as ``atol``, with no relative one.
        hermitian: A is symmetric; its lower triangle is read.
        atol, rtol: singular values up to the greater of ``atol`` and ``rtol`` times the largest
            count as zero.
        out: where to write.
    """
    need_matrix("linalg.matrix_rank", A)
    if 0 in A.aval.shape[-2:]:
        return A.detach().flatten(-2).ne(0).sum(-1)
    found = A.detach()
    values = eigvalsh(found).abs() if hermitian else svdvals(found)
    least, ratio = (_number(tol), 0.0) if tol is not None else _tolerances(A, atol, rtol)
    cutoff = (values.amax(-1, keepdim=True) * ratio).clamp(min=least)
    return values.gt(cutoff).sum(-1)


@function
def pinv(
    A: Tensor,
    rcond: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """The pseudoinverse (Moore-Penrose); eager only.

    Args:
        A: ``[..., m, n]``.
        rcond: as ``rtol``.
        hermitian: A is symmetric; its lower triangle is read.
        atol, rtol: singular values up to the greater of ``atol`` and ``rtol`` times the largest
            count as zero.
        out: where to write.
    """
    need_matrix("linalg.pinv", A)
    x = _symmetric("linalg.pinv", A, "L") if hermitian else A
    return ops.pinv(x, *_tolerances(A, atol, rtol if rcond is None else rcond))


@function
def lstsq(
    A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None
) -> LeastSquares:
    """X of the least ``|A X - B|``, and of those the one of the least norm.

    Args:
        A: ``[..., m, n]``.
        B: ``[..., m, k]``, or a vector for each matrix.
        rcond: singular values up to it times the largest count as zero.
        driver: ``"gels"`` takes A of full rank, and compiles; the others (``"gelsy"`` if None)
            are eager only.

    Returns:
        The solution; the sums of the squares of ``A X - B``, the rank and the singular values, as
        far as the driver gives them: else they are empty.

    Raises:
        RuntimeError: for shapes and dtypes that do not fit.
        LinAlgError: by ``"gels"``, if A is not of full rank.
    """
    need_matrix("linalg.lstsq", A)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), "
            f"got {driver}"
        )
    if A.dtype is not B.dtype:
        raise RuntimeError(
            "linalg.lstsq: Expected input and other to have the same dtype, but got "
            f"{A.dtype.name} and {B.dtype.name}"
        )
    vector = B.ndim == A.ndim - 1
    a, b = broadcast_batches(A, B.unsqueeze(-1) if vector else B)
    if a.aval.shape[-2] != b.aval.shape[-2]:
        raise RuntimeError(
            f"linalg.lstsq: A is {A.aval} and B {B.aval}; they must have as many rows"
        )
    x = _of_full_rank(a, b) if driver == "gels" else _by_pinv(a, b, rcond)
    return LeastSquares(x.squeeze(-1) if vector else x, *_facts(a, b, x, rcond, driver))


def _of_full_rank(a: Tensor, b: Tensor) -> Tensor:
    """By Q and R of A, or of its transpose where that is tall."""
    tall = a.shape[-2] >= a.shape[-1]
    q, r = ops.qr(a if tall else a.mT)
    regular = r.diagonal(0, -2, -1).ne(0).all()
    text = (
        "torch.linalg.lstsq: The least squares solution could not be computed because the input "
        "matrix does not have full rank"
    )
    r = ops.require(r, regular, text)
    if tall:
        return ops.solve_triangular(r, q.mT @ b, True)
    return q @ ops.solve_triangular(r, b, True, True)


def _by_pinv(a: Tensor, b: Tensor, rcond: float | None) -> Tensor:
    return ops.pinv(a, 0.0, least_ratio(a) if rcond is None else rcond) @ b


def _facts(
    a: Tensor, b: Tensor, x: Tensor, rcond: float | None, driver: str | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Residuals, rank, singular values."""
    none = a.new_empty(0)
    rows, columns = a.aval.static_shape[-2:]
    rank = none.long() if driver == "gels" else matrix_rank(a, rtol=rcond)
    by_values = driver in ("gelsd", "gelss")
    full = driver == "gels" or (by_values and bool(rank.eq(columns).all()))
    residuals = (a @ x - b).square().sum(-2) if full and rows > columns else none
    return residuals, rank, svdvals(a) if by_values else none
