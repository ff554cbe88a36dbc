"""Systems of linear equations with a triangular matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import reshape, squeeze, unsqueeze
from nngraph.ops.broadcast import sum as total
from nngraph.ops.core import need, need_same_dtype
from nngraph.ops.creation import zeros_like
from nngraph.ops.elementwise import div, neg, sub, where
from nngraph.ops.factor.matrices import (
    as_batch,
    loop,
    need_matrices,
    need_square,
    rows_of,
    size_of,
    swapped,
    triangle,
)
from nngraph.ops.linalg import matmul
from nngraph.ops.shape.moving import tril, triu

__all__ = ["SolveTriangular", "need_right_side", "solve_triangular"]


def need_right_side(op: str, a: TensorType, b: TensorType) -> None:
    """Raises ``TypeMismatch`` unless ``b`` has a row for each of ``a``, and its batches."""
    need_square(op, "the matrix", a)
    need_matrices(op, "the right side", b)
    need_same_dtype(op, (a, b))
    wanted = f"of the batches of {a}, with {a.shape[-1]} rows"
    need(b.shape[:-1] == a.shape[:-1], op, "the right side", b, wanted)


@dataclass(frozen=True)
class SolveTriangular(Op):
    """X of ``a X = b``, of which only the triangle of ``a`` is read.

    A zero on the diagonal gives infinity or NaN, as in BLAS.

    Attributes:
        upper: which triangle.
        transpose: solve with the transpose of that triangle.
        unit: take the diagonal as ones, without reading it.
    """

    upper: bool
    transpose: bool = False
    unit: bool = False
    name: ClassVar[str] = "solve_triangular"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        need_right_side(self.name, *types)
        return (types[1],)

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        a, b = triangle(inputs[0], self.upper), inputs[1]
        if self.unit:
            np.einsum("...ii->...i", a)[...] = 1
        a = a.swapaxes(-1, -2) if self.transpose else a
        if self.upper is self.transpose:  # a lower one: read from its end it is an upper one
            found = _upper(a[..., ::-1, ::-1], b[..., ::-1, :])[..., ::-1, :]
        else:
            found = _upper(a, b)
        return (np.ascontiguousarray(found),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        (a, _), (x,), (g,) = inputs, outputs, grads

        def right() -> Any:
            return apply1(replace(self, transpose=not self.transpose), a, g)

        def left() -> Any:
            whole = matmul(*((x, right()) if self.transpose else (right(), x)), transpose_b=True)
            edge = int(self.unit)
            return neg(triu(whole, edge) if self.upper else tril(whole, -edge))

        return (left, right)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        """Row after row, each from those before it."""
        a, b = map(as_batch, inputs)
        size = size_of(a, -1)
        if size == 0:
            return (zeros_like(inputs[1]),)
        a = triu(a) if self.upper else tril(a)
        a = swapped(a) if self.transpose else a

        def step(x: Any, here: Any, row: Any, wanted: Any) -> tuple[list[Any], list[Any]]:
            rest = unsqueeze(where(here, 0.0, row), 1)
            new = sub(wanted, squeeze(matmul(rest, x), 1))
            if not self.unit:
                new = div(new, total(where(here, row, 0.0), -1, True))
            return [where(unsqueeze(here, 1), unsqueeze(new, 1), x)], []

        sequences = (rows_of(a), rows_of(b))
        backwards = self.upper is not self.transpose
        marks = [np.eye(size, dtype=bool)]
        (found,) = loop(self.name, step, [zeros_like(b)], marks, sequences, backwards)
        return (reshape(found, inputs[1].aval.shape),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.random.default_rng(3)
        for batch, size, columns in (((), 3, 2), ((2,), 2, 1), ((2, 1), 1, 3)):
            a = rng.uniform(-0.5, 0.5, (*batch, size, size)) + 2 * np.eye(size)
            b = rng.standard_normal((*batch, size, columns))
            pair = a.astype(np.float32), b.astype(np.float32)
            for upper in (False, True):
                for transpose in (False, True):
                    yield Sample(cls(upper, transpose, batch == (2,)), pair)
        nothing = (np.zeros((0, 0), np.float32), np.zeros((0, 2), np.float32))
        yield Sample(cls(True), nothing, note="no row")
        yield Sample(cls(True), (pair[0][:0], pair[1][:0]), note="no matrix")
        junk = np.asarray([[2, np.nan], [1, 4]], np.float32)
        yield Sample(cls(False), (junk, junk[1:].T.copy()), False, "the other triangle is unread")


def _upper(a: Array, b: Array) -> Array:
    """Back substitution; LAPACK's elimination of an upper triangle is just that."""
    plain = np.isfinite(a).all() and (np.diagonal(a, 0, -2, -1) != 0).all()
    if plain:
        found: Array = np.linalg.solve(a, b)
        return found
    x = np.zeros(b.shape, b.dtype)
    for i in reversed(range(a.shape[-1])):
        known = (a[..., i : i + 1, i + 1 :] @ x[..., i + 1 :, :])[..., 0, :]
        x[..., i, :] = (b[..., i, :] - known) / a[..., i, i, None]
    return x


def solve_triangular(a: O, b: O, upper: bool, transpose: bool = False, unit: bool = False) -> O:
    """X of ``a X = b`` with the triangle of ``a``, or its transpose."""
    return apply1(SolveTriangular(upper, transpose, unit), a, b)
