"""Functions between two bounds as polynomials, each as long as the element type is precise."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from typing import Any

from nngraph.ir.dtypes import float64
from nngraph.ops.elementwise import add, mul, sub
from nngraph.ops.special.tables import TABLES

__all__ = ["Series", "horner", "series"]


@dataclass(frozen=True)
class Series:
    """A Chebyshev series: the sum of ``coefficients[k] * T_k(t)``; t is -1 and 1 at the bounds.

    Attributes:
        low: the lower bound of the argument.
        high: the upper bound.
        coefficients: as many as float64 tells apart.
    """

    low: float
    high: float
    coefficients: tuple[float, ...]

    def __call__(self, x: Any) -> Any:
        """The value at ``x``, of float32 or float64; outside of the bounds it is no value."""
        middle, half = (self.high + self.low) / 2, (self.high - self.low) / 2
        t = mul(sub(x, middle) if middle else x, 1 / half)
        return horner(_powers(self.coefficients, x.aval.dtype is float64), t)


def series(name: str) -> Series:
    """One of the tables."""
    return Series(*TABLES[name])


@functools.cache
def _powers(coefficients: tuple[float, ...], double: bool) -> tuple[float, ...]:
    """The coefficients of t**0, t**1, ..., from as many terms as the type tells apart."""
    bound = max(map(abs, coefficients)) * (2.0**-58 if double else 2.0**-28)
    count = max(k for k, c in enumerate(coefficients, 1) if abs(c) >= bound)
    one, t = [Fraction(1)], [Fraction(0), Fraction(1)]
    basis = [one, t]
    while len(basis) < count:  # T_(k+1) = 2 t T_k - T_(k-1)
        twice = [Fraction(0), *(2 * c for c in basis[-1])]
        basis.append([a - b for a, b in zip_longest(twice, basis[-2], fillvalue=Fraction(0))])
    total = [Fraction(0)] * count
    for c, powers in zip(coefficients[:count], basis, strict=False):
        for k, p in enumerate(powers):
            total[k] += Fraction(c) * p
    return tuple(map(float, total))


def horner(coefficients: Sequence[float], x: Any) -> Any:
    """The polynomial with ``coefficients[k]`` at x**k, of two coefficients or more."""
    *lower, highest = coefficients
    total = mul(x, highest)
    for c in reversed(lower[1:]):
        total = mul(add(total, c), x)
    return add(total, lower[0])
