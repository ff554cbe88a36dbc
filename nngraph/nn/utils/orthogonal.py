"""Orthogonal matrices as functions of free ones, composed of products that every backend has."""

from __future__ import annotations

import math
from enum import Enum, auto
from typing import Any

import numpy as np

from nngraph.frontend.custom import Function
from nngraph.frontend.functional.creation import eye, zeros_like
from nngraph.frontend.functional.data import from_array
from nngraph.frontend.functional.joining import cat
from nngraph.frontend.functional.random import randn
from nngraph.frontend.functional.selection import where
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional import pad
from nngraph.nn.modules.module import Module

__all__ = ["OrthMaps"]

#: The Taylor polynomial of degree 18 is exact to float64 below this norm, and 2^10 times it is
#: the largest norm that is taken.
_THETA = 1.09
_SQUARINGS = 10
#: Newton's method doubles the digits each time, once the condition number is overcome.
_NEWTON = 30


class OrthMaps(Enum):
    """How a free matrix becomes an orthogonal one."""

    matrix_exp = auto()
    cayley = auto()
    householder = auto()


class _Orthogonal(Module):
    """The parametrization of ``nn.utils.parametrizations.orthogonal``.

    Attributes:
        base: the matrix that the current value is multiplied by, so that it starts at the identity;
            there is none without trivialization.
    """

    base: Tensor

    def __init__(
        self, weight: Tensor, orthogonal_map: OrthMaps, *, use_trivialization: bool = True
    ) -> None:
        super().__init__()
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        n, k = X.shape[-2:]
        wide = n < k
        X = X.mT if wide else X
        n, k = max(n, k), min(n, k)
        if self.orthogonal_map is OrthMaps.householder:
            Q = _by_reflections(X)
        else:
            X = pad(X.tril(), (0, n - k))
            A = X - X.mT
            exp = self.orthogonal_map is OrthMaps.matrix_exp
            Q = (_matrix_exp(A) if exp else _cayley(A))[..., :k]
        if "base" in self._buffers:
            Q = self.base @ Q
        return Q.mT if wide else Q

    def right_inverse(self, Q: Tensor) -> Tensor:
        """The free matrix for an orthogonal one; others are made orthogonal first.

        Raises:
            ValueError: for another shape.
            NotImplementedError: without trivialization, but for reflections.
        """
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of "
                f"shape {Q.shape}."
            )
        with no_grad():
            wide = Q.shape[-2] < Q.shape[-1]
            tall = Q.mT if wide else Q
            if "base" not in self._buffers:
                return self._reflections_of(tall, wide)
            self.base = _completed(tall)
            return zeros_like(Q) - eye(*Q.shape[-2:], dtype=Q.dtype)

    def _reflections_of(self, tall: Tensor, wide: bool) -> Tensor:
        if self.orthogonal_map is not OrthMaps.householder:
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley "
                "parametrizations when use_trivialization=False."
            )
        array, tau = _reflections(tall)
        diagonal = np.sign(np.diagonal(array, axis1=-2, axis2=-1))
        signs = np.where(tau == 0, -diagonal, diagonal)
        k = array.shape[-1]
        array[..., np.arange(k), np.arange(k)] = signs
        found = from_array(array).to(tall.dtype)
        return found.mT if wide else found


# -- maps ----------------------------------------------------------------------------------------
def _by_reflections(X: Tensor) -> Tensor:
    """The first columns of a product of reflections, with the signs of the diagonal.

    ``H1 ... Hk = I - V T V'`` with ``T`` upper triangular (Schreiber and Van Loan, 1989): products
    instead of one reflection after the other.
    """
    n, k = X.shape[-2:]
    A = X.tril(-1)
    tau = 2.0 / (1.0 + (A * A).sum(dim=-2))
    V = A + eye(n, k, dtype=X.dtype)
    unit = eye(k, dtype=X.dtype) + tau.unsqueeze(-1) * (V.mT @ V).triu(1)
    T = _TriangularInverse.apply(unit) * tau.unsqueeze(-2)
    Q = eye(n, k, dtype=X.dtype) - V @ (T @ V[..., :k, :].mT)
    signs = X.detach().diagonal(dim1=-2, dim2=-1).trunc()
    made: Tensor = Q * signs.unsqueeze(-2)
    return made


