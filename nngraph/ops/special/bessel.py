"""Bessel functions of the orders 0 and 1.

Up to 8 (K: 2) they are polynomials, besides logarithms and poles (NIST Digital Library of
Mathematical Functions, 10.8 and 10.31); beyond, what multiplies their exponentials, or cosine and
sine, is (10.17 and 10.40).
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
    cos,
    div,
    eq,
    exp,
    gt,
    le,
    log,
    lt,
    maximum,
    minimum,
    mul,
    neg,
    reciprocal,
    sign,
    sin,
    sqrt,
    sub,
    where,
)
from nngraph.ops.special.rows import Function, Slope
from nngraph.ops.special.series import series

# fmt: off
__all__ = [
    "AiryAi", "BesselI", "BesselJ", "BesselK", "BesselY", "airy_ai", "bessel_i", "bessel_j",
    "bessel_k", "bessel_y",
]
# fmt: on

_NEAR = 8.0
_NEAR_K = 2.0
_AIRY = (-3.0, 2.0)


def _near_i(order: int, size: Any) -> Any:
    """I(x) / exp(x) of numbers from 0 to 8."""
    value = series(f"i{order}")(minimum(size, _NEAR))
    return mul(value, size) if order else value


def _odd(found: Any, x: Any) -> Any:
    return where(lt(x, 0.0), neg(found), found)


@dataclass(frozen=True)
class BesselI(Function):
    """The modified Bessel function of the first kind.

    Attributes:
        order: 0 or 1.
        scaled: divided by exp(abs(x)).
    """

    order: int
    scaled: bool
    name: ClassVar[str] = "bessel_i"
    ranges: ClassVar[Any] = ((-3.0, 11.0),)

    @classmethod
    def variants(cls) -> Sequence[Function]:
        return cls(0, False), cls(1, True)

    def formula(self, *operands: Any) -> Any:
        (x,) = operands
        size = abs(x)
        large = maximum(size, _NEAR)
        far = div(series(f"i{self.order}_far")(reciprocal(large)), sqrt(large))
        found = where(le(size, _NEAR), _near_i(self.order, size), far)
        found = found if self.scaled else mul(found, exp(size))
        return _odd(found, x) if self.order else found

    def slopes(self, *operands: Any) -> Sequence[Slope]:
        (x,) = operands
        if not self.order:
            first = bessel_i(1, self.scaled, x)
            return (lambda y, g: mul(g, sub(first, mul(sign(x), y)) if self.scaled else first),)
        zeroth = bessel_i(0, self.scaled, x)
        tiny = lt(abs(x), 1e-8)
        safe = where(tiny, 1.0, x)
        part = add(sign(x), reciprocal(safe)) if self.scaled else reciprocal(safe)
        return (lambda y, g: mul(g, where(tiny, 0.5, sub(zeroth, mul(y, part)))),)


@dataclass(frozen=True)
class BesselK(Function):
    """The modified Bessel function of the second kind; NaN below 0.

    Attributes:
        order: 0 or 1.
        scaled: times exp(x).
    """

    order: int
    scaled: bool
    name: ClassVar[str] = "bessel_k"
    differentiable: ClassVar[bool] = False
    ranges: ClassVar[Any] = ((0.2, 9.0),)

    @classmethod
    def variants(cls) -> Sequence[Function]:
        return cls(0, False), cls(1, True)

    def formula(self, *operands: Any) -> Any:
        (x,) = operands
        size = minimum(x, _NEAR_K)
        first = mul(mul(_near_i(self.order, size), exp(size)), log(mul(size, 0.5)))
        rest = series(f"k{self.order}")(mul(size, size))
        near = add(div(rest, size), first) if self.order else sub(rest, first)
        large = maximum(x, _NEAR_K)
        far = div(series(f"k{self.order}_far")(reciprocal(large)), sqrt(large))
        if self.scaled:
            near = mul(near, exp(size))
        else:
            far = mul(far, exp(neg(large)))
        found = where(le(x, _NEAR_K), near, far)
        return where(eq(x, 0.0), math.inf, where(lt(x, 0.0), math.nan, found))


def _waves(order: int, x: Any) -> tuple[Any, Any]:
    """J and Y of numbers from 8 on."""
    w = reciprocal(x)
    square = mul(w, w)
    c = series(f"cos{order}")(square)
    s = mul(series(f"sin{order}")(square), w)
    # cosine and sine of x - pi/4, times the root of 2; of the first order, a quarter turn on
    together, apart = add(cos(x), sin(x)), sub(sin(x), cos(x))
    cosine, sine = (apart, neg(together)) if order else (together, apart)
    size = mul(sqrt(w), 1 / math.sqrt(math.pi))
    j, y = sub(mul(c, cosine), mul(s, sine)), add(mul(c, sine), mul(s, cosine))
    return mul(j, size), mul(y, size)


def _near_j(order: int, size: Any) -> Any:
    """J of numbers up to 8."""
    value = series(f"j{order}")(mul(size, size))
    return mul(value, size) if order else value


@dataclass(frozen=True)
class BesselJ(Function):
    """The Bessel function of the first kind.

    Attributes:
        order: 0 or 1.
    """

    order: int
    name: ClassVar[str] = "bessel_j"
    differentiable: ClassVar[bool] = False
    ranges: ClassVar[Any] = ((-3.0, 20.0),)

    @classmethod
    def variants(cls) -> Sequence[Function]:
        return cls(0), cls(1)

    def formula(self, *operands: Any) -> Any:
        (x,) = operands
        size = abs(x)
        far, _ = _waves(self.order, maximum(size, _NEAR))
        near = _near_j(self.order, maximum(minimum(x, _NEAR), -_NEAR))
        return where(le(size, _NEAR), near, _odd(far, x) if self.order else far)


@dataclass(frozen=True)
class BesselY(Function):
    """The Bessel function of the second kind; NaN below 0.

    Attributes:
        order: 0 or 1.
    """

    order: int
    name: ClassVar[str] = "bessel_y"
    differentiable: ClassVar[bool] = False
    ranges: ClassVar[Any] = ((0.3, 20.0),)

    @classmethod
    def variants(cls) -> Sequence[Function]:
        return cls(0), cls(1)

    def formula(self, *operands: Any) -> Any:
        (x,) = operands
        size = minimum(x, _NEAR)
        part = mul(_near_j(self.order, size), log(size))
        rest = series(f"y{self.order}")(mul(size, size))
        if self.order:
            part, rest = sub(part, reciprocal(size)), mul(rest, size)
        near = add(mul(part, 2 / math.pi), rest)
        _, far = _waves(self.order, maximum(x, _NEAR))
        found = where(le(x, _NEAR), near, far)
        return where(eq(x, 0.0), -math.inf, where(lt(x, 0.0), math.nan, found))


@dataclass(frozen=True)
class AiryAi(Function):
    """Airy's function Ai."""

    name: ClassVar[str] = "airy_ai"
    differentiable: ClassVar[bool] = False
    ranges: ClassVar[Any] = ((-9.0, 6.0),)

    def formula(self, *operands: Any) -> Any:
        (x,) = operands
        low, high = _AIRY
        middle = series("airy")(maximum(minimum(x, high), low))
        size = maximum(where(lt(x, 0.0), neg(x), x), min(-low, high))
        root = sqrt(size)
        angle = mul(mul(size, root), 2 / 3)
        w, fourth = reciprocal(angle), sqrt(root)
        right = div(mul(series("airy_far")(w), exp(neg(angle))), fourth)
        square = mul(w, w)
        together, apart = add(cos(angle), sin(angle)), sub(sin(angle), cos(angle))
        c, s = series("airy_cos")(square), mul(series("airy_sin")(square), w)
        left = add(mul(c, together), mul(s, apart))
        left = mul(div(left, fourth), 1 / math.sqrt(2 * math.pi))
        return where(gt(x, high), right, where(lt(x, low), left, middle))


def bessel_i(order: int, scaled: bool, x: O) -> O:
    """The modified Bessel function I of the order 0 or 1, over exp(abs(x)) if scaled."""
    return apply1(BesselI(order, scaled), x)


def bessel_j(order: int, x: O) -> O:
    """The Bessel function J of the order 0 or 1."""
    return apply1(BesselJ(order), x)


def bessel_k(order: int, scaled: bool, x: O) -> O:
    """The modified Bessel function K of the order 0 or 1, times exp(x) if scaled."""
    return apply1(BesselK(order, scaled), x)


def bessel_y(order: int, x: O) -> O:
    """The Bessel function Y of the order 0 or 1."""
    return apply1(BesselY(order), x)


def airy_ai(x: O) -> O:
    """Airy's function Ai."""
    return apply1(AiryAi(), x)
