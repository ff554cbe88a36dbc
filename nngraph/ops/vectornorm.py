"""The p-norm of vectors, with PyTorch's gradient at zero, at infinity and at NaN."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.op import Array, O, Sample, Thunk, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import Reduction, reshape, sum
from nngraph.ops.composite import wide
from nngraph.ops.core import Takes, need, normalize_axes, reduced_samples, reduced_shape, widen
from nngraph.ops.derived import Power, power
from nngraph.ops.elementwise import (
    abs,
    cast,
    div,
    eq,
    isnan,
    logical_or,
    mul,
    ne,
    sign,
    sqrt,
    where,
)
from nngraph.ops.family import operators_of
from nngraph.ops.reduce import max, min

__all__ = ["VectorNorm", "vector_norm"]

Values = Sequence[Any]


@dataclass(frozen=True)
class VectorNorm(Reduction):
    """(sum |x|**order) ** (1/order); of order 0 the count of what is not 0, of inf the maximum.

    Of single numbers, their size. Half precision is computed in float32. The gradient at the zero
    vector is 0; at NaN, that of orders inf and -inf is 0. Source: ``torch.linalg.vector_norm``.
    """

    order: float = 2.0
    name: ClassVar[str] = "vector_norm"
    takes: ClassVar[Takes] = Takes.FLOATS

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        if self.order < 0 or math.isinf(self.order):
            empty = any(x.shape[a] == 0 for a in self.axes)
            need(not empty, self.name, "the operand", x, f"not empty along axes {self.axes}")
        return super().infer(*types)

    def _is_size(self, shape: Sequence[Any]) -> bool:
        """True if the norms are of single numbers."""
        return self.order != 0 and all(shape[a] == 1 for a in self.axes)

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        size = np.abs(widen(inputs[0]))

        def fold(ufunc: np.ufunc, x: Array) -> Array:
            out = ufunc.reduce(x, axis=self.axes, keepdims=self.keepdims)
            return np.asarray(out, size.dtype)

        order = self.order
        if self._is_size(size.shape):
            y = np.squeeze(size, self.axes) if not self.keepdims else size
        elif math.isinf(order):
            y = fold(np.maximum if order > 0 else np.minimum, size)
        elif order == 0:
            y = fold(np.add, (size != 0).astype(size.dtype))
        elif order == 2:
            y = np.sqrt(fold(np.add, size * size))
        else:
            (powers,) = Power(order).eval(size)
            (y,) = Power(1 / order).eval(fold(np.add, powers))
        return (np.asarray(y).astype(inputs[0].dtype, copy=False),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        x = wide(inputs[0])
        size, order, axes = abs(x), self.order, self.axes
        if self._is_size(x.aval.shape):
            y = reshape(size, reduced_shape(x.aval.shape, axes, self.keepdims))
        elif math.isinf(order):
            y = (max if order > 0 else min)(size, axes, self.keepdims)
        elif order == 0:
            y = sum(cast(ne(x, 0.0), x.aval.dtype), axes, self.keepdims)
        elif order == 1:
            y = sum(size, axes, self.keepdims)
        elif order == 2:
            y = sqrt(sum(mul(x, x), axes, self.keepdims))
        else:
            y = power(sum(power(size, order), axes, self.keepdims), 1 / order)
        return (cast(y, inputs[0].aval.dtype),)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        if self.order == 0:
            return (None,)

        def gradient() -> Any:
            x, g = wide(inputs[0]), wide(grads[0])
            # Rounded to half precision the norm may be infinite: it is taken again in float32.
            y = outputs[0] if x is inputs[0] else apply1(self, x)
            return cast(self._gradient(x, y, g), inputs[0].aval.dtype)

        return (gradient,)

    def _gradient(self, x: Any, y: Any, g: Any) -> Any:
        order, size = self.order, abs(x)
        if order == 1:
            return mul(sign(x), self.expand(g, x))
        if math.isinf(order):
            alike = logical_or(eq(size, self.expand(y, x)), isnan(x))
            hits = cast(alike, x.aval.dtype)
            part = div(g, sum(hits, self.axes, self.keepdims))
            return mul(sign(x), mul(hits, self.expand(part, x)))
        if order == 2:
            norm = self.expand(y, x)
            return mul(self.expand(g, x), where(eq(norm, 0.0), 0.0, div(x, norm)))
        if order < 1:  # steep at 0, where the gradient is 0 all the same
            part = where(eq(x, 0.0), 0.0, mul(sign(x), power(size, order - 1)))
            return mul(mul(part, self.expand(g, x)), self.expand(power(y, 1 - order), x))
        scale = where(eq(y, 0.0), 0.0, div(g, power(y, order - 1)))
        part = mul(x, power(size, order - 2)) if order > 2 else mul(sign(x), power(size, order - 1))
        return mul(part, self.expand(scale, x))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        def make(order: float) -> Any:
            return lambda axes, keepdims: cls(axes, keepdims, order)

        for order in (2.0, 3.0):
            yield from reduced_samples(make(order))
        x = np.sin(np.arange(12, dtype=np.float32) * 1.7).reshape(3, 4) + np.float32(0.1)
        edge = np.asarray([[0, 0, -0.0], [1, -1, 1], [np.inf, 2, 0], [np.nan, 1, 3]], np.float32)
        for order in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, -1.0, math.inf, -math.inf):
            yield Sample(cls((1,), True, order), (x,), order != 0)
            yield Sample(cls((1,), False, order), (edge,), False, "zeros, ties, infinity, NaN")
        yield Sample(cls((1,), False, 3.0), (x[:, :1],), note="single numbers")


def vector_norm(
    x: O, order: float, axes: Sequence[int] | int | None = None, keepdims: bool = False
) -> O:
    """The norm of an order over ``axes`` (all by default)."""
    return apply1(VectorNorm(normalize_axes(axes, x.aval.rank, "norm"), keepdims, order), x)


OPERATORS = operators_of(globals())
