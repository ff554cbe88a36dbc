"""Functions of the elements of one tensor."""

from __future__ import annotations

import builtins
import math
from typing import TYPE_CHECKING, Protocol

from nngraph import ops
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.functional.variants import everywhere
from nngraph.frontend.promotion import as_float
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import bool_, int64
from nngraph.ops.composite import wide
from nngraph.ops.elementwise.rows import UnaryFunction
from nngraph.ops.family import public_names


class _Pointwise(Protocol):
    def __call__(self, input: Tensor, *, out: Tensor | None = None) -> Tensor: ...


def _floating(op: UnaryFunction, doc: str) -> _Pointwise:
    """A function of floating point numbers; of integers and bools, it is that of floats."""

    def plain(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        return op(as_float(input))

    plain.__name__ = plain.__qualname__ = op.__name__
    plain.__doc__ = doc
    return everywhere(plain)


exp = _floating(ops.exp, "``e ** x``.")
expm1 = _floating(ops.expm1, "``exp(x) - 1``, exact near 0.")
log = _floating(ops.log, "Natural logarithm.")
log1p = _floating(ops.log1p, "``log(1 + x)``, exact near 0.")
log2 = _floating(ops.log2, "Logarithm to base 2.")
sqrt = _floating(ops.sqrt, "Square root.")
rsqrt = _floating(ops.rsqrt, "``1 / sqrt(x)``.")
reciprocal = _floating(ops.reciprocal, "``1 / x``.")
sin = _floating(ops.sin, "Sine.")
cos = _floating(ops.cos, "Cosine.")
tan = _floating(ops.tan, "Tangent.")
asin = _floating(ops.asin, "Inverse sine.")
acos = _floating(ops.acos, "Inverse cosine.")
atan = _floating(ops.atan, "Inverse tangent.")
sinh = _floating(ops.sinh, "Hyperbolic sine.")
cosh = _floating(ops.cosh, "Hyperbolic cosine.")
tanh = _floating(ops.tanh, "Hyperbolic tangent.")
asinh = _floating(ops.asinh, "Inverse hyperbolic sine.")
acosh = _floating(ops.acosh, "Inverse hyperbolic cosine.")
atanh = _floating(ops.atanh, "Inverse hyperbolic tangent.")
erf = _floating(ops.erf, "The error function.")
erfc = _floating(ops.erfc, "``1 - erf(x)``, exact where that is small.")
sigmoid = _floating(ops.sigmoid, "``1 / (1 + exp(-x))``.")


@everywhere
def abs(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The distance from 0."""
    return ops.abs(input)


@everywhere
def sign(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """-1, 0 or 1; 0 for NaN."""
    return input.clone() if input.dtype is bool_ else ops.sign(input)


@everywhere
def exp2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``2 ** x``."""
    return as_float(input).__rpow__(2.0)


@everywhere
def log10(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logarithm to base 10."""
    return input.log() * math.log10(math.e)


@everywhere
def square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``x * x``."""
    x = input.to(int64) if input.dtype is bool_ else input
    return x.mul(x)


@everywhere
def deg2rad(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Degrees as radians."""
    return as_float(input) * (math.pi / 180)


@everywhere
def rad2deg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Radians as degrees."""
    return as_float(input) * (180 / math.pi)


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
    need_floats("round(decimals=)", input)
    x, scale = wide(input), 10.0 ** builtins.abs(decimals)
    rounded = ops.round(x * scale) / scale if decimals > 0 else ops.round(x / scale) * scale
    return rounded.to(input.dtype)


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

if not TYPE_CHECKING:
    __all__ = public_names(globals())
