"""Orthogonal factors, by Householder's reflections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dims import Dim
from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import broadcast_to, reshape, unsqueeze
from nngraph.ops.broadcast import sum as total
from nngraph.ops.composite import once
from nngraph.ops.creation import constant, zeros_like
from nngraph.ops.elementwise import add, div, eq, ge, mul, neg, sqrt, sub, where
from nngraph.ops.factor.matrices import as_batch, loop, need_matrices, size_of, swapped
from nngraph.ops.factor.triangular import solve_triangular
from nngraph.ops.linalg import matmul
from nngraph.ops.shape.joining import concat
from nngraph.ops.shape.moving import tril, triu
from nngraph.ops.shape.slicing import slice_axis

__all__ = ["Qr", "QrComplete", "qr", "qr_complete"]


@dataclass(frozen=True)
class _Factors(Op):
    complete: ClassVar[bool] = False

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        need_matrices(self.name, "the operand", x)
        rows, columns = x.shape[-2:]
        inner: Dim = rows
        if not self.complete and isinstance(rows, int) and isinstance(columns, int):
            inner = min(rows, columns)
        batch = x.shape[:-2]
        return x.with_shape((*batch, rows, inner)), x.with_shape((*batch, inner, columns))

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        q, r = np.linalg.qr(inputs[0], "complete" if self.complete else "reduced")
        return q, r

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        (x,) = inputs
        q_type, r_type = self.infer(x.aval)
        q, r = _reflected(as_batch(x))
        inner = r_type.shape[-2]
        q, r = slice_axis(q, 2, 0, inner), slice_axis(triu(r), 1, 0, inner)
        return reshape(q, q_type.shape), reshape(r, r_type.shape)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.random.default_rng(5)
        for shape in ((3, 2), (2, 3), (2, 2, 2), (1, 1)):
            x = rng.uniform(-1, 1, shape) + np.eye(*shape[-2:])
            yield Sample(cls(), (x.astype(np.float32),))
        yield Sample(cls(), (np.zeros((0, 2, 3), np.float32),), note="no matrix")
        yield Sample(cls(), (np.zeros((0, 2), np.float32),), note="no row")
        yield Sample(cls(), (np.zeros((2, 0), np.float32),), note="no column")
        flat = np.asarray([[2, 1], [0, 3], [0, 0]], np.float32)
        yield Sample(cls(), (flat,), False, "nothing to reflect")


@dataclass(frozen=True)
class Qr(_Factors):
    """Q ``[m, k]`` of orthonormal columns and the upper triangle R ``[k, n]``, k the lesser size.

    Signs are LAPACK's. Source of the gradient: Walter and Lehmann, "Algorithmic differentiation of
    linear algebra functions", 2010
    """

    name: ClassVar[str] = "qr"

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        (x,), (q, r) = inputs, outputs
        gq, gr = (zeros_like(o) if g is None else g for o, g in zip(outputs, grads, strict=True))
        rows, columns = size_of(x, -2), size_of(x, -1)
        axis = x.aval.rank - 1
        if rows >= columns:
            return (lambda: _gradient(q, r, gq, gr),)

        @once
        def gradient() -> Any:
            """Of the square part; the columns behind it are Q times R's."""
            rest = columns - rows
            more, g_more = (slice_axis(v, axis, rows, rest) for v in (x, gr))
            first, g_first = (slice_axis(v, axis, 0, rows) for v in (r, gr))
            g_of_q = add(gq, matmul(more, g_more, transpose_b=True))
            return concat([_gradient(q, first, g_of_q, g_first), matmul(q, g_more)], axis)

        return (gradient,)


@dataclass(frozen=True)
class QrComplete(_Factors):
    """``Qr`` with all m columns of Q; it has no gradient where those are more than n."""

    name: ClassVar[str] = "qr_complete"
    complete: ClassVar[bool] = True
    differentiable: ClassVar[bool] = False


def _gradient(q: Any, r: Any, gq: Any, gr: Any) -> Any:
    inner = triu(sub(matmul(gr, r, transpose_b=True), matmul(q, gq, transpose_a=True)))
    both = add(inner, tril(swapped(inner), -1))
    return swapped(solve_triangular(r, swapped(add(gq, matmul(q, both))), True))


def _reflected(x: Any) -> tuple[Any, Any]:
    """Q ``[B, m, m]`` and R ``[B, m, n]``: each step clears a column below the diagonal."""
    rows, columns = size_of(x, -2), size_of(x, -1)
    steps = min(rows, columns)
    one = constant(np.eye(rows, dtype=x.aval.dtype.numpy), x)
    q = broadcast_to(one, (x.aval.shape[0], rows, rows))
    if steps == 0:
        return q, x

    def step(
        q: Any, r: Any, here: Any, column_here: Any, behind: Any
    ) -> tuple[list[Any], list[Any]]:
        column = total(where(column_here, r, 0.0), -1)
        first = total(where(here, column, 0.0), -1, True)
        tail = where(behind, column, 0.0)
        square = total(mul(tail, tail), -1, True)
        still = eq(square, 0.0)
        size = sqrt(add(mul(first, first), square))
        last = where(ge(first, 0.0), neg(size), size)
        mirror = where(here, 1.0, div(tail, where(still, 1.0, sub(first, last))))
        scale = where(still, 0.0, div(sub(last, first), where(still, 1.0, last)))
        scaled, mirror = unsqueeze(mul(mirror, scale), 1), unsqueeze(mirror, 1)
        new_r = sub(r, matmul(scaled, matmul(mirror, r), transpose_a=True))
        new_q = sub(q, matmul(matmul(q, mirror, transpose_b=True), scaled))
        return [new_q, new_r], []

    marks = [
        np.eye(steps, rows, dtype=bool),
        np.eye(steps, columns, dtype=bool),
        ~np.tri(steps, rows, dtype=bool),
    ]
    q, r = loop("reflections", step, [q, x], marks)
    return q, r


def qr(x: O) -> tuple[O, O]:
    """Q of orthonormal columns and the upper triangle R."""
    q, r = apply(Qr(), x)
    return q, r


def qr_complete(x: O) -> tuple[O, O]:
    """``qr`` whose Q is square."""
    q, r = apply(QrComplete(), x)
    return q, r
