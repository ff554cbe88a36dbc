"""Formulas for functions that ONNX lacks, or whose ONNX Runtime kernels know float32 only.

They serve gradient checks and reference runs: written for digits, not for speed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from nngraph.backends.onnx.emission import Site
from nngraph.ir.dtypes import float32, float64

__all__ = [
    "Formula",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cosh",
    "erf",
    "erfc",
    "sinh",
    "tan",
]

Formula = Callable[[Site, str], str]


def _number(s: Site, value: float) -> str:
    return s.number(value, float64)


def tan(s: Site, x: str) -> str:
    """Sine over cosine."""
    return s("Div", s("Sin", x), s("Cos", x))


def cosh(s: Site, x: str) -> str:
    """The mean of two exponentials."""
    both = s("Add", s("Exp", x), s("Exp", s("Neg", x)))
    return s("Mul", both, _number(s, 0.5))


def sinh(s: Site, x: str) -> str:
    """Exact near zero, as tanh is."""
    return s("Mul", s("Tanh", x), cosh(s, x))


def atan(s: Site, x: str) -> str:
    """float32's result y, and what is missing: atan((x - tan y) / (1 + x tan y)), a tiny angle."""
    bound = 1e300
    x = s("Clip", x, _number(s, -bound), _number(s, bound))
    rough = s.cast(s("Atan", s.cast(x, float32)), float64)
    tangent = tan(s, rough)
    below = s("Add", s("Mul", x, tangent), _number(s, 1))
    rest = s("Div", s("Sub", x, tangent), below)
    cube = s("Mul", s("Mul", rest, rest), s("Mul", rest, _number(s, -1 / 3)))
    return s("Add", rough, s("Add", rest, cube))


def _root_of_product(s: Site, x: str) -> tuple[str, str]:
    one = _number(s, 1)
    return s("Sub", one, x), s("Add", one, x)


def asin(s: Site, x: str) -> str:
    """By the arc tangent of opposite over adjacent."""
    below, above = _root_of_product(s, x)
    return atan(s, s("Div", x, s("Sqrt", s("Mul", below, above))))


def acos(s: Site, x: str) -> str:
    """Twice the arc tangent of the half angle, exact near 1."""
    below, above = _root_of_product(s, x)
    return s("Mul", _number(s, 2), atan(s, s("Sqrt", s("Div", below, above))))


def _log1p(s: Site, x: str) -> str:
    one = _number(s, 1)
    u = s("Add", x, one)
    plain = s("Log", u)
    exact = s("Mul", plain, s("Div", x, s("Sub", u, one)))
    near = s("Where", s("Equal", u, one), x, exact)
    return s("Where", s("Less", s("Abs", x), one), near, plain)


def asinh(s: Site, x: str) -> str:
    """sign(x) * log1p(a + a*a / (1 + sqrt(1 + a*a))) with a = |x|, exact near zero."""
    size, one = s("Abs", x), _number(s, 1)
    square = s("Mul", size, size)
    tail = s("Div", square, s("Add", one, s("Sqrt", s("Add", one, square))))
    near = _log1p(s, s("Add", size, tail))
    far = s("Add", s("Log", size), _number(s, math.log(2)))  # a*a overflows long before log
    value = s("Where", s("Less", size, _number(s, 1e100)), near, far)
    return s("Where", s("Less", x, _number(s, 0)), s("Neg", value), value)


def acosh(s: Site, x: str) -> str:
    """log1p of what is over 1, exact near 1; a logarithm far away."""
    over = s("Sub", x, _number(s, 1))
    root = s("Sqrt", s("Mul", over, s("Add", over, _number(s, 2))))
    near = _log1p(s, s("Add", over, root))
    far = s("Add", s("Log", x), _number(s, math.log(2)))
    return s("Where", s("Greater", x, _number(s, 1e100)), far, near)


def atanh(s: Site, x: str) -> str:
    """Half of log1p, exact near zero."""
    ratio = s("Div", s("Mul", x, _number(s, 2)), s("Sub", _number(s, 1), x))
    return s("Mul", _log1p(s, ratio), _number(s, 0.5))


# erfc(z) = t * exp(-z*z + sum c_k T_k(2t - 1)) with t = 2 / (2 + z), z >= 0; coefficients of
# W. H. Press et al., "Numerical Recipes", 3rd edition, 6.2.2.
_CHEBYSHEV = (
    -1.3026537197817094,
    6.4196979235649026e-1,
    1.9476473204185836e-2,
    -9.561514786808631e-3,
    -9.46595344482036e-4,
    3.66839497852761e-4,
    4.2523324806907e-5,
    -2.0278578112534e-5,
    -1.624290004647e-6,
    1.303655835580e-6,
    1.5626441722e-8,
    -8.5238095915e-8,
    6.529054439e-9,
    5.059343495e-9,
    -9.91364156e-10,
    -2.27365122e-10,
    9.6467911e-11,
    2.394038e-12,
    -6.886027e-12,
    8.94487e-13,
    3.13092e-13,
    -1.12708e-13,
    3.81e-16,
    7.106e-15,
    -1.523e-15,
    -9.4e-17,
    1.21e-16,
    -2.8e-17,
)
# erf(x) / x near zero in powers of x*x.
_TAYLOR = tuple(
    2 / math.sqrt(math.pi) * (-1) ** n / (math.factorial(n) * (2 * n + 1)) for n in range(12)
)


def _horner(s: Site, coefficients: Sequence[float], x: str) -> str:
    total = _number(s, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = s("Add", s("Mul", total, x), _number(s, c))
    return total


def _erfc_of_size(s: Site, size: str) -> str:
    """Erfc of numbers that are not negative; NaN for infinity."""
    t = s("Div", s.number(2), s("Add", size, s.number(2)))
    twice = s("Sub", s("Mul", t, s.number(4)), s.number(2))
    d, previous = s.number(0), s.number(0)
    for c in reversed(_CHEBYSHEV[1:]):  # Clenshaw's recurrence
        d, previous = s("Add", s("Sub", s("Mul", twice, d), previous), s.number(c)), d
    head = s("Add", s("Mul", twice, d), s.number(_CHEBYSHEV[0]))
    exponent = s("Sub", s("Sub", s("Mul", head, s.number(0.5)), previous), s("Mul", size, size))
    return s("Mul", t, s("Exp", exponent))


def erf(s: Site, x: str) -> str:
    """A series near zero; 1 from 6 on, in every digit."""
    size = s("Abs", x)
    far = s("Sub", _number(s, 1), _erfc_of_size(s, size))
    far = s("Mul", s("Sign", x), s("Where", s("Greater", size, _number(s, 6)), _number(s, 1), far))
    near = s("Mul", x, _horner(s, _TAYLOR, s("Mul", x, x)))
    value = s("Where", s("Less", size, _number(s, 0.5)), near, far)
    return s("Where", s("IsNaN", x), x, value)


def erfc(s: Site, x: str) -> str:
    """In the operand's own type: ONNX has no such operator. 0 from 30 on, in every type."""
    size = s("Min", s("Abs", x), s.number(30))
    tail = _erfc_of_size(s, size)
    value = s("Where", s("Less", x, s.number(0)), s("Sub", s.number(2), tail), tail)
    return s("Where", s("IsNaN", x), x, value)
