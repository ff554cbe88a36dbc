"""What elimination with row exchanges gives: solutions of linear systems, determinants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dtypes import int32, int64
from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply, apply1
from nngraph.ir.refusals import LinAlgError
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import broadcast_to, expand_reduced, reshape, unsqueeze
from nngraph.ops.broadcast import sum as total
from nngraph.ops.creation import constant, full, iota, zeros_like
from nngraph.ops.elementwise import (
    abs,
    add,
    cast,
    div,
    eq,
    log,
    logical_and,
    mul,
    ne,
    neg,
    sign,
    sub,
    where,
)
from nngraph.ops.factor.matrices import as_batch, loop, need_square, size_of, swapped
from nngraph.ops.factor.triangular import need_right_side, solve_triangular
from nngraph.ops.index.checks import require
from nngraph.ops.linalg import matmul
from nngraph.ops.reduce.folds import all as all_of
from nngraph.ops.reduce.folds import max as max_of
from nngraph.ops.reduce.folds import prod
from nngraph.ops.reduce.running import argmax
from nngraph.ops.shape.joining import concat
from nngraph.ops.shape.slicing import slice_axis

__all__ = ["Det", "SlogDet", "Solve", "ZeroPivot", "det", "slogdet", "solve", "zero_pivot"]


def _eliminated(x: Any, size: int) -> tuple[Any, Any, Any]:
    """``[B, n, w]`` with zeros below the diagonal of its first n columns.

    Returns:
        That, the pivots ``[n, B]``, and whether a row was exchanged at each ``[n, B]``.
    """
    width = size_of(x, -1)

    def step(rest: Any, here: Any, column_here: Any, behind: Any) -> tuple[list[Any], list[Any]]:
        column = total(where(column_here, rest, 0.0), -1)
        still = where(behind, abs(column), -1.0)
        place = argmax(still, -1, True)
        chosen = eq(iota(int64, (size,), 0, rest), place)
        top = total(where(unsqueeze(chosen, 2), rest, 0.0), 1, True)
        first = total(where(unsqueeze(here, 1), rest, 0.0), 1, True)
        moved = where(unsqueeze(chosen, 2), first, rest)
        moved = where(unsqueeze(here, 1), top, moved)
        pivot = total(where(column_here, top, 0.0), -1)
        column = total(where(column_here, moved, 0.0), -1)
        below = logical_and(logical_and(behind, ne(pivot, 0.0)), ne(here, True))
        share = where(below, div(column, pivot), 0.0)
        new = sub(moved, mul(unsqueeze(share, 2), top))
        stay = total(where(here, cast(chosen, rest.aval.dtype), 0.0), -1)
        return [new], [reshape(pivot, pivot.aval.shape[:1]), stay]

    marks = [np.eye(size, dtype=bool), np.eye(size, width, dtype=bool), np.tri(size, dtype=bool).T]
    upper, pivots, stay = loop("elimination", step, [x], marks)
    return upper, pivots, eq(stay, 0.0)


@dataclass(frozen=True)
class Solve(Op):
    """X of ``a X = b``.

    Attributes:
        what: the function that a singular matrix is an error of; if empty, it gives NaN.
        transpose: solve with the transpose of ``a``.
    """

    what: str = "linalg.solve"
    transpose: bool = False
    name: ClassVar[str] = "solve"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        need_right_side(self.name, *types)
        return (types[1],)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        a, b = inputs
        a = a.swapaxes(-1, -2) if self.transpose else a
        try:
            return (np.linalg.solve(a, b),)
        except np.linalg.LinAlgError:
            if self.what:
                raise LinAlgError(_singular(self.what, a)) from None
        return (_one_by_one(a, b),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        (a, _), (x,), (g,) = inputs, outputs, grads

        def right() -> Any:
            return apply1(replace(self, transpose=not self.transpose), a, g)

        def left() -> Any:
            pair = (x, right()) if self.transpose else (right(), x)
            return neg(matmul(*pair, transpose_b=True))

        return (left, right)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        """Elimination with row exchanges, then back substitution."""
        a, b = map(as_batch, inputs)
        size = size_of(a, -1)
        if size == 0:
            return (zeros_like(inputs[1]),)
        a = swapped(a) if self.transpose else a
        done, pivots, _ = _eliminated(concat([a, b], -1), size)
        upper = slice_axis(done, 2, 0, size)
        right = slice_axis(done, 2, size, size_of(b, -1))
        x, fine = solve_triangular(upper, right, True), ne(pivots, 0.0)
        if self.what:
            x = require(x, all_of(fine), f"{self.what}: the matrix is singular")
        else:
            x = where(unsqueeze(all_of(fine, 0), (1, 2)), x, float("nan"))
        return (reshape(x, inputs[1].aval.shape),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for a, b in _systems():
            yield Sample(cls(), (a, b))
            yield Sample(cls("linalg.inv", True), (a, b))
        nothing = (np.zeros((0, 0), np.float32), np.zeros((0, 2), np.float32))
        yield Sample(cls(), nothing, note="no row")
        yield Sample(cls(), (a[:0], b[:0]), note="no matrix")
        yield Sample(cls(), (a, b[..., :0]), note="no column")
        ties = np.asarray([[[1, 2], [2, 4]], [[0, 2], [1, 0]]], np.float32)
        yield Sample(cls(""), (ties, ties), False, "a singular one, unchecked")


def _systems() -> Iterable[tuple[Array, Array]]:
    """Matrices whose first pivot is not the largest, with right sides."""
    rng = np.random.default_rng(4)
    for batch, size, columns in (((), 3, 2), ((2,), 2, 1), ((2, 1), 1, 3)):
        a = rng.uniform(-0.5, 0.5, (*batch, size, size)) + 2 * np.eye(size)[::-1]
        b = rng.standard_normal((*batch, size, columns))
        yield a.astype(np.float32), b.astype(np.float32)


def _each(a: Array) -> Iterable[tuple[int, Array]]:
    return enumerate(a.reshape(math.prod(a.shape[:-2]), *a.shape[-2:]))


def _is_singular(a: Array) -> bool:
    try:
        np.linalg.inv(a)
    except np.linalg.LinAlgError:
        return True
    return False


def _singular(what: str, a: Array) -> str:
    """PyTorch's words for the first singular matrix."""
    number, matrix = next((i, m) for i, m in _each(a) if _is_singular(m))
    batch = f"(Batch element {number}): " if a.ndim > 2 else ""
    if what != "linalg.inv":
        return f"{what}: {batch}The solver failed because the input matrix is singular."
    return (
        f"{what}: {batch}The diagonal element {_zero_pivot(matrix)} is zero, the inversion could "
        "not be completed because the input matrix is singular."
    )


