"""Matrix products."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import Kind
from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply1
from nngraph.ir.types import Shape, TensorType
from nngraph.ops.broadcast import reshape, sum_to
from nngraph.ops.core import broadcast_shapes, need, need_same_dtype, widen
from nngraph.ops.family import operators_of

__all__ = ["MatMul", "matmul"]


@dataclass(frozen=True)
class MatMul(Op):
    """Product of the last two axes, batch axes broadcast; each operand may be transposed.

    float16 and bfloat16 add up in float32 and round once; integers wrap in their own type.
    """

    transpose_a: bool
    transpose_b: bool
    name: ClassVar[str] = "matmul"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        a, b = types
        for what, kind in (("the first operand", a), ("the second operand", b)):
            need(kind.rank >= 2, "matmul", what, kind, "of rank 2 or more")
            numbers = kind.dtype.kind is not Kind.BOOL
            need(numbers, "matmul", what, kind, "a number (cast a bool first)")
        dtype = need_same_dtype("matmul", types)
        rows, inner = _matrix(a.shape, self.transpose_a)
        inner_b, columns = _matrix(b.shape, self.transpose_b)
        need(
            inner == inner_b,
            "matmul",
            "the second operand",
            b,
            f"with {inner} rows{' (after its transpose)' if self.transpose_b else ''}, "
            f"as the first operand {a} has {inner} columns",
        )
        batch = broadcast_shapes("matmul", (a.shape[:-2], b.shape[:-2]))
        return (TensorType(dtype, (*batch, rows, columns)),)

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        a, b = map(widen, inputs)
        a = a.swapaxes(-1, -2) if self.transpose_a else a
        b = b.swapaxes(-1, -2) if self.transpose_b else b
        return (np.matmul(a, b).astype(inputs[0].dtype, copy=False),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        (a, b), (g,) = inputs, grads
        ta, tb = self.transpose_a, self.transpose_b

        def left() -> Any:
            product = matmul(b, g, tb, True) if ta else matmul(g, b, False, not tb)
            return sum_to(product, a.aval.shape)

        def right() -> Any:
            x, y = (_rows(a), _rows(g)) if _shared(self, a, b) else (a, g)
            product = matmul(y, x, True, ta) if tb else matmul(x, y, not ta, False)
            return sum_to(product, b.aval.shape)

        return (left, right)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.sin(np.arange(60, dtype=np.float32) * 1.3)
        batches = (((), ()), ((2,), ()), ((), (2,)), ((2, 1), (1, 3)), ((1,), (2,)))
        for ta in (False, True):
            for tb in (False, True):
                for left, right in batches:
                    a, b = _sized(x, left, (2, 3), ta), _sized(x[7:], right, (3, 1), tb)
                    yield Sample(cls(ta, tb), (a, b))
        yield Sample(cls(False, False), (x[:0].reshape(0, 3), x[:6].reshape(3, 2)))
        yield Sample(cls(False, False), (x[:0].reshape(2, 0), x[:0].reshape(0, 2)))
        whole = np.arange(-3, 3, dtype=np.int32).reshape(2, 3)
        yield Sample(cls(False, True), (whole, whole + 3), False)


def _matrix(shape: Shape, transposed: bool) -> tuple[Dim, Dim]:
    rows, columns = shape[-2:]
    return (columns, rows) if transposed else (rows, columns)


def _sized(x: Array, batch: tuple[int, ...], matrix: tuple[int, int], transposed: bool) -> Array:
    shape = (*batch, *(matrix[::-1] if transposed else matrix))
    return x[: int(np.prod(shape))].reshape(shape)


def _shared(op: MatMul, a: Any, b: Any) -> bool:
    """True where one matrix serves a batch of row blocks: its gradient is one long product."""
    return b.aval.rank == 2 and a.aval.rank > 2 and not op.transpose_a


def _rows(x: O) -> O:
    count: Dim = 1
    for d in x.aval.shape[:-1]:
        count = count * d
    return reshape(x, (count, x.aval.shape[-1]))


def matmul(a: O, b: O, transpose_a: bool = False, transpose_b: bool = False) -> O:
    """``a @ b``, each transposed in its last two axes if so said; ranks are 2 or more."""
    return apply1(MatMul(transpose_a, transpose_b), a, b)


OPERATORS = operators_of(globals())
