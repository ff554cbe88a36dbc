"""Exponentials, logarithms, powers, trigonometry: floats only, one row each."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph.ir.op import Array, Cost
from nngraph.ops.core import Takes
from nngraph.ops.elementwise import special
from nngraph.ops.elementwise.arithmetic import add, div, mul, neg, sub
from nngraph.ops.elementwise.comparison import eq, ge, logical_and
from nngraph.ops.elementwise.rows import binary, unary
from nngraph.ops.elementwise.select import where
from nngraph.ops.family import public_names

_POSITIVE = (0.2, 4.0)
_INSIDE = (-0.9, 0.9)
_BELL = 2.0 / math.sqrt(math.pi)  # the slope of erf at 0

_heavy = partial(unary, takes=Takes.FLOATS, cost=Cost.HEAVY)
_slow = partial(unary, takes=Takes.FLOATS, cost=Cost.SLOW)


def _square(x: Any) -> Any:
    return mul(x, x)


def _sin(x: Any, y: Any, g: Any) -> Any:
    return mul(g, cos(x))


def _sinh(x: Any, y: Any, g: Any) -> Any:
    return mul(g, cosh(x))


def _pow(x: Array, y: Array) -> Array:
    """NumPy's power; integers to a negative power are 1/x truncated, as in PyTorch."""
    if y.dtype.kind == "f" and np.any(y == 0.5):
        # NumPy takes some roots for these powers, which -0 and minus infinity tell apart.
        edge = (y == 0.5) & ((x == 0) | np.isinf(x))
        return np.where(edge, np.abs(x), np.power(x, y))
    if y.dtype.kind != "i" or not np.any(y < 0):
        return np.power(x, y)
    whole = np.power(x, np.maximum(y, 0))
    inverse = np.where(x == 1, 1, np.where(x == -1, 1 - 2 * (y % 2), 0))
    return np.where(y < 0, inverse, whole)


Exp, exp = _heavy("exp", np.exp, lambda x, y, g: mul(g, y))
Expm1, expm1 = _heavy("expm1", np.expm1, lambda x, y, g: mul(g, add(y, 1.0)))
Log, log = _heavy("log", np.log, lambda x, y, g: div(g, x), span=_POSITIVE)
Log1p, log1p = _heavy("log1p", np.log1p, lambda x, y, g: div(g, add(x, 1.0)), span=(-0.8, 4.0))
Log2, log2 = _heavy("log2", np.log2, lambda x, y, g: div(g, mul(x, math.log(2.0))), span=_POSITIVE)
Sqrt, sqrt = _slow("sqrt", np.sqrt, lambda x, y, g: div(g, mul(y, 2.0)), span=_POSITIVE)
Rsqrt, rsqrt = _slow(
    "rsqrt",
    lambda x: 1 / np.sqrt(x),
    lambda x, y, g: mul(mul(g, -0.5), mul(y, _square(y))),
    span=_POSITIVE,
)
Reciprocal, reciprocal = _slow(
    "reciprocal", lambda x: 1 / x, lambda x, y, g: neg(mul(g, _square(y))), span=(0.4, 2.4)
)

Sin, sin = _heavy("sin", np.sin, _sin)
Cos, cos = _heavy("cos", np.cos, lambda x, y, g: neg(mul(g, sin(x))))
Tan, tan = _heavy("tan", np.tan, lambda x, y, g: mul(g, add(_square(y), 1.0)), span=(-1.2, 1.2))
Asin, asin = _heavy(
    "asin", np.arcsin, lambda x, y, g: mul(g, rsqrt(sub(1.0, _square(x)))), span=_INSIDE
)
Acos, acos = _heavy(
    "acos", np.arccos, lambda x, y, g: neg(mul(g, rsqrt(sub(1.0, _square(x))))), span=_INSIDE
)
Atan, atan = _heavy("atan", np.arctan, lambda x, y, g: div(g, add(_square(x), 1.0)))
Sinh, sinh = _heavy("sinh", np.sinh, _sinh)
Cosh, cosh = _heavy("cosh", np.cosh, lambda x, y, g: mul(g, sinh(x)))
Tanh, tanh = _heavy("tanh", np.tanh, lambda x, y, g: mul(g, sub(1.0, _square(y))))
Asinh, asinh = _heavy("asinh", np.arcsinh, lambda x, y, g: mul(g, rsqrt(add(_square(x), 1.0))))
Acosh, acosh = _heavy(
    "acosh", np.arccosh, lambda x, y, g: mul(g, rsqrt(sub(_square(x), 1.0))), span=(1.2, 4.0)
)
Atanh, atanh = _heavy(
    "atanh", np.arctanh, lambda x, y, g: div(g, sub(1.0, _square(x))), span=_INSIDE
)

Erf, erf = _heavy("erf", special.erf, lambda x, y, g: mul(mul(g, _BELL), exp(neg(_square(x)))))
Erfc, erfc = _heavy("erfc", special.erfc, lambda x, y, g: mul(mul(g, -_BELL), exp(neg(_square(x)))))
Sigmoid, sigmoid = _heavy(
    "sigmoid", lambda x: 1 / (1 + np.exp(-x)), lambda x, y, g: mul(g, mul(y, sub(1.0, y)))
)


def _pow_base(x: Any, y: Any, z: Any, g: Any) -> Any:
    return where(eq(y, 0.0), 0.0, mul(g, mul(y, pow(x, sub(y, 1.0)))))


def _pow_exponent(x: Any, y: Any, z: Any, g: Any) -> Any:
    flat = logical_and(eq(x, 0.0), ge(y, 0.0))  # 0**y is 0 for all y > 0
    return mul(g, where(flat, 0.0, mul(z, log(x))))


Pow, pow = binary(
    "pow",
    _pow,
    _pow_base,
    _pow_exponent,
    spans=(_POSITIVE, (-1.9, 2.7)),
    ints=((-3, 1, 2, -1), (0, 2, 3)),
    cost=Cost.HEAVY,
)


def _atan2_part(x: Any, y: Any, other: Any, g: Any) -> Any:
    square = add(_square(x), _square(y))
    return mul(g, div(other, where(eq(square, 0.0), 1.0, square)))  # 0 at the origin


# atan2(y, x): the first operand is the ordinate.
Atan2, atan2 = binary(
    "atan2",
    np.arctan2,
    lambda y, x, z, g: _atan2_part(x, y, x, g),
    lambda y, x, z, g: neg(_atan2_part(x, y, y, g)),
    takes=Takes.FLOATS,
    spans=((-2.3, 2.4), (0.4, 2.7)),
    cost=Cost.HEAVY,
)


if not TYPE_CHECKING:
    __all__ = public_names(globals())
