"""Eigenvalues of symmetric matrices, singular values, pseudoinverses: LAPACK's iterations.

No backend that compiles has them, and none of their decompositions would be a fixed number of
steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply, apply1
from nngraph.ir.refusals import LinAlgError
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import unsqueeze
from nngraph.ops.creation import constant, zeros_like
from nngraph.ops.elementwise import add, div, mul, neg, sub, where
from nngraph.ops.factor.matrices import need_matrices, need_square, size_of, swapped
from nngraph.ops.linalg import matmul
from nngraph.ops.shape.slicing import slice_axis

__all__ = ["Eigh", "Pinv", "Svd", "eigh", "pinv", "svd"]

_ADVICE = (
    "it is computed eagerly only: compute it outside of the compiled function and pass the result "
    "in, or use linalg.qr, linalg.cholesky or linalg.solve, which compile"
)


def _eye(x: Any, size: int) -> Any:
    return constant(np.eye(size, dtype=bool), x)


def _gaps(values: Any) -> Any:
    """``values[j] - values[i]`` at ``[i, j]``; 1 on the diagonal."""
    rank, size = values.aval.rank, size_of(values, -1)
    gaps = sub(unsqueeze(values, rank - 1), unsqueeze(values, rank))
    return where(_eye(values, size), 1.0, gaps)


def _diagonal(values: Any) -> Any:
    """Diagonal matrices."""
    rank, size = values.aval.rank, size_of(values, -1)
    return where(_eye(values, size), unsqueeze(values, rank - 1), 0.0)


def _skew(x: Any) -> Any:
    return sub(x, swapped(x))


@dataclass(frozen=True)
class Eigh(Op):
    """Eigenvalues, ascending, and eigenvectors (columns) of the symmetric part of x.

    Source of the gradient: Giles, "An extended collection of matrix derivative results", 2008
    """

    name: ClassVar[str] = "eigh"
    advice: ClassVar[str] = _ADVICE

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        need_square(self.name, "the operand", x)
        return x.with_shape(x.shape[:-1]), x

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        try:
            values, vectors = np.linalg.eigh((x + x.swapaxes(-1, -2)) * x.dtype.type(0.5))
        except np.linalg.LinAlgError:
            return np.full(x.shape[:-1], np.nan, x.dtype), np.full(x.shape, np.nan, x.dtype)
        return values, vectors

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        (values, v), (g, gv) = outputs, grads

        def gradient() -> Any:
            middle = _diagonal(zeros_like(values) if g is None else g)
            if gv is not None:
                turned = mul(_skew(matmul(v, gv, transpose_a=True)), 0.5)
                middle = add(middle, div(turned, _gaps(values)))
            return matmul(matmul(v, middle), v, transpose_b=True)

        return (gradient,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.random.default_rng(6)
        for shape in ((3, 3), (2, 2, 2), (1, 1)):
            x = rng.uniform(-1, 1, shape)
            x = x + x.swapaxes(-1, -2) + 2 * np.diag(np.arange(shape[-1]))
            yield Sample(cls(), (x.astype(np.float32),))
        yield Sample(cls(), (np.zeros((0, 2, 2), np.float32),), note="no matrix")
        yield Sample(cls(), (np.zeros((0, 0), np.float32),), note="no row")


@dataclass(frozen=True)
class Svd(Op):
    """U, S (descending) and V^T of ``x = U diag(S) V^T``.

    Attributes:
        full: with all columns of U and rows of V^T, of which those beyond S have no gradient.

    Source of the gradient: Townsend, "Differentiating the singular value decomposition", 2016
    """

    full: bool = False
    name: ClassVar[str] = "svd"
    advice: ClassVar[str] = _ADVICE

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        need_matrices(self.name, "the operand", x)
        *batch, rows, columns = x.static_shape
        inner = min(rows, columns)
        u, v = (rows, columns) if self.full else (inner, inner)
        shapes = ((*batch, rows, u), (*batch, inner), (*batch, v, columns))
        return tuple(x.with_shape(s) for s in shapes)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        try:
            return tuple(np.linalg.svd(inputs[0], full_matrices=self.full))
        except np.linalg.LinAlgError:
            raise LinAlgError(
                "linalg.svd: The algorithm failed to converge" + _non_finite(inputs[0])
            ) from None

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        u, s, vh = outputs
        axis, inner = u.aval.rank - 1, size_of(s, -1)
        gu, gs, gvh = grads
        u, gu = (None if t is None else slice_axis(t, axis, 0, inner) for t in (u, gu))
        vh, gvh = (None if t is None else slice_axis(t, axis - 1, 0, inner) for t in (vh, gvh))
        return (lambda: _svd_gradient((u, s, vh), (gu, gs, gvh)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.random.default_rng(7)
        for shape in ((3, 2), (2, 3), (2, 2, 2), (1, 1)):
            x = rng.uniform(-1, 1, shape) + 2 * np.diag(np.arange(1, 4))[: shape[-2], : shape[-1]]
            yield Sample(cls(), (x.astype(np.float32),))
        yield Sample(cls(True), (x.astype(np.float32),), note="square")
        tall = rng.uniform(-1, 1, (3, 2)).astype(np.float32)
        yield Sample(cls(True), (tall,), False, "more vectors than values")
        yield Sample(cls(), (np.zeros((0, 2, 2), np.float32),), note="no matrix")
        yield Sample(cls(), (np.zeros((0, 2), np.float32),), note="no row")


def _non_finite(x: Array) -> str:
    return "." if np.isfinite(x).all() else " because the input matrix contained non-finite values."


def _svd_gradient(outputs: Sequence[Any], grads: Sequence[Any]) -> Any:
    (u, s, vh), (gu, gs, gvh) = outputs, grads
    middle = _diagonal(zeros_like(s) if gs is None else gs)
    rank = s.aval.rank
    gaps = _gaps(mul(s, s))
    more: list[Any] = []
    if gu is not None:
        inside = matmul(u, gu, transpose_a=True)
        middle = add(middle, mul(div(_skew(inside), gaps), unsqueeze(s, rank - 1)))
        outside = div(sub(gu, matmul(u, inside)), unsqueeze(s, rank - 1))
        more.append(matmul(outside, vh))
    if gvh is not None:
        inside = matmul(vh, gvh, transpose_b=True)
        middle = add(middle, mul(div(_skew(inside), gaps), unsqueeze(s, rank)))
        outside = div(sub(gvh, matmul(inside, vh, transpose_a=True)), unsqueeze(s, rank))
        more.append(matmul(u, outside))
    found = matmul(matmul(u, middle), vh)
    for part in more:
        found = add(found, part)
    return found


@dataclass(frozen=True)
class Pinv(Op):
    """The pseudoinverse: singular values up to the greater of ``atol`` and ``rtol`` times the
    largest count as zero.

    Source of the gradient: Golub and Pereyra, "The differentiation of pseudo-inverses", 1973
    """

    atol: float
    rtol: float
    name: ClassVar[str] = "pinv"
    advice: ClassVar[str] = _ADVICE

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        need_matrices(self.name, "the operand", x)
        return (x.with_shape((*x.shape[:-2], x.shape[-1], x.shape[-2])),)

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        u, s, vh = Svd().eval(*inputs)
        cutoff = np.maximum(self.rtol * s[..., :1], self.atol)
        inverse = np.where(s > cutoff, 1 / s, 0).astype(s.dtype)
        return (np.matmul(vh.swapaxes(-1, -2) * inverse[..., None, :], u.swapaxes(-1, -2)),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        (x,), (p,), (g,) = inputs, outputs, grads

        def gradient() -> Any:
            first = neg(matmul(matmul(p, g, transpose_a=True), p, transpose_b=True))
            left = sub(swapped(g), matmul(x, matmul(p, g, transpose_b=True)))
            right = sub(swapped(g), matmul(matmul(g, p, transpose_a=True), x))
            second = matmul(matmul(left, p), p, transpose_b=True)
            third = matmul(matmul(p, p, transpose_a=True), right)
            return add(first, add(second, third))

        return (gradient,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.random.default_rng(7)
        for shape in ((3, 2), (2, 3), (2, 2, 2), (1, 1)):
            x = rng.uniform(-0.5, 0.5, shape) + 2 * np.eye(*shape[-2:])
            yield Sample(cls(0.0, 1e-6), (x.astype(np.float32),))
        flat = np.ones((3, 2), np.float32)
        yield Sample(cls(0.0, 1e-5), (flat,), False, "of rank 1")
        yield Sample(cls(0.0, 1e-6), (np.zeros((0, 2), np.float32),), note="no row")


def eigh(x: O) -> tuple[O, O]:
    """Eigenvalues and eigenvectors of the symmetric part."""
    values, vectors = apply(Eigh(), x)
    return values, vectors


def svd(x: O, full: bool = False) -> tuple[O, O, O]:
    """U, S and V^T."""
    u, s, vh = apply(Svd(full), x)
    return u, s, vh


def pinv(x: O, atol: float, rtol: float) -> O:
    """The pseudoinverse."""
    return apply1(Pinv(atol, rtol), x)
