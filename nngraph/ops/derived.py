"""Functions of elements that others define, with gradients of their own: PyTorch's, at edges too.

A formula differentiated part by part is wrong where its parts have a kink and it has none, and
where a part that is not taken is infinite. So each row has a definition (NumPy's), a formula of
other operators, which is what backends compute, and a gradient for each operand. Half precision is
computed in float32 and rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dtypes import float16
from nngraph.ir.op import Array, O, Sample, Thunk, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.activation import softplus
from nngraph.ops.composite import Derived, wide
from nngraph.ops.core import need_float, widen
from nngraph.ops.creation import full, zeros_like
from nngraph.ops.elementwise import (
    Binary,
    Pow,
    Unary,
    abs,
    add,
    cast,
    copy,
    div,
    eq,
    exp,
    ge,
    gt,
    isinf,
    isnan,
    le,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    lt,
    maximum,
    minimum,
    mul,
    neg,
    pow,
    reciprocal,
    rsqrt,
    sqrt,
    sub,
    where,
)
from nngraph.ops.family import operators_of

# fmt: off
__all__ = [
    "Copysign", "Hypot", "Logaddexp", "Logaddexp2", "Logit", "Power", "Xlogy", "copysign", "hypot",
    "logaddexp", "logaddexp2", "logit", "power", "xlogy",
]
# fmt: on

Values = Sequence[Any]
_LOG2 = math.log(2.0)


@dataclass(frozen=True)
class Hypot(Derived, Binary):
    """sqrt(x*x + y*y) without overflow; infinite where an operand is, whatever the other."""

    name: ClassVar[str] = "hypot"
    function: ClassVar[Callable[..., Any]] = staticmethod(np.hypot)
    ranges: ClassVar[Any] = ((-2.3, 2.4), (0.4, 2.7))

    def formula(self, *operands: Any) -> Any:
        x, y = map(abs, operands)
        high, low = maximum(x, y), minimum(x, y)
        share = div(low, where(eq(high, 0.0), 1.0, high))
        size = mul(high, sqrt(add(mul(share, share), 1.0)))
        return where(logical_or(isinf(x), isinf(y)), math.inf, size)

    def slopes(self, *operands: Any) -> Any:
        x, y = operands
        return lambda z, g: mul(g, div(x, z)), lambda z, g: mul(g, div(y, z))


def _signbit(x: Any) -> Any:
    return logical_or(lt(x, 0.0), logical_and(eq(x, 0.0), lt(reciprocal(x), 0.0)))


@dataclass(frozen=True)
class Copysign(Derived, Binary):
    """The size of x with the sign of y, zeros' too; the gradient at x = 0 is 0."""

    name: ClassVar[str] = "copysign"
    function: ClassVar[Callable[..., Any]] = staticmethod(np.copysign)
    ranges: ClassVar[Any] = ((0.3, 2.4), (0.4, 2.7))

    def formula(self, *operands: Any) -> Any:
        x, y = operands
        size = abs(x)
        return where(_signbit(y), neg(size), size)

    def slopes(self, *operands: Any) -> Any:
        x, _ = operands
        return lambda z, g: mul(g, where(eq(x, 0.0), 0.0, div(z, x))), None


def _xlogy(x: Array, y: Array) -> Array:
    out: Array = np.where((x == 0) & ~np.isnan(y), x.dtype.type(0), x * np.log(y))
    return out


@dataclass(frozen=True)
class Xlogy(Derived, Binary):
    """x * log(y); 0 where x is 0, unless y is NaN."""

    name: ClassVar[str] = "xlogy"
    function: ClassVar[Callable[..., Any]] = staticmethod(_xlogy)
    ranges: ClassVar[Any] = ((-2.3, 2.4), (0.4, 2.7))

    def formula(self, *operands: Any) -> Any:
        x, y = operands
        nothing = logical_and(eq(x, 0.0), logical_not(isnan(y)))
        return where(nothing, 0.0, mul(x, log(y)))

    def slopes(self, *operands: Any) -> Any:
        x, y = operands
        flat = logical_and(eq(x, 0.0), le(y, 0.0))
        return lambda z, g: where(flat, 0.0, xlogy(g, y)), lambda z, g: div(mul(g, x), y)


def _share(x: Any, y: Any, scale: float = 1.0) -> Callable[[Any, Any], Any]:
    """How much of a sum of two exponentials is x's; NaN of equal infinities, as in PyTorch."""
    return lambda z, g: div(g, add(exp(mul(sub(y, x), scale)), 1.0))


def _logaddexp(x: Any, y: Any) -> Any:
    high, low = where(ge(x, y), x, y), where(ge(x, y), y, x)
    alike = logical_and(eq(x, y), isinf(x))  # equal infinities have no difference
    return add(high, softplus(where(alike, 0.0, sub(low, high))))


@dataclass(frozen=True)
class Logaddexp(Derived, Binary):
    """log(exp(x) + exp(y)) without overflow."""

    name: ClassVar[str] = "logaddexp"
    function: ClassVar[Callable[..., Any]] = staticmethod(np.logaddexp)
    ranges: ClassVar[Any] = ((-2.3, 2.4), (-1.9, 2.7))

    def formula(self, *operands: Any) -> Any:
        return _logaddexp(*operands)

    def slopes(self, *operands: Any) -> Any:
        x, y = operands
        return _share(x, y), _share(y, x)


@dataclass(frozen=True)
class Logaddexp2(Derived, Binary):
    """log2(2**x + 2**y) without overflow."""

    name: ClassVar[str] = "logaddexp2"
    function: ClassVar[Callable[..., Any]] = staticmethod(np.logaddexp2)
    ranges: ClassVar[Any] = ((-2.3, 2.4), (-1.9, 2.7))

    def formula(self, *operands: Any) -> Any:
        return mul(_logaddexp(*(mul(x, _LOG2) for x in operands)), 1 / _LOG2)

    def slopes(self, *operands: Any) -> Any:
        x, y = operands
        return _share(x, y, _LOG2), _share(y, x, _LOG2)


@dataclass(frozen=True)
class Logit(Derived, Unary):
    """log(x / (1 - x)); NaN outside of [0, 1], as its gradient is."""

    name: ClassVar[str] = "logit"
    function: ClassVar[Callable[..., Any]] = staticmethod(lambda x: np.log(x) - np.log1p(-x))
    ranges: ClassVar[Any] = ((0.1, 0.9),)

    def formula(self, *operands: Any) -> Any:
        (x,) = operands
        return sub(log(x), log1p(neg(x)))

    def slopes(self, *operands: Any) -> Any:
        (x,) = operands
        outside = logical_or(lt(x, 0.0), gt(x, 1.0))
        return (lambda z, g: where(outside, math.nan, div(g, abs(mul(x, sub(1.0, x))))),)


@dataclass(frozen=True)
class Power(Derived):
    """x to the power of a number.

    Half and minus half are the root and its reciprocal, as in PyTorch (but for float16): -0 and
    minus infinity have these, and other powers.
    """

    exponent: float
    name: ClassVar[str] = "power"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        need_float(self.name, "the operand", types[0])
        return types

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x = widen(inputs[0])
        if self._is_root(inputs[0].dtype):
            y = np.sqrt(x) if self.exponent > 0 else 1 / np.sqrt(x)
        else:
            (y,) = Pow().eval(x, np.asarray(self.exponent, x.dtype))
        return (np.asarray(y).astype(inputs[0].dtype, copy=False),)

    def _is_root(self, dtype: Any) -> bool:
        return self.exponent in (0.5, -0.5) and dtype != float16.numpy

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        (x,) = inputs
        if self.exponent == 0:
            return (add(zeros_like(x), 1.0),)
        if self.exponent == 1:
            return (copy(x),)
        known: dict[float, Callable[[Any], Any]]
        known = {2.0: _second, 3.0: _third, -1.0: reciprocal}
        if self._is_root(x.aval.dtype.numpy):
            known = {0.5: sqrt, -0.5: rsqrt}
        high = wide(x)
        rule = known.get(self.exponent)
        y = rule(high) if rule else pow(high, full(self.exponent, high.aval.dtype, (), x))
        return (cast(y, x.aval.dtype),)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        (x,), (g,) = inputs, grads
        if self.exponent == 0:
            return (lambda: zeros_like(x),)
        return (lambda: mul(g, mul(power(x, self.exponent - 1), self.exponent)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.linspace(0.3, 2.4, 6, dtype=np.float32).reshape(2, 3)
        special = np.asarray([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.5, -2.0], np.float32)
        for exponent in (0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 0.5, -0.5, 2.5):
            yield Sample(cls(exponent), (x,))
            yield Sample(cls(exponent), (special,), False, "special values and zeros")
        yield Sample(cls(3.0), (x[0, 0],), note="rank 0")
        yield Sample(cls(0.5), (x[:0],), note="empty")


def _second(x: Any) -> Any:
    return mul(x, x)


def _third(x: Any) -> Any:
    return mul(mul(x, x), x)


def hypot(x: O, y: O) -> O:
    """sqrt(x*x + y*y)."""
    return apply1(Hypot(), x, y)


def copysign(x: O, y: O) -> O:
    """The size of ``x`` with the sign of ``y``."""
    return apply1(Copysign(), x, y)


def xlogy(x: O, y: O) -> O:
    """``x * log(y)``, and 0 where ``x`` is 0."""
    return apply1(Xlogy(), x, y)


def logaddexp(x: O, y: O) -> O:
    """log(exp(x) + exp(y))."""
    return apply1(Logaddexp(), x, y)


def logaddexp2(x: O, y: O) -> O:
    """log2(2**x + 2**y)."""
    return apply1(Logaddexp2(), x, y)


def logit(x: O) -> O:
    """log(x / (1 - x))."""
    return apply1(Logit(), x)


def power(x: O, exponent: float) -> O:
    """Floats to the power of one number."""
    return apply1(Power(float(exponent)), x)


OPERATORS = operators_of(globals())
