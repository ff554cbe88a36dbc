"""The factor of a positive definite matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply1
from nngraph.ir.refusals import LinAlgError
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import reshape, unsqueeze
from nngraph.ops.broadcast import sum as total
from nngraph.ops.creation import constant, zeros_like
from nngraph.ops.elementwise import add, div, gt, mul, sqrt, sub, where
from nngraph.ops.factor.matrices import as_batch, loop, need_square, size_of, swapped, triangle
from nngraph.ops.factor.triangular import solve_triangular
from nngraph.ops.index.checks import require
from nngraph.ops.linalg import matmul
from nngraph.ops.reduce.folds import all as all_of
from nngraph.ops.shape.moving import transpose, tril

__all__ = ["Cholesky", "Symmetric", "cholesky", "symmetric"]

_FAILED = "The factorization could not be completed because the input is not positive-definite"


@dataclass(frozen=True)
class Symmetric(Op):
    """The matrix whose lower triangle is that of x.

    Its gradient is that of a function of symmetric matrices: the mean of both triangles (what
    PyTorch's factorizations give), which is no derivative by single elements.
    """

    name: ClassVar[str] = "symmetric"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        need_square(self.name, "the operand", types[0])
        return types

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        below = np.tri(x.shape[-1], dtype=bool)
        return (np.where(below, x, x.swapaxes(-1, -2)),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        (x,) = inputs
        below = constant(np.tri(size_of(x, -1), dtype=bool), x)
        return (where(below, x, swapped(x)),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        (g,) = grads
        return (lambda: mul(add(g, swapped(g)), 0.5),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.random.default_rng(2).standard_normal((2, 3, 3)).astype(np.float32)
        yield Sample(cls(), (x,), False, "a gradient by convention")
        yield Sample(cls(), (x[:, :1, :1],))
        yield Sample(cls(), (x[0, :0, :0],), note="empty")


@dataclass(frozen=True)
class Cholesky(Op):
    """The lower triangle L of ``x = L L^T``, of which only the lower triangle is read.

    Attributes:
        checked: a matrix that is not positive definite is an error; if False, its factor has NaN,
            infinity or a zero on the diagonal from the first leading minor that is not.

    Source: Murray, "Differentiation of the Cholesky decomposition", 2016
    """

    checked: bool = True
    name: ClassVar[str] = "cholesky"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        need_square(self.name, "the operand", types[0])
        return types

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        try:
            found = np.linalg.cholesky(x)
        except np.linalg.LinAlgError:
            found = _by_columns(triangle(x, False))
        if self.checked and not (np.diagonal(found, 0, -2, -1) > 0).all():
            raise LinAlgError(f"linalg.cholesky: {_where(found)}")
        return (found,)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        (low,), (g,) = outputs, grads

        def gradient() -> Any:
            middle = _half(matmul(low, g, transpose_a=True))
            left = solve_triangular(low, middle, False, True)
            both = solve_triangular(low, swapped(left), False, True)
            return _half(add(both, swapped(both)))

        return (gradient,)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        """Column after column, each taken off the columns behind it."""
        x = as_batch(inputs[0])
        size = size_of(x, -1)
        if size == 0:
            return (zeros_like(inputs[0]),)

        def step(rest: Any, here: Any, below: Any) -> tuple[list[Any], list[Any]]:
            column = total(where(here, rest, 0.0), -1)
            square = total(where(here, column, 0.0), -1, True)
            new = where(below, div(column, sqrt(square)), 0.0)
            return [sub(rest, mul(unsqueeze(new, 2), unsqueeze(new, 1)))], [new, gt(square, 0.0)]

        marks = [np.eye(size, dtype=bool), np.tri(size, dtype=bool).T]
        _, columns, fine = loop(self.name, step, [x], marks)
        low = reshape(transpose(columns, (1, 2, 0)), inputs[0].aval.shape)
        if self.checked:
            low = require(low, all_of(fine), f"linalg.cholesky: {_FAILED}")
        return (low,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.random.default_rng(3)
        for batch, size in (((), 3), ((2,), 2), ((2, 1), 1)):
            root = rng.uniform(-0.5, 0.5, (*batch, size, size)) + np.eye(size)
            x = root @ root.swapaxes(-1, -2) + np.eye(size)
            yield Sample(cls(), (x.astype(np.float32),))
        yield Sample(cls(), (np.zeros((0, 0), np.float32),), note="no row")
        yield Sample(cls(), (np.zeros((0, 2, 2), np.float32),), note="no matrix")
        junk = np.asarray([[4, np.nan], [1, 2]], np.float32)
        yield Sample(cls(), (junk,), False, "the other triangle is unread")
        yield Sample(cls(False), (junk[::-1, ::-1].T.copy(),), False, "the first minor fails")


def _half(x: O) -> O:
    """The lower triangle, of the diagonal the half."""
    return mul(add(tril(x), tril(x, -1)), 0.5)


@np.errstate(all="ignore")
def _by_columns(rest: Array) -> Array:
    """As ``decompose`` does, for matrices that LAPACK gives up."""
    low = np.zeros(rest.shape, rest.dtype)
    for k in range(rest.shape[-1]):
        column = rest[..., k:, k] / np.sqrt(rest[..., k, k, None])
        low[..., k:, k] = column
        rest[..., k:, k:] -= column[..., :, None] * column[..., None, :]
    return low


def _where(low: Array) -> str:
    """Which matrix and minor failed."""
    bad = ~(np.diagonal(low, 0, -2, -1) > 0)
    bad = bad.reshape(-1, bad.shape[-1])
    first = int(bad.any(-1).argmax())
    batch = f"(Batch element {first}): " if low.ndim > 2 else ""
    order = int(bad[first].argmax()) + 1
    return f"{batch}{_FAILED} (the leading minor of order {order} is not positive-definite)."


def symmetric(x: O) -> O:
    """The matrix whose lower triangle is that of x."""
    return apply1(Symmetric(), x)


def cholesky(x: O, checked: bool = True) -> O:
    """The lower triangle L of ``x = L L^T``."""
    return apply1(Cholesky(checked), x)
