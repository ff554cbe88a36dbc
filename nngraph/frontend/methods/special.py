"""Pointwise functions made of several operators."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from nngraph.frontend.base import TensorBase
from nngraph.frontend.limits import finfo
from nngraph.frontend.methods.pointwise import refuse_bool
from nngraph.frontend.promotion import Operand, as_float, promoted
from nngraph.ir.dtypes import bool_, float32, float64

if TYPE_CHECKING:
    from nngraph.frontend.tensor import Tensor

__all__ = ["SpecialMethods"]


class SpecialMethods(TensorBase):
    """Each method is PyTorch's method of that name."""

    __slots__ = ()

    # -- functions of one tensor -----------------------------------------------------------
    def log10(self: Tensor) -> Tensor:
        return self.log() * math.log10(math.e)

    def exp2(self: Tensor) -> Tensor:
        return as_float(self).__rpow__(2.0)

    def frac(self: Tensor) -> Tensor:
        """What ``trunc`` takes away; of floating point numbers only."""
        if not self.dtype.is_floating_point:
            raise RuntimeError(f"frac is not implemented for {self.dtype.name}")
        return self - self.trunc()

    def deg2rad(self: Tensor) -> Tensor:
        return as_float(self) * (math.pi / 180)

    def rad2deg(self: Tensor) -> Tensor:
        return as_float(self) * (180 / math.pi)

    def logit(self: Tensor, eps: float | None = None) -> Tensor:
        """``log(p / (1 - p))``; with ``eps``, p is first limited to ``[eps, 1 - eps]``."""
        p = as_float(self) if eps is None else as_float(self).clamp(eps, 1 - eps)
        return (p / (1 - p)).log()

    def signbit(self: Tensor) -> Tensor:
        """True for negative numbers and -0."""
        if not self.dtype.is_floating_point:
            return self.lt(0)
        return self.lt(0) | (self.eq(0) & self.reciprocal().lt(0))

    def isposinf(self: Tensor) -> Tensor:
        return self.isinf() & self.gt(0)

    def isneginf(self: Tensor) -> Tensor:
        return self.isinf() & self.lt(0)

    def nan_to_num(
        self: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
    ) -> Tensor:
        """NaN becomes ``nan``, infinities ``posinf`` and ``neginf`` (default: the extremes)."""
        if not self.dtype.is_floating_point:
            return self.clone()
        limits = finfo(self.dtype)
        out = self.masked_fill(self.isnan(), nan)
        out = out.masked_fill(self.isposinf(), limits.max if posinf is None else posinf)
        return out.masked_fill(self.isneginf(), limits.min if neginf is None else neginf)

    # -- functions of two tensors ----------------------------------------------------------
    def rsub(self: Tensor, other: Operand, *, alpha: float = 1) -> Tensor:
        """``other - alpha * self``."""
        refuse_bool(self, other)
        b, a = promoted(self, other)
        return a.sub(b, alpha=alpha)

    def hypot(self: Tensor, other: Tensor) -> Tensor:
        """``sqrt(self² + other²)``."""
        a, b = promoted(self, other, at_least=float32)
        return (a.square() + b.square()).sqrt()

    def logaddexp(self: Tensor, other: Tensor) -> Tensor:
        """``log(exp(self) + exp(other))`` without overflow."""
        a, b = promoted(self, other, at_least=float32)
        apart = (a - b).masked_fill(a.eq(b), 0)  # equal infinities have no difference
        return a.maximum(b) + (-apart.abs()).exp().log1p()

    def logaddexp2(self: Tensor, other: Tensor) -> Tensor:
        """``log2(2**self + 2**other)`` without overflow."""
        a, b = promoted(self, other, at_least=float32)
        return (a * math.log(2)).logaddexp(b * math.log(2)) / math.log(2)

    def fmax(self: Tensor, other: Tensor) -> Tensor:
        """The larger one; NaN only where both are."""
        a, b = promoted(self, other)
        return b.where(a.isnan(), a.where(b.isnan(), a.maximum(b)))

    def fmin(self: Tensor, other: Tensor) -> Tensor:
        """The smaller one; NaN only where both are."""
        a, b = promoted(self, other)
        return b.where(a.isnan(), a.where(b.isnan(), a.minimum(b)))

    def copysign(self: Tensor, other: Operand) -> Tensor:
        """The size of ``self`` with the sign of ``other``."""
        a, b = promoted(self, other, at_least=float32)
        flip = a.signbit() ^ b.signbit()
        return (-a).where(flip, a)

    def xlogy(self: Tensor, other: Operand) -> Tensor:
        """``self * log(other)``; 0 where ``self`` is 0, unless ``other`` is NaN."""
        a, b = promoted(self, other, at_least=float32)
        return a * b.masked_fill(a.eq(0) & b.le(0), 1).log()

    def float_power(self: Tensor, exponent: Operand) -> Tensor:
        """``pow`` in float64."""
        if isinstance(exponent, TensorBase):
            return self.to(float64).pow(cast("Tensor", exponent).to(float64))
        return self.to(float64).pow(float(exponent))

    def heaviside(self: Tensor, values: Tensor) -> Tensor:
        """0 below zero, 1 above, ``values`` at zero."""
        return values.where(self.eq(0), self.gt(0).to(self.dtype))

    # -- closeness -------------------------------------------------------------------------
    def isclose(
        self: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
    ) -> Tensor:
        """``|self - other| <= atol + rtol * |other|``, and equal infinities."""
        if self.dtype is not other.dtype:
            raise RuntimeError(f"{self.dtype.name} did not match {other.dtype.name}")
        equal = self.eq(other)
        if equal_nan and self.dtype.is_floating_point:
            equal = equal | (self.isnan() & other.isnan())
        a, b = (t.to(float64) if not t.dtype.is_floating_point else t for t in (self, other))
        near = (a - b).abs().le(b.abs() * rtol + atol)
        return equal | (near & a.isfinite() & b.isfinite())

    def allclose(
        self: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
    ) -> bool:
        """True if all elements are close: needs values, so eager only."""
        return bool(self.isclose(other, rtol, atol, equal_nan).all())

    def equal(self: Tensor, other: Tensor) -> bool:
        """True if shapes and all elements are equal: needs values, so eager only."""
        return self.type.shape == other.type.shape and bool(self.eq(other).to(bool_).all())
