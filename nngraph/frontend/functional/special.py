"""Pointwise functions made of several operators."""

from __future__ import annotations

from nngraph import ops
from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.functional.kinds import need_floats, need_same
from nngraph.frontend.functional.variants import both, everywhere
from nngraph.frontend.limits import finfo
from nngraph.frontend.promotion import as_float, is_number, promoted
from nngraph.frontend.tensor import Operand, Tensor
from nngraph.ir.dtypes import bool_, float64

# fmt: off
__all__ = [
    "arctan2", "atan2", "copysign", "erfinv", "float_power", "fmax", "fmin", "heaviside", "hypot",
    "i0", "logaddexp", "logaddexp2", "logit", "nan_to_num", "signbit", "sinc", "xlogy",
]
# fmt: on


@everywhere
def atan2(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The angle of the point (other, input)."""
    a, b = promoted(input, other, at_least=default_dtype())
    return ops.atan2(a, b)


@everywhere
def hypot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``sqrt(input² + other²)`` of floating point numbers."""
    a, b = promoted(input, other)
    need_floats("hypot", a)
    return ops.hypot(a, b)


@both
def logaddexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``log(exp(input) + exp(other))`` of floating point numbers, without overflow."""
    a, b = promoted(input, other)
    need_floats("logaddexp", a)
    return ops.logaddexp(a, b)


@both
def logaddexp2(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``log2(2**input + 2**other)`` of floating point numbers, without overflow."""
    a, b = promoted(input, other)
    need_floats("logaddexp2", a)
    return ops.logaddexp2(a, b)


@both
def fmax(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger one; NaN only where both are."""
    a, b = promoted(input, other)
    if a.dtype is bool_:
        return a.maximum(b)
    return a.where(a.ge(b) | b.isnan(), b)


@both
def fmin(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller one; NaN only where both are."""
    a, b = promoted(input, other)
    if a.dtype is bool_:
        return a.minimum(b)
    return a.where(a.le(b) | b.isnan(), b)


@everywhere
def copysign(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The size of ``input`` with the sign of ``other``, whose gradient is zero."""
    a, b = promoted(input, other, at_least=default_dtype())
    return ops.copysign(a, b)


@everywhere
def xlogy(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input * log(other)``; 0 where ``input`` is 0, unless ``other`` is NaN."""
    a, b = promoted(input, other, at_least=default_dtype())
    return ops.xlogy(a, b)


@everywhere
def erfinv(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The number whose ``erf`` is ``input``; infinite at -1 and 1, NaN beyond."""
    return ops.erfinv(as_float(input))


@everywhere
def i0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The modified Bessel function of the first kind and order 0."""
    return ops.bessel_i(0, False, as_float(input))


@everywhere
def sinc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``sin(pi x) / (pi x)``, and 1 at 0."""
    return ops.sinc(as_float(input))


@both
def float_power(input: Operand, exponent: Operand, *, out: Tensor | None = None) -> Tensor:
    """``pow`` in float64."""
    a, b = promoted(input, exponent)
    return a.to(float64).pow(exponent if is_number(exponent) else b.to(float64))


@everywhere
def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 below zero, 1 above, ``values``, of the same dtype, at zero."""
    need_same("heaviside", input, values=values)
    return values.where(input.eq(0), input.gt(0).to(input.dtype))


@everywhere
def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """``log(p / (1 - p))``; with ``eps``, p is first limited to ``[eps, 1 - eps]``."""
    p = as_float(input)
    if eps is not None:  # not clamp, at whose limits NaN has no gradient
        p = p.masked_fill(p.lt(eps), eps).masked_fill(p.gt(1 - eps), 1 - eps)
    return ops.logit(p)


@both
def signbit(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """True for negative numbers and -0."""
    if not input.dtype.is_floating_point:
        return input.lt(0)
    return input.lt(0) | (input.eq(0) & input.reciprocal().lt(0))


@everywhere
def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """NaN becomes ``nan`` (0 if None), infinities ``posinf``, ``neginf`` (the extremes if None)."""
    if not input.dtype.is_floating_point:
        return input.clone()
    limits = finfo(input.dtype)
    known = input.masked_fill(input.isnan(), 0.0 if nan is None else nan)
    below = known.masked_fill(input.isposinf(), limits.max if posinf is None else posinf)
    return below.masked_fill(input.isneginf(), limits.min if neginf is None else neginf)


arctan2 = atan2
