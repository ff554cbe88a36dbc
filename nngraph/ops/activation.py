"""Softmax and smooth activations: composites whose gradients reuse their outputs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.op import Array, O, Op, Sample, Thunk, Trait, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.composite import wide
from nngraph.ops.core import need, need_float, sum_of, widen
from nngraph.ops.creation import full_like
from nngraph.ops.elementwise import (
    Clip,
    abs,
    add,
    cast,
    clip,
    div,
    erf,
    exp,
    ge,
    gt,
    le,
    log,
    log1p,
    logical_or,
    lt,
    mul,
    neg,
    relu,
    sigmoid,
    sub,
    where,
)
from nngraph.ops.elementwise.special import erf as erf_array
from nngraph.ops.family import operators_of
from nngraph.ops.reduce import max, sum

# fmt: off
__all__ = [
    "Gelu", "Hardswish", "Hardtanh", "LogSoftmax", "Mish", "Silu", "Softmax", "Softplus",
    "gelu", "hardswish", "hardtanh", "log_softmax", "mish", "silu", "softmax", "softplus",
]
# fmt: on

_SPECIAL = np.asarray([np.nan, np.inf, -np.inf, 0.0, -0.0, 30.0, -30.0, 1e4, -1e4], np.float32)
Values = Sequence[Any]


@dataclass(frozen=True)
class _Normalized(Op):
    """Softmax and its logarithm along ``axis``."""

    axis: int

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        need_float(self.name, "the operand", x)
        need(0 <= self.axis < x.rank, self.name, "the operand", x, f"with an axis {self.axis}")
        return (x,)

    def _shifted(self, x: Any) -> Any:
        # Without its maximum a row cannot overflow, and its sum is at least 1.
        high = wide(x)
        return sub(high, max(high, (self.axis,), True))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.random.default_rng(10).standard_normal((2, 3, 4)).astype(np.float32)
        for axis in (0, 1, 2):
            yield Sample(cls(axis), (x,))
        yield Sample(cls(0), (x[:, 0, 0],), note="one axis")
        yield Sample(cls(1), (x[:0],), note="empty")
        yield Sample(cls(1), (x[:, :0],), note="no class")
        yield Sample(cls(1), (x[:, :1],), note="one class")
        large = np.asarray([[1e4, 1e4 + 1, -1e4], [-1e4, -1e4, -1e4]], np.float32)
        yield Sample(cls(1), (large,), note="large")
        inf = np.asarray([[-np.inf, 0, 1], [np.inf, 0, 1], [np.nan, 0, 1]], np.float32)
        yield Sample(cls(1), (inf,), False, "NaN and infinities")


def _highest(x: Array, axis: int) -> Array:
    """The maximum along an axis; minus infinity where it has no elements."""
    found: Array = x.max(axis, keepdims=True, initial=-np.inf)
    return found


@dataclass(frozen=True)
class Softmax(_Normalized):
    """exp(x) / sum(exp(x)) along ``axis``; rows of minus infinity give NaN, as in PyTorch."""

    name: ClassVar[str] = "softmax"

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x = widen(inputs[0])
        with np.errstate(all="ignore"):
            y = np.exp(x - _highest(x, self.axis))
            y /= sum_of(y, (self.axis,), True)
        return (y.astype(inputs[0].dtype, copy=False),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        (x,) = inputs
        if x.aval.shape[self.axis] == 0:
            return (x,)
        powers = exp(self._shifted(x))
        return (cast(div(powers, sum(powers, (self.axis,), True)), x.aval.dtype),)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        def gradient() -> Any:
            y, g = wide(outputs[0]), wide(grads[0])
            part = mul(g, y)
            dx = sub(part, mul(y, sum(part, (self.axis,), True)))
            return cast(dx, inputs[0].aval.dtype)

        return (gradient,)


@dataclass(frozen=True)
class LogSoftmax(_Normalized):
    """x - log(sum(exp(x))) along ``axis``."""

    name: ClassVar[str] = "log_softmax"

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x = widen(inputs[0])
        with np.errstate(all="ignore"):
            y = x - _highest(x, self.axis)
            y -= np.log(sum_of(np.exp(y), (self.axis,), True))
        return (y.astype(inputs[0].dtype, copy=False),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        (x,) = inputs
        if x.aval.shape[self.axis] == 0:
            return (x,)
        shifted = self._shifted(x)
        total = log(sum(exp(shifted), (self.axis,), True))
        return (cast(sub(shifted, total), x.aval.dtype),)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        def gradient() -> Any:
            y, g = wide(outputs[0]), wide(grads[0])
            dx = sub(g, mul(exp(y), sum(g, (self.axis,), True)))
            return cast(dx, inputs[0].aval.dtype)

        return (gradient,)


@dataclass(frozen=True)
class _Activation(Op):
    """A function of each element that is defined by others."""

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.ELEMENTWISE})

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        need_float(self.name, "the operand", types[0])
        return types

    @classmethod
    def _arrays(cls) -> Iterable[tuple[Array, bool, str]]:
        x = np.linspace(-4, 4, 12, dtype=np.float32).reshape(3, 4)
        yield x, True, ""
        yield x[1, 2], True, "rank 0"
        yield x[:0], True, "empty"
        yield _SPECIAL, False, "NaN, infinities, large"


def _logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    out: Array = np.where(x >= 0, 1, small) / (1 + small)
    return out


@dataclass(frozen=True)
class Silu(_Activation):
    """x * sigmoid(x)."""

    name: ClassVar[str] = "silu"

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x = widen(inputs[0])
        with np.errstate(all="ignore"):
            y = np.asarray(x * _logistic(x))
        return (y.astype(inputs[0].dtype, copy=False),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        x = wide(inputs[0])
        return (cast(mul(x, sigmoid(x)), inputs[0].aval.dtype),)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        def gradient() -> Any:
            # With s = sigmoid(x) and y = x*s the slope is s + y*(1 - s).
            y, s = wide(outputs[0]), sigmoid(wide(inputs[0]))
            slope = add(s, mul(y, sub(1.0, s)))
            return cast(mul(wide(grads[0]), slope), inputs[0].aval.dtype)

        return (gradient,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for x, smooth, note in cls._arrays():
            yield Sample(cls(), (x,), smooth, note)


@dataclass(frozen=True)
class Softplus(_Activation):
    """log(1 + exp(beta*x)) / beta without overflow; x itself where beta*x is above ``threshold``.

    Its parts have a kink at 0 each (the sum of them has none), so it is not differentiated through
    them: its slope is sigmoid(beta*x), and 1 above the threshold. At it, as in PyTorch, it is
    sigmoid's, but flat.
    """

    beta: float = 1.0
    threshold: float = math.inf
    name: ClassVar[str] = "softplus"

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x = widen(inputs[0])
        scaled = x * x.dtype.type(self.beta)
        with np.errstate(all="ignore"):
            y = np.maximum(scaled, 0) + np.log1p(np.exp(-np.abs(scaled)))
            y = np.where(scaled > self.threshold, x, y / x.dtype.type(self.beta))
        return (y.astype(inputs[0].dtype, copy=False),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        x = wide(inputs[0])
        scaled = self._scaled(x)
        y = add(relu(scaled), log1p(exp(neg(abs(scaled)))))
        y = y if self.beta == 1 else div(y, self.beta)
        y = y if math.isinf(self.threshold) else where(gt(scaled, self.threshold), x, y)
        return (cast(y, inputs[0].aval.dtype),)

    def _scaled(self, x: Any) -> Any:
        return x if self.beta == 1 else mul(x, self.beta)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        def gradient() -> Any:
            scaled = self._scaled(wide(inputs[0]))
            slope = sigmoid(scaled)
            if not math.isinf(self.threshold):
                last = 0.5 + 0.5 * math.tanh(0.5 * self.threshold)
                beyond = where(gt(scaled, self.threshold), 1.0, full_like(scaled, last))
                slope = where(ge(scaled, self.threshold), beyond, slope)
            return cast(mul(wide(grads[0]), slope), inputs[0].aval.dtype)

        return (gradient,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for op in (cls(), cls(2.0, 5.0), cls(-0.5)):
            for x, smooth, note in cls._arrays():
                yield Sample(op, (x,), smooth, note)


@dataclass(frozen=True)
class Hardtanh(_Activation):
    """x limited to [min, max], where its gradient is 0 (that of ``clip`` is 1)."""

    min: float
    max: float
    name: ClassVar[str] = "hardtanh"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return Clip(self.min, self.max).infer(*types)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return Clip(self.min, self.max).eval(*inputs)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        return (clip(inputs[0], self.min, self.max),)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        (x,), (g,) = inputs, grads
        return (lambda: where(logical_or(le(x, self.min), ge(x, self.max)), 0.0, g),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for op in (cls(-1.0, 1.0), cls(0.0, 6.0)):
            for x, smooth, note in cls._arrays():
                yield Sample(op, (x,), smooth, note)
        yield Sample(cls(-2, 3), (np.arange(-5, 6, dtype=np.int32),), False)


@dataclass(frozen=True)
class Hardswish(_Activation):
    """x * clip(x + 3, 0, 6) / 6; below -3 its gradient is 0, above 3 it is 1."""

    name: ClassVar[str] = "hardswish"

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x = widen(inputs[0])
        with np.errstate(all="ignore"):
            y = np.asarray(x * np.minimum(np.maximum(x + 3, 0), 6) / 6)
        return (y.astype(inputs[0].dtype, copy=False),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        x = wide(inputs[0])
        y = div(mul(x, clip(add(x, 3.0), 0.0, 6.0)), 6.0)
        return (cast(y, inputs[0].aval.dtype),)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        def gradient() -> Any:
            x, g = wide(inputs[0]), wide(grads[0])
            inside = mul(g, add(div(where(lt(x, 3.0), x, 0.0), 3.0), 0.5))
            slope = where(le(x, -3.0), 0.0, where(lt(x, 3.0), inside, g))
            return cast(slope, inputs[0].aval.dtype)

        return (gradient,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for x, smooth, note in cls._arrays():
            yield Sample(cls(), (x,), smooth, note)


@dataclass(frozen=True)
class Mish(_Activation):
    """x * tanh(softplus(x)). Source: Misra, arXiv:1908.08681.

    With s = sigmoid(x) and r = 1 - s the hyperbolic tangent is s*(1 + r) / (1 + r*r).
    """

    name: ClassVar[str] = "mish"

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x = widen(inputs[0])
        with np.errstate(all="ignore"):
            s, r = _logistic(x), _logistic(-x)
            y = np.asarray(x * (s * (1 + r) / (1 + r * r)))
        return (y.astype(inputs[0].dtype, copy=False),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        x = wide(inputs[0])
        gate, _ = self._gate(x)
        return (cast(mul(x, gate), inputs[0].aval.dtype),)

    def _gate(self, x: Any) -> tuple[Any, Any]:
        """The hyperbolic tangent, and its slope 4*r*r*s / (1 + r*r)**2."""
        s = sigmoid(x)
        r = sub(1.0, s)
        square = mul(r, r)
        below = add(square, 1.0)
        slope = div(mul(mul(square, s), 4.0), mul(below, below))
        return div(mul(s, add(r, 1.0)), below), slope

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        def gradient() -> Any:
            x = wide(inputs[0])
            gate, slope = self._gate(x)
            return cast(mul(wide(grads[0]), add(gate, mul(x, slope))), inputs[0].aval.dtype)

        return (gradient,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for x, smooth, note in cls._arrays():
            yield Sample(cls(), (x,), smooth, note)


# gelu's tanh form, 0.5*x*(1 + tanh(u)), is x*sigmoid(2u) with 2u = x*(LINEAR + CUBIC*x*x).
_LINEAR = 2 * math.sqrt(2 / math.pi)
_CUBIC = 0.044715 * _LINEAR


@dataclass(frozen=True)
class Gelu(_Activation):
    """x * Phi(x) for the normal distribution function Phi ("none"), or its "tanh" approximation.

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415.
    """

    approximate: str = "none"
    name: ClassVar[str] = "gelu"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        need(
            self.approximate in ("none", "tanh"),
            self.name,
            "approximate",
            repr(self.approximate),
            "'none' or 'tanh'",
        )
        return super().infer(*types)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x = widen(inputs[0])
        with np.errstate(all="ignore"):
            if self.approximate == "tanh":
                y = x * _logistic(x * (_LINEAR + _CUBIC * x * x))
            else:
                y = 0.5 * x * (1 + erf_array(x * math.sqrt(0.5)))
        return (np.asarray(y).astype(inputs[0].dtype, copy=False),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        x = wide(inputs[0])
        return (cast(mul(x, self._gate(x)), inputs[0].aval.dtype),)

    def _gate(self, x: Any) -> Any:
        if self.approximate == "tanh":
            return sigmoid(mul(x, add(mul(mul(x, x), _CUBIC), _LINEAR)))
        return mul(add(erf(mul(x, math.sqrt(0.5))), 1.0), 0.5)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        def gradient() -> Any:
            x = wide(inputs[0])
            gate, square = self._gate(x), mul(x, x)
            if self.approximate == "tanh":
                # slope = s + x * s*(1-s) * (LINEAR + 3*CUBIC*x*x), and y = x*s
                bell = mul(
                    mul(wide(outputs[0]), sub(1.0, gate)), add(mul(square, 3 * _CUBIC), _LINEAR)
                )
            else:
                bell = mul(mul(x, exp(mul(square, -0.5))), math.sqrt(0.5 / math.pi))
            return cast(mul(wide(grads[0]), add(gate, bell)), inputs[0].aval.dtype)

        return (gradient,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for approximate in ("none", "tanh"):
            for x, smooth, note in cls._arrays():
                yield Sample(cls(approximate), (x,), smooth, note)


def softmax(x: O, axis: int) -> O:
    """exp(x) / sum(exp(x)) along ``axis``."""
    return apply1(Softmax(axis), x)


def log_softmax(x: O, axis: int) -> O:
    """The logarithm of softmax, computed without it."""
    return apply1(LogSoftmax(axis), x)


def gelu(x: O, approximate: str = "none") -> O:
    """Gaussian error linear unit."""
    return apply1(Gelu(approximate), x)


def softplus(x: O, beta: float = 1.0, threshold: float = math.inf) -> O:
    """log(1 + exp(beta * x)) / beta; ``x`` where ``beta * x`` is above the threshold."""
    return apply1(Softplus(float(beta), float(threshold)), x)


def mish(x: O) -> O:
    """X * tanh(softplus(x))."""
    return apply1(Mish(), x)


def hardtanh(x: O, min: float, max: float) -> O:
    """``x`` limited to [min, max], where its gradient is 0."""
    return apply1(Hardtanh(min, max), x)


def hardswish(x: O) -> O:
    """X * clip(x + 3, 0, 6) / 6."""
    return apply1(Hardswish(), x)


def silu(x: O) -> O:
    """X * sigmoid(x), also called swish."""
    return apply1(Silu(), x)


OPERATORS = operators_of(globals())
