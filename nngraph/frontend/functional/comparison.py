"""Comparisons, what numbers are, and closeness."""

from __future__ import annotations

from nngraph import ops
from nngraph.frontend.functional.variants import both, everywhere
from nngraph.frontend.promotion import promoted
from nngraph.frontend.tensor import Operand, Tensor
from nngraph.ir.dtypes import bool_, float64, uint8

# fmt: off
__all__ = [
    "allclose", "eq", "equal", "ge", "greater", "greater_equal", "gt", "isclose", "isfinite",
    "isinf", "isnan", "isneginf", "isposinf", "le", "less", "less_equal", "lt", "ne", "not_equal",
]
# fmt: on


def _numeric(x: Tensor) -> Tensor:
    return x.to(uint8) if x.dtype is bool_ else x


@everywhere
def eq(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input == other``."""
    return ops.eq(*promoted(input, other))


@everywhere
def ne(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input != other``."""
    return ops.ne(*promoted(input, other))


@everywhere
def lt(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input < other``."""
    return ops.lt(*promoted(input, other))


@everywhere
def le(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input <= other``."""
    return ops.le(*promoted(input, other))


@everywhere
def gt(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input > other``."""
    return ops.gt(*promoted(input, other))


@everywhere
def ge(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input >= other``."""
    return ops.ge(*promoted(input, other))


@both
def isnan(input: Tensor) -> Tensor:
    """True for NaN."""
    return ops.isnan(_numeric(input))


@both
def isinf(input: Tensor) -> Tensor:
    """True for infinities."""
    return ops.isinf(_numeric(input))


@both
def isfinite(input: Tensor) -> Tensor:
    """True for what is neither infinite nor NaN."""
    return ops.isfinite(_numeric(input))


@both
def isposinf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """True for positive infinity."""
    return input.isinf() & input.gt(0)


@both
def isneginf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """True for negative infinity."""
    return input.isinf() & input.lt(0)


@both
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """``|input - other| <= atol + rtol * |other|``, and equal infinities."""
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{input.dtype.name} did not match {other.dtype.name}")
    equal = input.eq(other)
    if equal_nan and input.dtype.is_floating_point:
        equal = equal | (input.isnan() & other.isnan())
    a, b = (t.to(float64) if not t.dtype.is_floating_point else t for t in (input, other))
    near = (a - b).abs().le(b.abs() * rtol + atol)
    return equal | (near & a.isfinite() & b.isfinite())


@both
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """True if all elements are close: needs values, so eager only."""
    return bool(input.isclose(other, rtol, atol, equal_nan).all())


@both
def equal(input: Tensor, other: Tensor) -> bool:
    """True if shapes and all elements are equal: needs values, so eager only."""
    return input.aval.shape == other.aval.shape and bool(input.eq(other).to(bool_).all())


not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge
