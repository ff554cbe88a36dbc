"""Arithmetic, rounding and extremes. A rule is ``(x, y, g)`` for y = f(x), or ``(x, y, z, g)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph.ir.op import Array, Cost
from nngraph.ops.core import Takes
from nngraph.ops.creation import zeros_like
from nngraph.ops.elementwise.comparison import eq, gt, le, lt
from nngraph.ops.elementwise.rows import BinaryFunction, binary, unary
from nngraph.ops.elementwise.select import where
from nngraph.ops.family import public_names


# Rules that use the very function they differentiate stand here, the others in their row.
def _zero(x: Any, y: Any, g: Any) -> Any:
    return zeros_like(x)


def _neg(x: Any, y: Any, g: Any) -> Any:
    return neg(g)


def _abs(x: Any, y: Any, g: Any) -> Any:
    return mul(g, sign(x))


def _mul_left(x: Any, y: Any, z: Any, g: Any) -> Any:
    return mul(g, y)


def _mul_right(x: Any, y: Any, z: Any, g: Any) -> Any:
    return mul(g, x)


def _div_left(x: Any, y: Any, z: Any, g: Any) -> Any:
    return div(g, y)


def _div_right(x: Any, y: Any, z: Any, g: Any) -> Any:
    return neg(mul(g, div(z, y)))


def _floats(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A rounding function that leaves integers alone."""

    def apply(x: Array) -> Array:
        return function(x) if x.dtype.kind == "f" else x

    return apply


def _sign(x: Array) -> Array:
    out: Array = (x > 0).astype(np.int8) - (x < 0).astype(np.int8)  # PyTorch: sign(nan) = 0
    return out


def _relu(x: Array) -> Array:
    out = np.copy(x)
    np.copyto(out, x.dtype.type(0), where=x < 0)  # -0.0 stays, as in PyTorch, and NaN
    return out


# A tensor with memory of its own; in a graph, where nothing is written in place, an identity.
Copy, copy = unary("copy", np.copy, lambda x, y, g: g, takes=Takes.ALL)
Neg, neg = unary("neg", np.negative, _neg)
Abs, abs = unary("abs", np.abs, _abs)
Sign, sign = unary("sign", _sign, _zero)
Floor, floor = unary("floor", _floats(np.floor), _zero)
Ceil, ceil = unary("ceil", _floats(np.ceil), _zero)
Round, round = unary("round", _floats(np.rint), _zero)
Trunc, trunc = unary("trunc", _floats(np.trunc), _zero)
# Written with <= so that a NaN keeps its gradient, as in PyTorch.
Relu, relu = unary("relu", _relu, lambda x, y, g: where(le(y, 0.0), 0.0, g))

Add, add = binary("add", np.add, lambda x, y, z, g: g, lambda x, y, z, g: g, commutative=True)
Sub, sub = binary("sub", np.subtract, lambda x, y, z, g: g, lambda x, y, z, g: neg(g))
Mul, mul = binary("mul", np.multiply, _mul_left, _mul_right, commutative=True)
Div, div = binary(
    "div",
    np.divide,
    _div_left,
    _div_right,
    takes=Takes.FLOATS,
    spans=((-2.3, 2.4), (0.4, 2.7)),
    cost=Cost.SLOW,
)


def _whole(name: str, function: Callable[[Array, Array], Array]) -> Callable[[Any, Any], Array]:
    """Division of integers by zero is an error, as in PyTorch; floats follow IEEE 754."""

    def apply(x: Array, y: Array) -> Array:
        if y.dtype.kind in "iu" and np.size(x) and not np.all(y):
            raise ZeroDivisionError(f"{name}: an integer is divided by zero")
        return function(x, y)

    return apply


def _zero_gradient(x: Any, y: Any, z: Any, g: Any) -> Any:
    return zeros_like(g)


def _trunc_divide(x: Array, y: Array) -> Array:
    if x.dtype.kind == "f":
        return np.asarray(np.trunc(x / y))
    quotient = np.floor_divide(x, y)
    out: Array = quotient + ((quotient < 0) & (quotient * y != x))
    return out


def _remainder(x: Array, y: Array) -> Array:
    """Python's; a zero keeps the sign of x, where NumPy's has that of y."""
    rest = np.asarray(np.fmod(x, y))
    return np.where((rest != 0) & ((rest < 0) != (y < 0)), rest + y, rest)


# The samples' quotients lie between the jumps.
FloorDivide, floor_divide = binary(
    "floor_divide",
    _whole("floor_divide", np.floor_divide),
    _zero_gradient,
    _zero_gradient,
    spans=((0.3, 2.4), (3.1, 3.9)),
    cost=Cost.HEAVY,
    divides=True,
)
TruncDivide, trunc_divide = binary(
    "trunc_divide",
    _whole("trunc_divide", _trunc_divide),
    _zero_gradient,
    _zero_gradient,
    spans=((0.3, 2.4), (3.1, 3.9)),
    cost=Cost.HEAVY,
    divides=True,
)
Remainder, remainder = binary(
    "remainder",
    _whole("remainder", _remainder),
    lambda x, y, z, g: g,
    lambda x, y, z, g: neg(mul(g, floor_divide(x, y))),
    spans=((4.3, 5.4), (3.1, 3.9)),
    cost=Cost.HEAVY,
    divides=True,
)
Fmod, fmod = binary(
    "fmod",
    _whole("fmod", np.fmod),
    lambda x, y, z, g: g,
    lambda x, y, z, g: neg(mul(g, trunc_divide(x, y))),
    spans=((-5.4, -4.3), (3.1, 3.9)),
    cost=Cost.HEAVY,
    divides=True,
)


def _wins(loses: BinaryFunction) -> Callable[[Any, Any, Any], Any]:
    """The gradient of the operand that wins; a tie gives half to each, NaN all to both."""

    def rule(x: Any, y: Any, g: Any) -> Any:
        return where(eq(x, y), mul(g, 0.5), where(loses(x, y), 0.0, g))

    return rule


def _first_of_equals(extreme: np.ufunc) -> Callable[[Array, Array], Array]:
    """Of two zeros the first, whatever their signs, as PyTorch's scalar loops have it."""

    def apply(x: Array, y: Array) -> Array:
        out = np.asarray(extreme(x, y))
        if x.dtype.kind == "f":
            np.copyto(out, x, where=x == y)
        return out

    return apply


# Not commutative: which of two zeros is the first shows in its sign.
Maximum, maximum = binary(
    "maximum",
    _first_of_equals(np.maximum),
    lambda x, y, z, g: _wins(lt)(x, y, g),
    lambda x, y, z, g: _wins(lt)(y, x, g),
)
Minimum, minimum = binary(
    "minimum",
    _first_of_equals(np.minimum),
    lambda x, y, z, g: _wins(gt)(x, y, g),
    lambda x, y, z, g: _wins(gt)(y, x, g),
)


if not TYPE_CHECKING:
    __all__ = public_names(globals())
