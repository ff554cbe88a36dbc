"""What numbers are made of: divisors, exponents, neighbours, signs; and parts of complex ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nngraph import ops
from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.functional.access import elements
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.functional.variants import both, everywhere, function, shown
from nngraph.frontend.promotion import as_float, is_safe_cast, promoted
from nngraph.frontend.tensor import Mantissa, Tensor
from nngraph.ir.dtypes import DType, Kind, bool_

# fmt: off
__all__ = [
    "angle", "can_cast", "frexp", "gcd", "is_conj", "is_neg", "is_same_size", "is_signed", "isreal",
    "lcm", "ldexp", "nextafter", "real", "resolve_conj", "resolve_neg",
]
# fmt: on


def _eagerly(name: str, function: Callable[..., Any], *operands: Tensor) -> Tensor:
    """NumPy's function of the elements: no compiled form, no gradient."""
    arrays = [elements(x, f"{name}()") for x in operands]
    with np.errstate(all="ignore"):
        found = np.asarray(function(*arrays), operands[0].dtype.numpy)
    return ops.constant(found, operands[0])


def _whole(name: str, function: Callable[..., Any], input: Tensor, other: Tensor) -> Tensor:
    a, b = promoted(input, other)
    if not a.dtype.is_integer:
        raise NotImplementedError(f"{name} is for integers, not for {a.dtype.name}")
    a, b = (x.expand(*(a * b).shape) for x in (a, b))
    return _eagerly(name, function, a, b)


@everywhere
def gcd(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The greatest common divisor of integers, not negative; eager only."""
    return _whole("gcd", np.gcd, input, other)


@everywhere
def lcm(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The least common multiple of integers, not negative; eager only."""
    return _whole("lcm", np.lcm, input, other)


@everywhere
def ldexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``input * 2**other``."""
    kind = input.dtype if input.dtype.is_floating_point else default_dtype()
    return input * (other if other.dtype.is_floating_point else other.to(kind)).exp2()


@both
def frexp(input: Tensor, *, out: tuple[Tensor, Tensor] | None = None) -> Mantissa:
    """A mantissa in [0.5, 1) and an int32 exponent with ``input = mantissa * 2**exponent``.

    Eager only; the mantissa has a gradient.
    """
    if not input.dtype.is_floating_point:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    values = elements(input, "frexp()").astype(np.float64)
    exponents = np.frexp(values)[1].astype(np.int32)
    half = exponents // 2  # 2**-exponent alone may be infinite
    scaled = input
    for part in (half, exponents - half):
        factor = np.ldexp(1.0, -part).astype(input.dtype.numpy)
        scaled = scaled * ops.constant(np.asarray(factor), input)
    return Mantissa(scaled, ops.constant(np.asarray(exponents), input))


@everywhere
def nextafter(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The next number of the dtype towards ``other``; eager only."""
    a, b = promoted(input, other)
    need_floats("nextafter", a)
    shape = (a.detach() + b.detach()).shape
    return _eagerly("nextafter", np.nextafter, a.detach().expand(*shape), b.detach().expand(*shape))


@both
def angle(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0, pi for negative numbers, NaN for NaN."""
    x = as_float(input)
    found = x.sign() * 0 + x.detach().lt(0).to(x.dtype) * math.pi
    return found.where(x.isnan().logical_not(), x.detach())


@both
def isreal(input: Tensor) -> Tensor:
    """True everywhere: there are no complex numbers."""
    return ops.full(True, bool_, input.aval.shape, input)


@shown
def real(input: Tensor) -> Tensor:
    """The tensor itself: there are no complex numbers."""
    return input


@both
def is_conj(input: Tensor) -> bool:
    """False: there are no complex numbers."""
    return False


@both
def is_neg(input: Tensor) -> bool:
    """False: no tensor has its sign put off."""
    return False


@both
def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself."""
    return input


@both
def resolve_neg(input: Tensor) -> Tensor:
    """The tensor itself."""
    return input


@both
def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return input.dtype.kind in (Kind.FLOAT, Kind.INT)


@both
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have one shape."""
    return input.aval.shape == other.aval.shape


@function
def can_cast(from_: DType, to: DType) -> bool:
    """Whether a result of one dtype may be written to a tensor of the other."""
    return is_safe_cast(from_, to)
