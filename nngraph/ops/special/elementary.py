"""Products of logarithms and sines whose limits are values, with gradients that hold there, too."""

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
    isnan,
    le,
    log,
    log1p,
    logical_and,
    logical_not,
    lt,
    mul,
    neg,
    sin,
    sub,
    where,
)
from nngraph.ops.special.rows import Function, Slope
from nngraph.ops.special.series import series

__all__ = ["Entr", "Sinc", "Xlog1py", "entr", "sinc", "xlog1py"]

_SINC_SLOPE = series("sinc_slope")


@dataclass(frozen=True)
class Entr(Function):
    """-x * log(x); 0 at 0, minus infinity below."""

    name: ClassVar[str] = "entr"
    ranges: ClassVar[Any] = ((0.2, 3.0),)

    def formula(self, *operands: Any) -> Any:
        (x,) = operands
        below = where(lt(x, 0.0), -math.inf, mul(neg(x), log(x)))
        return where(eq(x, 0.0), 0.0, below)

    def slopes(self, *operands: Any) -> Sequence[Slope]:
        (x,) = operands
        slope = where(lt(x, 0.0), math.nan, sub(-1.0, log(x)))  # infinite at 0
        return (lambda y, g: mul(g, slope),)


@dataclass(frozen=True)
class Xlog1py(Function):
    """x * log(1 + y); 0 where x is 0, unless y is NaN."""

    name: ClassVar[str] = "xlog1py"
    ranges: ClassVar[Any] = ((-2.3, 2.4), (-0.6, 2.7))

    def formula(self, *operands: Any) -> Any:
        x, y = operands
        nothing = logical_and(eq(x, 0.0), logical_not(isnan(y)))
        return where(nothing, 0.0, mul(x, log1p(y)))

    def slopes(self, *operands: Any) -> Sequence[Slope]:
        x, y = operands
        flat = logical_and(eq(x, 0.0), le(y, -1.0))
        return (
            lambda z, g: mul(g, where(flat, 0.0, log1p(y))),
            lambda z, g: div(mul(g, x), add(y, 1.0)),
        )


@dataclass(frozen=True)
class Sinc(Function):
    """sin(pi * x) / (pi * x), and 1 at 0."""

    name: ClassVar[str] = "sinc"
    ranges: ClassVar[Any] = ((-2.3, 2.4),)

    def formula(self, *operands: Any) -> Any:
        (x,) = operands
        angle = mul(x, math.pi)
        return where(eq(x, 0.0), 1.0, div(sin(angle), where(eq(x, 0.0), 1.0, angle)))

    def slopes(self, *operands: Any) -> Sequence[Slope]:
        (x,) = operands
        near = lt(abs(x), 1.0)
        safe = where(near, 1.0, x)
        far = div(sub(cos(mul(safe, math.pi)), sinc(safe)), safe)
        small = where(near, x, 0.0)
        slope = where(near, mul(small, _SINC_SLOPE(mul(small, small))), far)
        return (lambda y, g: mul(g, slope),)


def entr(x: O) -> O:
    """``-x * log(x)``."""
    return apply1(Entr(), x)


def xlog1py(x: O, y: O) -> O:
    """``x * log(1 + y)``."""
    return apply1(Xlog1py(), x, y)


def sinc(x: O) -> O:
    """``sin(pi * x) / (pi * x)``."""
    return apply1(Sinc(), x)
