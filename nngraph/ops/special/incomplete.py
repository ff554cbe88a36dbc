"""The incomplete gamma function, from either end, over the whole one.

Up to 1.5 a power series (NIST Digital Library of Mathematical Functions, 8.7.1). Beyond, the end
that is smaller: with ``t = x * exp(v)`` its integral is

    x**a * exp(-x) / gamma(a) * integral of exp(-abs(x - a) * v - x * (exp(w) - 1 - w)), w = +-v,

from 0 to where nothing is left of it. The integrand falls and has no singularity nearby, so Gauss'
rule with a fixed number of nodes gives all digits; the nodes are an axis of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dtypes import float64
from nngraph.ir.op import O, apply1
from nngraph.ops.broadcast import sum, unsqueeze
from nngraph.ops.creation import constant
from nngraph.ops.elementwise import (
    abs,
    add,
    div,
    eq,
    exp,
    expm1,
    ge,
    isnan,
    le,
    log,
    log1p,
    logical_and,
    logical_or,
    lt,
    maximum,
    minimum,
    mul,
    neg,
    sqrt,
    sub,
    where,
)
from nngraph.ops.special.gamma import log_gamma_of_next, stirling_rest
from nngraph.ops.special.rows import Function
from nngraph.ops.special.series import horner
from nngraph.ops.special.tables import NODES

__all__ = ["Igamma", "igamma"]

_SERIES = 1.5  # up to here
_LARGE = 2.5  # from here on, Stirling's formula


def _sizes(x: Any) -> tuple[int, float, int]:
    """Terms of the series, the logarithm of what is nothing, terms of exponential and logarithm."""
    return (24, 37.0, 18) if x.aval.dtype is float64 else (14, 18.0, 9)


def _series(upper: bool, a: Any, x: Any) -> Any:
    """Of numbers from 0 to 1.5."""
    last = _sizes(x)[0]
    rest: Any = div(a, add(a, float(last)))
    for n in range(last - 1, 0, -1):  # the sum of (-x)**(n - 1) / n! * a / (a + n)
        rest = add(div(a, add(a, float(n))), mul(mul(rest, x), -1.0 / (n + 1)))
    rest = mul(rest, neg(x))
    exponent = sub(mul(a, log(x)), log_gamma_of_next(a))
    power = exp(exponent)
    if upper:
        return neg(add(expm1(exponent), mul(power, rest)))
    return add(power, mul(power, rest))


def _exponent(w: Any) -> Any:
    """exp(w) - 1 - w."""
    terms = [1 / math.factorial(k + 2) for k in range(_sizes(w)[2])]
    near = mul(mul(w, w), horner(terms, w))
    return where(lt(abs(w), 1.0), near, sub(expm1(w), w))


def _logarithm(m: Any) -> Any:
    """What log(1 + m) leaves of m."""
    r = div(m, add(m, 2.0))  # log(1 + m) is 2 * atanh(r)
    square = mul(r, r)
    terms = [2 / (2 * k + 3) for k in range(_sizes(m)[2] - 4)]
    near = sub(mul(m, r), mul(mul(square, r), horner(terms, square)))
    return where(lt(abs(r), 0.25), near, sub(m, log1p(m)))


def _factor(a: Any, x: Any) -> Any:
    """x**a * exp(-x) / gamma(a)."""
    near = minimum(x, 1e3)  # beyond, exp(-x) is 0
    small = mul(exp(sub(mul(a, log(near)), log_gamma_of_next(a))), exp(neg(near)))
    large = maximum(a, _LARGE)
    power = add(mul(_logarithm(div(sub(x, large), large)), large), stirling_rest(large))
    far = mul(sqrt(mul(large, 1 / (2 * math.pi))), exp(neg(power)))
    return where(lt(a, _LARGE), mul(a, small), far)


def _end(a: Any, x: Any) -> Any:
    """The share beyond ``x``, if that is ``a`` or more, else that before it; from 1.5 on."""
    nothing, dtype = _sizes(x)[1], x.aval.dtype
    upper, distance = ge(x, a), abs(sub(x, a))
    y = div(nothing, x)
    root = sqrt(mul(y, add(y, 8.0)))
    far = where(upper, log1p(add(y, sqrt(mul(y, 2.0)))), mul(add(y, root), 0.5))
    length = minimum(far, div(nothing, distance))  # where the exponent is at least as low
    nodes, weights = (constant(np.asarray(v, dtype.numpy), x) for v in NODES[dtype is float64])
    v = mul(unsqueeze(length, -1), nodes)
    w = where(unsqueeze(upper, -1), v, neg(v))
    power = add(mul(unsqueeze(distance, -1), v), mul(unsqueeze(x, -1), _exponent(w)))
    integral = sum(mul(exp(neg(power)), weights), -1)
    return mul(mul(integral, length), _factor(a, x))


@dataclass(frozen=True)
class Igamma(Function):
    """The share of the gamma function of a that lies before x; with ``upper`` that beyond.

    NaN where an operand is negative.
    """

    upper: bool
    name: ClassVar[str] = "igamma"
    differentiable: ClassVar[bool] = False
    ranges: ClassVar[Any] = ((0.3, 6.0), (0.2, 9.0))

    @classmethod
    def variants(cls) -> Sequence[Function]:
        return cls(False), cls(True)

    def formula(self, *operands: Any) -> Any:
        a, x = operands
        part = _end(a, maximum(x, _SERIES))
        opposite = lt(x, a) if self.upper else ge(x, a)
        found = where(opposite, sub(1.0, part), part)
        found = where(le(x, _SERIES), _series(self.upper, a, minimum(x, _SERIES)), found)
        all_before = logical_or(eq(a, 0.0), eq(x, math.inf))
        all_beyond = logical_or(eq(x, 0.0), eq(a, math.inf))
        found = where(all_before, 0.0 if self.upper else 1.0, found)
        found = where(all_beyond, 1.0 if self.upper else 0.0, found)
        wrong = logical_or(lt(a, 0.0), lt(x, 0.0))
        unknown = logical_and(eq(a, 0.0), isnan(x))
        wrong = logical_or(logical_or(wrong, unknown), logical_and(all_before, all_beyond))
        return where(wrong, math.nan, found)


def igamma(upper: bool, a: O, x: O) -> O:
    """The share of the gamma function of ``a`` before ``x``, or beyond."""
    return apply1(Igamma(upper), a, x)
