"""The logarithm of the gamma function, and its derivatives.

Both sides of 2 are polynomials of the distance from it, in which the zeros at 1 and 2 are factors;
beyond 2.5 polynomials say what Stirling's formula leaves; below zero the reflection formulas hold
(NIST Digital Library of Mathematical Functions, 5.5, 5.11 and 5.15).
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
    cast,
    div,
    eq,
    le,
    log,
    log1p,
    logical_and,
    logical_or,
    lt,
    maximum,
    mul,
    neg,
    reciprocal,
    round,
    sub,
    where,
)
from nngraph.ops.special.rows import Function, Slope
from nngraph.ops.special.series import horner, series
from nngraph.ops.special.zeta import hurwitz

# fmt: off
__all__ = [
    "Digamma", "Lgamma", "Polygamma", "digamma", "lgamma", "log_gamma_of_next", "polygamma",
    "stirling_rest",
]
# fmt: on

_LOG_GAMMA, _STIRLING = series("log_gamma"), series("stirling")
_SINE, _COSINE = series("sine"), series("cosine")
_DIGAMMA, _DIGAMMA_FAR = series("digamma"), series("digamma_far")
_BOUND = 2.5  # from here on, the far ones
_LARGEST = 170  # whose factorial float64 holds


def _from_two(x: Any) -> tuple[Any, Any]:
    """The distance from 2 of what ``x`` becomes by adding 2, 1 or 0, and the factors passed."""
    low, middle = lt(x, 0.5), lt(x, 1.5)
    distance = where(low, x, where(middle, sub(x, 1.0), sub(x, 2.0)))
    return distance, where(low, mul(x, add(x, 1.0)), where(middle, x, 1.0))


def _log_gamma(x: Any) -> Any:
    """Of numbers that are not negative."""
    is_near = lt(x, _BOUND)
    distance, passed = _from_two(x)
    logarithm = log(where(is_near, passed, x))
    near = sub(mul(distance, _LOG_GAMMA(distance)), logarithm)
    far = add(mul(sub(x, 0.5), sub(logarithm, 1.0)), math.log(2 * math.pi) / 2 - 0.5)
    return where(is_near, near, add(far, stirling_rest(maximum(x, _BOUND))))


def stirling_rest(x: Any) -> Any:
    """What Stirling's formula leaves of the logarithm, from 2.5 on."""
    w = reciprocal(x)
    return mul(_STIRLING(mul(w, w)), w)


def log_gamma_of_next(x: Any) -> Any:
    """The logarithm of gamma(1 + x) of numbers that are not negative, near 0 to the last digits."""
    near = sub(mul(x, _LOG_GAMMA(x)), log1p(x))
    return where(lt(x, 0.5), near, _log_gamma(add(x, 1.0)))


def _sine(rest: Any) -> Any:
    """sin(pi * x) of a distance from an integer, up to its sign."""
    return mul(rest, _SINE(mul(rest, rest)))


def _cotangent(rest: Any) -> Any:
    """cot(pi * x)."""
    return div(_COSINE(mul(rest, rest)), _sine(rest))


@dataclass(frozen=True)
class Lgamma(Function):
    """log(abs(gamma(x))); infinite at zero and the negative integers."""

    name: ClassVar[str] = "lgamma"
    ranges: ClassVar[Any] = ((0.2, 5.7),)

    def formula(self, *operands: Any) -> Any:
        (x,) = operands
        negative = lt(x, 0.0)
        above = _log_gamma(where(negative, sub(1.0, x), x))
        rest = sub(x, round(x))
        below = sub(sub(math.log(math.pi), log(abs(_sine(rest)))), above)
        pole = logical_or(eq(rest, 0.0), eq(x, -math.inf))
        return where(negative, where(pole, math.inf, below), above)

    def slopes(self, *operands: Any) -> Sequence[Slope]:
        return (lambda y, g: mul(g, digamma(operands[0])),)


@dataclass(frozen=True)
class Digamma(Function):
    """The derivative of lgamma; infinite at zero, NaN at the negative integers, as in PyTorch."""

    name: ClassVar[str] = "digamma"
    ranges: ClassVar[Any] = ((0.2, 5.7),)

    def formula(self, *operands: Any) -> Any:
        (x,) = operands
        negative = lt(x, 0.0)
        above = _digamma(where(negative, sub(1.0, x), x))
        rest = sub(x, round(x))
        below = sub(above, mul(_cotangent(rest), math.pi))
        found = where(negative, where(eq(rest, 0.0), math.nan, below), above)
        return where(eq(x, 0.0), neg(reciprocal(x)), found)  # of either sign

    def slopes(self, *operands: Any) -> Sequence[Slope]:
        return (lambda y, g: mul(g, polygamma(1, operands[0])),)


def _digamma(x: Any) -> Any:
    """Of numbers that are not negative."""
    distance, passed = _from_two(x)
    over = where(lt(x, 0.5), add(mul(x, 2.0), 1.0), cast(lt(x, 1.5), x.aval.dtype))
    near = sub(_DIGAMMA(distance), div(over, passed))
    large = maximum(x, _BOUND)
    w = reciprocal(large)
    square = mul(w, w)
    far = sub(sub(log(large), mul(w, 0.5)), mul(_DIGAMMA_FAR(square), square))
    return where(lt(x, _BOUND), near, far)


@dataclass(frozen=True)
class Polygamma(Function):
    """A derivative of digamma; infinite at zero and the negative integers.

    Attributes:
        order: which derivative, from 1 on.
    """

    order: int
    name: ClassVar[str] = "polygamma"
    ranges: ClassVar[Any] = ((0.4, 5.4),)

    @classmethod
    def variants(cls) -> Sequence[Function]:
        return tuple(map(cls, (1, 2)))

    def formula(self, *operands: Any) -> Any:
        (x,) = operands
        sign = -1.0 if self.order % 2 == 0 else 1.0
        negative = lt(x, 0.0)
        above = hurwitz(self.order + 1, where(negative, sub(1.0, x), x))
        rest = sub(x, round(x))
        below = neg(add(self._of_cotangent(_cotangent(rest)), above))
        pole = logical_and(eq(rest, 0.0), le(x, 0.0))
        if self.order > 1:  # as in PyTorch
            pole = logical_or(pole, eq(x, -math.inf))
        found = where(negative, below, mul(above, sign))
        size = math.factorial(self.order) if self.order <= _LARGEST else math.inf
        return where(pole, sign * math.inf, mul(found, float(size)))

    def _of_cotangent(self, t: Any) -> Any:
        """This derivative of pi * cot(pi * x), where that is t, over the factorial of the order."""
        powers = [0, 1]
        for _ in range(self.order):  # dt/dx = -pi * (1 + t*t)
            slope = [k * c for k, c in enumerate(powers)][1:]
            powers = [-a - b for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
        scale = math.pi ** (self.order + 1) / math.factorial(self.order)
        odd = self.order % 2 == 0
        even = horner([c * scale for c in powers[odd::2]], mul(t, t))
        return mul(even, t) if odd else even

    def slopes(self, *operands: Any) -> Sequence[Slope]:
        return (lambda y, g: mul(g, polygamma(self.order + 1, operands[0])),)


def lgamma(x: O) -> O:
    """log(abs(gamma(x)))."""
    return apply1(Lgamma(), x)


def digamma(x: O) -> O:
    """The derivative of ``lgamma``."""
    return apply1(Digamma(), x)


def polygamma(order: int, x: O) -> O:
    """A derivative of ``digamma``; its own value for the order 0."""
    return apply1(Polygamma(order), x) if order else digamma(x)