def _zero_pivot(a: Array) -> int:
    rest = a.copy()
    for k in range(len(a)):
        place = k + int(np.abs(rest[k:, k]).argmax())
        rest[[k, place]] = rest[[place, k]]
        if rest[k, k] == 0:
            return k + 1
        rest[k + 1 :] -= rest[k + 1 :, k, None] / rest[k, k] * rest[k]
    return len(a)


def _one_by_one(a: Array, b: Array) -> Array:
    """Solutions, NaN for singular matrices."""
    out = np.full(b.shape, np.nan, b.dtype)
    results = out.reshape(math.prod(b.shape[:-2]), *b.shape[-2:])
    for (i, matrix), (_, right) in zip(_each(a), _each(b), strict=True):
        if not _is_singular(matrix):
            results[i] = np.linalg.solve(matrix, right)
    return out


def _identity_like(x: Any) -> Any:
    """An identity matrix for each matrix of x."""
    one = constant(np.eye(size_of(x, -1), dtype=x.aval.dtype.numpy), x)
    return broadcast_to(one, x.aval.shape)


@dataclass(frozen=True)
class Det(Op):
    """The determinant of each matrix."""

    name: ClassVar[str] = "det"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        need_square(self.name, "the operand", types[0])
        return (types[0].with_shape(types[0].shape[:-2]),)

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.asarray(np.linalg.det(inputs[0]), inputs[0].dtype),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        """The cofactors; those of a singular matrix from one a little beside it."""
        (x,), (y,), (g,) = inputs, outputs, grads
        axes = (x.aval.rank - 2, x.aval.rank - 1)

        def gradient() -> Any:
            one = _identity_like(x)
            tiny = float(np.finfo(x.aval.dtype.numpy).eps)
            zero = expand_reduced(eq(y, 0.0), x.aval.shape, axes, False)
            near = sub(x, where(zero, mul(one, -tiny), 0.0))
            scale = expand_reduced(mul(g, det(near)), x.aval.shape, axes, False)
            return mul(apply1(Solve("", True), near, one), scale)

        return (gradient,)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        signed, logs = _pivots(inputs[0])
        return (mul(prod(logs, 0), signed),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for a, _ in _systems():
            yield Sample(cls(), (a,))
        yield Sample(cls(), (np.zeros((0, 0), np.float32),), note="no row")
        yield Sample(cls(), (a[:0],), note="no matrix")
        ties = np.asarray([[1, 2], [2, 4]], np.float32)
        yield Sample(cls(), (ties,), False, "singular")


@dataclass(frozen=True)
class SlogDet(Op):
    """(sign, logarithm of the size) of each determinant: (0, -inf) of singular matrices."""

    name: ClassVar[str] = "slogdet"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (found,) = Det().infer(*types)
        return found, found

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        signs, logs = np.linalg.slogdet(inputs[0])
        return np.asarray(signs, inputs[0].dtype), np.asarray(logs, inputs[0].dtype)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        (x,), (_, g) = inputs, grads
        if g is None:
            return (None,)

        def gradient() -> Any:
            axes = (x.aval.rank - 2, x.aval.rank - 1)
            inverse = apply1(Solve("", True), x, _identity_like(x))
            return mul(inverse, expand_reduced(g, x.aval.shape, axes, False))

        return (gradient,)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        signed, pivots = _pivots(inputs[0])
        return mul(prod(sign(pivots), 0), signed), total(log(abs(pivots)), 0)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for sample in Det.samples():
            yield replace(sample, op=cls())


@dataclass(frozen=True)
class ZeroPivot(Op):
    """Which pivot of each matrix is zero, counted from 1: the first (int32); 0 if none is."""

    name: ClassVar[str] = "zero_pivot"
    differentiable: ClassVar[bool] = False

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (found,) = Det().infer(*types)
        return (found.with_dtype(int32),)

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        found = [_zero_pivot(m) if _is_singular(m) else 0 for _, m in _each(x)]
        return (np.asarray(found, np.int32).reshape(x.shape[:-2]),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        size, batch = size_of(inputs[0], -1), inputs[0].aval.shape[:-2]
        if size == 0:
            return (full(0, int32, batch, inputs[0]),)
        _, pivots, _ = _eliminated(as_batch(inputs[0]), size)
        zero = cast(eq(pivots, 0.0), int32)
        first = add(cast(argmax(zero, 0), int32), 1)
        return (reshape(mul(first, max_of(zero, 0)), batch),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for sample in Det.samples():
            yield replace(sample, op=cls(), smooth=False)


def _pivots(x: Any) -> tuple[Any, Any]:
    """The sign of the exchanges ``[...]`` and the pivots ``[n, ...]``."""
    size, batch = size_of(x, -1), x.aval.shape[:-2]
    if size == 0:
        return full(1, x.aval.dtype, batch, x), full(1, x.aval.dtype, (1, *batch), x)
    _, pivots, exchanged = _eliminated(as_batch(x), size)
    signs = prod(where(exchanged, full(-1, x.aval.dtype, (), x), full(1, x.aval.dtype, (), x)), 0)
    return reshape(signs, batch), reshape(pivots, (size, *batch))


def solve(a: O, b: O, what: str = "linalg.solve", transpose: bool = False) -> O:
    """X of ``a X = b``; a singular matrix is an error of the function ``what``, if it is named."""
    return apply1(Solve(what, transpose), a, b)


def det(x: O) -> O:
    """The determinant of each matrix."""
    return apply1(Det(), x)


def slogdet(x: O) -> tuple[O, O]:
    """Signs and logarithms of the sizes of determinants."""
    signs, logs = apply(SlogDet(), x)
    return signs, logs


def zero_pivot(x: O) -> O:
    """Which pivot of each matrix is zero, counted from 1; 0 if none is."""
    return apply1(ZeroPivot(), x)