def _matrix_exp(A: Tensor) -> Tensor:
    """The exponential: a polynomial of ``A / 2^s``, squared ``s`` times; NaN for huge norms."""
    norm = A.detach().abs().sum(-2).amax(-1)[..., None, None]
    steps = (norm / _THETA).clamp(min=1e-30).log2().ceil().clamp(min=0.0)
    x = A * (-steps.clamp(max=float(_SQUARINGS))).exp2()
    identity = eye(A.shape[-1], dtype=A.dtype)
    powers = [identity, x, x @ x]
    cube = powers[2] @ x
    made = zeros_like(A)
    for block in reversed(range(7)):  # Horner's scheme in the cube
        part = sum(
            (p / math.factorial(3 * block + i) for i, p in enumerate(powers) if 3 * block + i < 19),
            start=zeros_like(A),
        )
        made = part if block == 6 else made @ cube + part
    for step in range(_SQUARINGS):
        made = where(steps > step, made @ made, made)
    nothing = zeros_like(made) + math.nan
    return where(steps <= _SQUARINGS, made, nothing)


def _cayley(A: Tensor) -> Tensor:
    """``(I - A/2)^-1 (I + A/2)`` of a skew-symmetric matrix."""
    identity = eye(A.shape[-1], dtype=A.dtype)
    plus = identity + 0.5 * A
    # (I - A/2)^-1 = (I + A/2) (I - A^2/4)^-1, and that is symmetric and positive definite.
    made: Tensor = plus @ _PositiveInverse.apply(identity - 0.25 * (A @ A)) @ plus
    return made


class _Inverse(Function):
    """An inverse, with the gradient that inverses have."""

    @staticmethod
    def invert(m: Tensor) -> Tensor:
        """Computes it."""
        raise NotImplementedError

    @classmethod
    def _forward(cls, ctx: Any, m: Tensor) -> Tensor:
        made = cls.invert(m)
        ctx.save_for_backward(made)
        return made

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (made,) = ctx.saved_tensors
        found: Tensor = -(made.mT @ grad @ made.mT)
        return found


class _TriangularInverse(_Inverse):
    """Of unit upper triangular matrices, by blocks that double in size."""

    @staticmethod
    def forward(ctx: Any, m: Tensor) -> Tensor:
        return _TriangularInverse._forward(ctx, m)

    @staticmethod
    def invert(m: Tensor) -> Tensor:
        k = m.shape[-1]
        size = 1 << (k - 1).bit_length() if k > 1 else 1
        m = pad(m, (0, size - k, 0, size - k))
        batch = m.shape[:-2]
        made = (zeros_like(m[..., 0]) + 1.0)[..., None, None]
        half = 1
        while half < size:
            count = size // (2 * half)
            blocks = m.reshape(*batch, count, 2 * half, count, 2 * half)
            blocks = blocks.diagonal(dim1=-4, dim2=-2).movedim(-1, -3)
            first, last = made[..., 0::2, :, :], made[..., 1::2, :, :]
            corner = -(first @ blocks[..., :half, half:] @ last)
            top = cat([first, corner], -1)
            made = cat([top, cat([zeros_like(corner), last], -1)], -2)
            half *= 2
        return made[..., 0, :k, :k]


class _PositiveInverse(_Inverse):
    """Of symmetric matrices with eigenvalues of 1 and more, by Newton's method; NaN if it fails."""

    @staticmethod
    def forward(ctx: Any, m: Tensor) -> Tensor:
        return _PositiveInverse._forward(ctx, m)

    @staticmethod
    def invert(m: Tensor) -> Tensor:
        identity = eye(m.shape[-1], dtype=m.dtype)
        largest = m.abs().sum(-2).amax(-1)[..., None, None]
        made = identity * (2.0 / (1.0 + largest))
        for _ in range(_NEWTON):
            made = made @ (2.0 * identity - m @ made)
        left = (identity - m @ made).abs().amax((-2, -1))[..., None, None]
        return where(left < 1e-2, made, zeros_like(made) + math.nan)


# -- from a matrix; these look at numbers --------------------------------------------------------
def _reflections(tall: Tensor) -> tuple[Any, Any]:
    """LAPACK's ``geqrf``: reflections below the diagonal, and their scales."""
    array, tau = np.linalg.qr(tall.detach().numpy().astype(np.float64), mode="raw")
    return np.swapaxes(array, -2, -1).copy(), tau


def _completed(tall: Tensor) -> Tensor:
    """A square orthogonal matrix whose first columns span those of a tall one."""
    n, k = tall.shape[-2:]
    if n == k:
        array = tall.detach().numpy().astype(np.float64)
        error = np.swapaxes(array, -2, -1) @ array - np.eye(n)
        eps = np.finfo(tall.detach().numpy().dtype).eps
        if np.allclose(error, 0, atol=10 * n * eps):
            return tall.detach().clone()
    else:
        rest = randn(*tall.shape[:-2], n, n - k, dtype=tall.dtype)
        tall = cat([tall, rest], -1)
    q, r = np.linalg.qr(tall.detach().numpy().astype(np.float64))
    signs = np.sign(np.diagonal(r, axis1=-2, axis2=-1))
    return from_array(q * signs[..., None, :]).to(tall.dtype)
