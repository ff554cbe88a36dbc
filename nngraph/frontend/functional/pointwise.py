"""Functions of the elements of one tensor."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from nngraph import ops
from nngraph.frontend.functional.variants import everywhere
from nngraph.frontend.promotion import as_float
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import bool_, int64

# fmt: off
__all__ = [
    "abs", "absolute", "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan",
    "arctanh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "deg2rad", "erf", "exp",
    "exp2", "expm1", "fix", "floor", "frac", "log", "log10", "log1p", "log2", "rad2deg",
    "reciprocal", "relu", "round", "rsqrt", "sgn", "sigmoid", "sign", "sin", "sinh", "sqrt",
    "square", "tan", "tanh", "trunc",
]
# fmt: on


def _floating(op: Callable[[Any], Any], x: Tensor) -> Tensor:
    out: Tensor = op(as_float(x))
    return out


@everywhere
def abs(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The distance from 0."""
    return ops.abs(input)


@everywhere
def sign(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """-1, 0 or 1; 0 for NaN."""
    return input.clone() if input.dtype is bool_ else ops.sign(input)


@everywhere
def exp(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``e ** x``."""
    return _floating(ops.exp, input)


@everywhere
def expm1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``exp(x) - 1``, exact near 0."""
    return _floating(ops.expm1, input)


@everywhere
def exp2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``2 ** x``."""
    return as_float(input).__rpow__(2.0)


@everywhere
def log(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Natural logarithm."""
    return _floating(ops.log, input)


@everywhere
def log1p(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``log(1 + x)``, exact near 0."""
    return _floating(ops.log1p, input)


@everywhere
def log2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logarithm to base 2."""
    return _floating(ops.log2, input)


@everywhere
def log10(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logarithm to base 10."""
    return input.log() * math.log10(math.e)


@everywhere
def sqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Square root."""
    return _floating(ops.sqrt, input)


@everywhere
def rsqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``1 / sqrt(x)``."""
    return _floating(ops.rsqrt, input)


@everywhere
def square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``x * x``."""
    x = input.to(int64) if input.dtype is bool_ else input
    return x.mul(x)


@everywhere
def reciprocal(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``1 / x``."""
    return _floating(ops.reciprocal, input)


@everywhere
def sin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sine."""
    return _floating(ops.sin, input)


@everywhere
def cos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Cosine."""
    return _floating(ops.cos, input)


@everywhere
def tan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Tangent."""
    return _floating(ops.tan, input)


@everywhere
def asin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse sine."""
    return _floating(ops.asin, input)


@everywhere
def acos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse cosine."""
    return _floating(ops.acos, input)


@everywhere
def atan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse tangent."""
    return _floating(ops.atan, input)


@everywhere
def sinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Hyperbolic sine."""
    return _floating(ops.sinh, input)


@everywhere
def cosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Hyperbolic cosine."""
    return _floating(ops.cosh, input)


@everywhere
def tanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Hyperbolic tangent."""
    return _floating(ops.tanh, input)


@everywhere
def asinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse hyperbolic sine."""
    return _floating(ops.asinh, input)


@everywhere
def acosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse hyperbolic cosine."""
    return _floating(ops.acosh, input)


@everywhere
def atanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse hyperbolic tangent."""
    return _floating(ops.atanh, input)


@everywhere
def deg2rad(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Degrees as radians."""
    return as_float(input) * (math.pi / 180)


@everywhere
def rad2deg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Radians as degrees."""
    return as_float(input) * (180 / math.pi)


@everywhere
def erf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The error function."""
    return _floating(ops.erf, input)


@everywhere
def sigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``1 / (1 + exp(-x))``."""
    return _floating(ops.sigmoid, input)


@everywhere
def relu(input: Tensor) -> Tensor:
    """``max(x, 0)``; its gradient at 0 is 0."""
    return ops.relu(input)


@everywhere
def floor(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The largest integer not above."""
    return ops.floor(input)


@everywhere
def ceil(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smallest integer not below."""
    return ops.ceil(input)


@everywhere
def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """To the nearest integer (or multiple of ``10**-decimals``), ties to even."""
    if not decimals:
        return ops.round(input)
    scale = 10.0**decimals
    return ops.round(input * scale) / scale


@everywhere
def trunc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The integer part."""
    return ops.trunc(input)


@everywhere
def frac(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """What ``trunc`` takes away; of floating point numbers only."""
    if not input.dtype.is_floating_point:
        raise RuntimeError(f"frac is not implemented for {input.dtype.name}")
    return input - input.trunc()


absolute, sgn, fix = abs, sign, trunc
arccos, arcsin, arctan = acos, asin, atan
arccosh, arcsinh, arctanh = acosh, asinh, atanh
