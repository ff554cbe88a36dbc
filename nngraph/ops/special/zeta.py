"""Hurwitz' zeta function: the sum of ``(q + k) ** -s`` over k = 0, 1, 2, ...

Terms up to a fixed one, and the rest by the formula of Euler and Maclaurin (NIST Digital Library of
Mathematical Functions, 25.11.5 and 2.10.1).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from nngraph.ir.dtypes import float64
from nngraph.ops.elementwise import add, div, mul, reciprocal
from nngraph.ops.special.series import horner

__all__ = ["hurwitz"]


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
