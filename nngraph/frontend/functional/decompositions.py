"""Factors and powers of matrices (``ng.linalg`` has them, too)."""

from __future__ import annotations

from nngraph import ops
from nngraph.frontend.functional.matrices import need_matrix, need_square
from nngraph.frontend.functional.systems import identity_like, inverted
from nngraph.frontend.functional.variants import both, function
from nngraph.frontend.limits import finfo
from nngraph.frontend.modes import is_grad_enabled
from nngraph.frontend.tensor import QR, SVD, Tensor
from nngraph.ops.composite import wide

__all__ = ["chain_matmul", "matrix_exp", "matrix_power", "pinverse", "qr", "svd"]

#: Coefficients of Padé's approximant of degree 13 to exp.
_PADE = (
    64764752532480000,
    32382376266240000,
    7771770303897600,
    1187353796428800,
    129060195264000,
    10559470521600,
    670442572800,
    33522128640,
    1323241920,
    40840800,
    960960,
    16380,
    182,
    1,
)
_REACH = 4.25  # norms for which it keeps the digits of float64
_SQUARINGS = 12


@both
def qr(input: Tensor, some: bool = True, *, out: tuple[Tensor, Tensor] | None = None) -> QR:
    """``linalg.qr``; all columns of Q unless ``some``."""
    return factored(input, not some)


def factored(input: Tensor, complete: bool) -> QR:
    """Q and R; complete, Q is square.

    Raises:
        RuntimeError: for other than matrices of float32 or float64, and if a gradient would be
            recorded that there is not.
    """
    need_matrix("linalg.qr", input)
    rows, columns = input.aval.shape[-2:]
    if not complete or rows == columns:
        return QR(*ops.qr(input))
    if is_grad_enabled() and input.requires_grad:
        raise RuntimeError(
            "linalg.qr: the QR decomposition has no gradient with mode='complete' for other than "
            f"square matrices, got {input.aval}; write mode='reduced', or input.detach()"
        )
    return QR(*ops.qr_complete(input))


@both
def svd(
    input: Tensor,
    some: bool = True,
    compute_uv: bool = True,
    *,
    out: tuple[Tensor, Tensor, Tensor] | None = None,
) -> SVD:
    """``linalg.svd`` with V in place of its transpose; zeros unless ``compute_uv``."""
    need_matrix("linalg.svd", input)
    u, s, vh = ops.svd(input, not (some or not compute_uv))
    if compute_uv:
        return SVD(u, s, vh.mT)
    *batch, rows, columns = input.shape
    return SVD(input.new_zeros(*batch, rows, rows), s, input.new_zeros(*batch, columns, columns))


@both
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """``linalg.pinv``; singular values up to ``rcond`` times the largest count as zero."""
    need_matrix("linalg.pinv", input)
    return ops.pinv(input, 0.0, float(rcond))


def least_ratio(input: Tensor) -> float:
    """Of singular values, below which they count as zero."""
    rows, columns = input.aval.static_shape[-2:]
    return max(rows, columns) * finfo(input.dtype).eps


@both
def matrix_power(input: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """The product of ``n`` times the matrix; of -n times its inverse if n is negative.

    Raises:
        RuntimeError: for other than square matrices.
    """
    if input.ndim < 2 or input.aval.shape[-1] != input.aval.shape[-2] or n < 0:
        need_square("linalg.matrix_power" if n >= 0 else "linalg.inv", input)
    if n == 0:
        return identity_like(input).clone()
    factor = inverted(input, True) if n < 0 else input
    return _power(factor, abs(n)) if abs(n) > 1 else factor.clone()


def _power(x: Tensor, n: int) -> Tensor:
    if n == 1:
        return x
    half = _power(x, n // 2)
    return half @ half @ x if n % 2 else half @ half


@both
def matrix_exp(input: Tensor) -> Tensor:
    """The sum of ``A^k / k!``, by Padé's approximant of a part that is squared again.

    A matrix whose 1-norm is beyond 17,000 has NaN.

    Raises:
        RuntimeError: for other than square matrices of floating point numbers.

    Source: Higham, "The scaling and squaring method for the matrix exponential revisited", 2005
    """
    x = wide(input)
    need_square("linalg.matrix_exp", x)
    if x.aval.shape[-1] == 0:
        return input.clone()
    norm = x.detach().abs().sum(-2).amax(-1)[..., None, None]
    halvings = (norm / _REACH).log2().ceil().clamp(0, _SQUARINGS)
    found = _pade(x * (-halvings).exp2())
    for k in range(_SQUARINGS):
        found = (found @ found).where(halvings.gt(k), found)
    beyond = norm.gt(_REACH * 2**_SQUARINGS)
    return found.masked_fill(beyond, float("nan")).to(input.dtype)


def _pade(x: Tensor) -> Tensor:
    """Solves ``(V - U) R = V + U``, of odd and even powers of x."""
    one = identity_like(x)
    x2 = x @ x
    x4 = x2 @ x2
    x6 = x4 @ x2
    b = [float(c) for c in _PADE]
    odd = x6 @ (x6 * b[13] + x4 * b[11] + x2 * b[9]) + x6 * b[7] + x4 * b[5] + x2 * b[3]
    u = x @ (odd + one * b[1])
    even = x6 @ (x6 * b[12] + x4 * b[10] + x2 * b[8])
    v = even + x6 * b[6] + x4 * b[4] + x2 * b[2] + one * b[0]
    return ops.solve(v - u, v + u, "")


@function
def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of matrices, from left to right."""
    found = matrices[0]
    for matrix in matrices[1:]:
        found = found.mm(matrix)
    return found
