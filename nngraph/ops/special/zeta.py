"""Hurwitz' zeta function: the sum of ``(q + k) ** -s`` over k = 0, 1, 2, ...

Terms up to a fixed one, and the rest by the formula of Euler and Maclaurin (NIST Digital Library of
Mathematical Functions, 25.11.5 and 2.10.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from nngraph.ir.dtypes import float64
from nngraph.ir.op import O, apply1
from nngraph.ops.elementwise import (
    add,
    div,
    eq,
    floor,
    le,
    logical_and,
    lt,
    minimum,
    mul,
    ne,
    neg,
    pow,
    reciprocal,
    remainder,
    sub,
    where,
)
from nngraph.ops.special.rows import Function
from nngraph.ops.special.series import horner

__all__ = ["Zeta", "hurwitz", "zeta"]

_HIGHEST = 4096.0  # beyond it there is nothing but the first term


def _bernoulli(count: int) -> list[Fraction]:
    """B(2) / 2!, B(4) / 4!, ..., by the recurrence of Bernoulli's numbers."""
    numbers = [Fraction(1)]
    for n in range(1, 2 * count + 1):
        known = (math.comb(n + 1, k) * b for k, b in enumerate(numbers))
        numbers.append(-sum(known, Fraction(0)) / (n + 1))
    return [numbers[2 * j] / math.factorial(2 * j) for j in range(1, count + 1)]


def _sizes(x: Any) -> tuple[int, list[Fraction]]:
    """How many terms are added one by one, and the coefficients of those for the rest."""
    double = x.aval.dtype is float64
    return (10, _bernoulli(12)) if double else (6, _bernoulli(6))


def _power(x: Any, exponent: int) -> Any:
    """By squaring."""
    found = None
    while exponent:
        if exponent & 1:
            found = x if found is None else mul(found, x)
        exponent >>= 1
        x = mul(x, x) if exponent else x
    return found


def hurwitz(s: int, q: Any) -> Any:
    """The function of numbers ``q`` that are not negative, for an integer ``s`` above 1."""
    count, numbers = _sizes(q)
    total = _power(reciprocal(q), s)
    for k in range(1, count):
        total = add(total, _power(reciprocal(add(q, float(k))), s))
    end = add(q, float(count))
    w = reciprocal(end)
    rising, parts = Fraction(s), []
    for j, number in enumerate(numbers):
        parts.append(float(number * rising))
        rising *= (s + 2 * j + 1) * (s + 2 * j + 2)
    rest = add(mul(horner(parts, mul(w, w)), w), 0.5)
    last = mul(_power(w, s), rest)
    return add(add(total, last), div(_power(w, s - 1), float(s - 1)))


def _positive(s: Any, q: Any) -> Any:
    """The function of numbers ``q`` above 0, for numbers ``s`` above 1."""
    count, numbers = _sizes(q)
    minus = neg(s)
    total = pow(q, minus)
    for k in range(1, count):
        total = add(total, pow(add(q, float(k)), minus))
    end = add(q, float(count))
    w = reciprocal(end)
    square, last = mul(w, w), pow(end, minus)
    s = minimum(s, _HIGHEST)
    rising, rest = mul(s, w), 0.5
    for j, number in enumerate(numbers):
        rest = add(mul(rising, float(number)), rest)
        step = mul(add(s, 2.0 * j + 1), add(s, 2.0 * j + 2))
        rising = mul(rising, mul(step, square))
    return add(total, mul(last, add(rest, div(end, sub(s, 1.0)))))


@dataclass(frozen=True)
class Zeta(Function):
    """Hurwitz' zeta function of s and q, as far as it is real.

    Infinite where s is 1 and where q is 0 or a negative integer, NaN where s is below 1, and where
    q is negative and s no integer. Below 0 the terms of both signs are two functions of positive
    numbers, of which one ends.
    """

    name: ClassVar[str] = "zeta"
    differentiable: ClassVar[bool] = False
    ranges: ClassVar[Any] = ((1.2, 6.0), (0.3, 4.0))

    def formula(self, *operands: Any) -> Any:
        s, q = operands
        low = le(q, 0.0)
        whole = floor(q)
        first = _positive(s, where(low, sub(q, whole), q))
        # terms from 0 down: those of 1 - q, but for the ones beyond it
        other = sub(_positive(s, sub(add(whole, 1.0), q)), _positive(s, sub(1.0, q)))
        sign = sub(1.0, mul(remainder(s, 2.0), 2.0))
        value = where(low, add(first, mul(sign, other)), first)
        value = where(logical_and(low, ne(s, floor(s))), math.nan, value)
        value = where(logical_and(low, eq(q, whole)), math.inf, value)
        return where(eq(s, 1.0), math.inf, where(lt(s, 1.0), math.nan, value))


def zeta(s: O, q: O) -> O:
    """Hurwitz' zeta function."""
    return apply1(Zeta(), s, q)
