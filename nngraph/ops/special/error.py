"""The error function's inverse and scaled complement, and those of the normal distribution.

Near 0.5 (of 1) the inverse is a polynomial of the square of the distance; in the tails it is
``r = sqrt(-log(erfc(z)))`` and what that leaves of z. The scaled complement is one series of
``(x - k) / (x + k)``, as in M. M. Shepherd and J. G. Laframboise, "Chebyshev approximation of
(1 + 2x) exp(x^2) erfc(x)", Mathematics of Computation 36 (1981), 249-253.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nngraph.ir.op import O, apply1
from nngraph.ops.elementwise import (
    abs,
    add,
    div,
    eq,
    erfc,
    exp,
    log,
    log1p,
    lt,
    minimum,
    mul,
    neg,
    reciprocal,
    sqrt,
    sub,
    where,
)
from nngraph.ops.special.rows import Function, Slope
from nngraph.ops.special.series import series

__all__ = ["Erfcx", "Erfinv", "LogNdtr", "Ndtri", "erfcx", "erfinv", "log_ndtr", "ndtri"]

_ERFINV, _ERFC_INVERSE, _ERFCX = series("erfinv"), series("erfc_inverse"), series("erfcx")
_NEAR = 0.5  # y*y up to which the polynomial holds
_ROOT_2, _ROOT_PI = math.sqrt(2), math.sqrt(math.pi)


def _near(y: Any) -> Any:
    return mul(y, _ERFINV(mul(y, y)))


def _tail(q: Any) -> Any:
    """The number whose erfc is ``q``, of those above 0.7; NaN below 0."""
    r = sqrt(neg(log(q)))
    return where(eq(q, 0.0), math.inf, add(r, _ERFC_INVERSE(reciprocal(add(r, 4.0)))))


def _signed(size: Any, like: Any) -> Any:
    return where(lt(like, 0.0), neg(size), size)


@dataclass(frozen=True)
class Erfinv(Function):
    """The number whose error function is x; infinite at -1 and 1, NaN beyond."""

    name: ClassVar[str] = "erfinv"
    ranges: ClassVar[Any] = ((-0.9, 0.95),)

    def formula(self, *operands: Any) -> Any:
        (x,) = operands
        far = _signed(_tail(sub(1.0, abs(x))), x)
        return where(lt(mul(x, x), _NEAR), _near(x), far)

    def slopes(self, *operands: Any) -> Sequence[Slope]:
        return (lambda y, g: mul(mul(g, _ROOT_PI / 2), exp(mul(y, y))),)


@dataclass(frozen=True)
class Ndtri(Function):
    """The quantile of the standard normal distribution; NaN outside of [0, 1]."""

    name: ClassVar[str] = "ndtri"
    ranges: ClassVar[Any] = ((0.03, 0.96),)

    def formula(self, *operands: Any) -> Any:
        (x,) = operands
        y = mul(sub(x, 0.5), 2.0)
        far = _signed(_tail(mul(where(lt(y, 0.0), x, sub(1.0, x)), 2.0)), y)
        return mul(where(lt(mul(y, y), _NEAR), _near(y), far), _ROOT_2)

    def slopes(self, *operands: Any) -> Sequence[Slope]:
        size = math.sqrt(2 * math.pi)
        return (lambda y, g: mul(mul(g, size), exp(mul(mul(y, y), 0.5))),)


@dataclass(frozen=True)
class Erfcx(Function):
    """exp(x*x) * erfc(x)."""

    name: ClassVar[str] = "erfcx"
    ranges: ClassVar[Any] = ((-1.4, 6.0),)

    def formula(self, *operands: Any) -> Any:
        (x,) = operands
        # beyond, 1 + 2x would overflow, and 0.5 / x is all that is left
        size = minimum(abs(x), 1e30)
        above = div(_ERFCX(div(sub(size, 3.75), add(size, 3.75))), add(mul(size, 2.0), 1.0))
        below = sub(mul(exp(mul(x, x)), 2.0), above)
        return where(lt(x, 0.0), below, where(eq(x, math.inf), 0.0, above))

    def slopes(self, *operands: Any) -> Sequence[Slope]:
        (x,) = operands
        return (lambda y, g: mul(g, sub(mul(mul(x, y), 2.0), 2 / _ROOT_PI)),)


@dataclass(frozen=True)
class LogNdtr(Function):
    """The logarithm of the standard normal distribution's area below x."""

    name: ClassVar[str] = "log_ndtr"
    ranges: ClassVar[Any] = ((-5.0, 3.0),)

    def formula(self, *operands: Any) -> Any:
        (x,) = operands
        t = mul(x, 1 / _ROOT_2)
        low = minimum(t, 0.0)
        below = sub(log(mul(erfcx(neg(low)), 0.5)), mul(low, low))
        return where(lt(x, -1.0), below, log1p(mul(erfc(t), -0.5)))

    def slopes(self, *operands: Any) -> Sequence[Slope]:
        (x,) = operands
        size = math.sqrt(2 / math.pi)
        return (lambda y, g: div(mul(g, size), erfcx(mul(x, -1 / _ROOT_2))),)


def erfinv(x: O) -> O:
    """The number whose error function is ``x``."""
    return apply1(Erfinv(), x)


def ndtri(x: O) -> O:
    """The number below which the share ``x`` of a standard normal distribution lies."""
    return apply1(Ndtri(), x)


def erfcx(x: O) -> O:
    """``exp(x * x) * erfc(x)``."""
    return apply1(Erfcx(), x)


def log_ndtr(x: O) -> O:
    """The logarithm of the share of a standard normal distribution that lies below ``x``."""
    return apply1(LogNdtr(), x)
