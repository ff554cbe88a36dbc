"""Identities of elementwise operators. Each says what it assumes, and why it refuses."""

from __future__ import annotations

import math

import numpy as np

from nngraph import ops
from nngraph.ir.dtypes import Kind
from nngraph.ir.graph import Value
from nngraph.passes.pattern import Match, Rule, Soundness, node, splat
from nngraph.passes.splat import emit, splat_of

__all__ = ["ARITHMETIC_RULES"]

_REASSOCIATES = Soundness.REASSOCIATES
_FINITE_ONLY = Soundness.FINITE_ONLY


def _whole(match: Match) -> str | None:
    """Refuses floats."""
    if match.result.dtype.is_floating_point:
        return "for floats it fails at -0.0, NaN or infinity"
    return None


def _float(match: Match) -> str | None:
    return None if match.result.dtype.is_floating_point else "integers round the result"


def _filled(match: Match, number: float) -> Value:
    return ops.full(number, match.result.dtype, match.result.shape, match.root.outputs[0])


def _power_of_two(match: Match) -> str | None:
    if not match.result.dtype.is_floating_point:
        return "integers round the quotient"
    number = match.number("c")
    if not math.isfinite(number) or math.frexp(number)[0] not in (0.5, -0.5):
        return "the divisor is no power of two, so that multiplying rounds twice"
    return _invertible(match)


def _invertible(match: Match) -> str | None:
    """Refuses divisors whose reciprocal overflows or is subnormal."""
    dtype = match.result.dtype
    number = match.number("c")
    with np.errstate(all="ignore"):
        inverse = float(np.asarray(1 / number if number else math.inf, dtype.numpy))
    smallest = {"float64": 2.0**-1022, "float16": 2.0**-14}.get(dtype.name, 2.0**-126)
    if not smallest <= abs(inverse) < math.inf:
        return "the divisor's reciprocal is not a normal number"
    return None


def _inverse(match: Match) -> Value:
    return ops.mul(match.x, ops.full(1 / match.number("c"), match.result.dtype, (), match.x))


def _signed(match: Match) -> str | None:
    return (
        "an unsigned number's negative wraps around"
        if match.result.dtype.kind is Kind.UINT
        else None
    )


def _combined(match: Match, operator: type[ops.Binary]) -> Value:
    """``operator`` applied to the known numbers ``a`` and ``b``."""
    a, b = splat_of(match.a), splat_of(match.b)
    assert a is not None and b is not None
    (array,) = operator().eval(a, b)
    return emit(array, match.a.type.with_shape(()), match.a)


_UNARY = (
    Rule("copy(x) = x", lambda x: node(ops.Copy, x), lambda m: m.x),
    Rule("neg(neg(x)) = x", lambda x: node(ops.Neg, node(ops.Neg, x)), lambda m: m.x),
    Rule("not(not(x)) = x", lambda x: node(ops.LogicalNot, node(ops.LogicalNot, x)), lambda m: m.x),
    Rule(
        "bitwise_not(bitwise_not(x)) = x",
        lambda x: node(ops.BitwiseNot, node(ops.BitwiseNot, x)),
        lambda m: m.x,
    ),
    Rule(
        "abs(abs(x)) = abs(x)",
        lambda x: node(ops.Abs, node(ops.Abs, x, name="inner")),
        lambda m: m.inner,
    ),
    Rule(
        "abs(neg(x)) = abs(x)",
        lambda x: node(ops.Abs, node(ops.Neg, x)),
        lambda m: ops.abs(m.x),
        _signed,
    ),
    Rule(
        "relu(relu(x)) = relu(x)",
        lambda x: node(ops.Relu, node(ops.Relu, x, name="inner")),
        lambda m: m.inner,
    ),
)

_SUMS = (
    Rule("x - 0 = x", lambda x: node(ops.Sub, x, splat(0)), lambda m: m.x),
    Rule("x + (-0.0) = x", lambda x: node(ops.Add, x, splat(-0.0)), lambda m: m.x),
    Rule("x + 0 = x, integers", lambda x: node(ops.Add, x, splat(0)), lambda m: m.x, _whole),
    # -0.0 + 0.0 is 0.0
    Rule(
        "x + 0.0 = x", lambda x: node(ops.Add, x, splat(0)), lambda m: m.x, soundness=_FINITE_ONLY
    ),
    Rule("-0.0 - x = -x", lambda x: node(ops.Sub, splat(-0.0), x), lambda m: ops.neg(m.x)),
    Rule(
        "0 - x = -x, integers", lambda x: node(ops.Sub, splat(0), x), lambda m: ops.neg(m.x), _whole
    ),
    # 0.0 - 0.0 is 0.0
    Rule(
        "0.0 - x = -x",
        lambda x: node(ops.Sub, splat(0), x),
        lambda m: ops.neg(m.x),
        soundness=_FINITE_ONLY,
    ),
    Rule(
        "x + (-y) = x - y",
        lambda x, y: node(ops.Add, x, node(ops.Neg, y)),
        lambda m: ops.sub(m.x, m.y),
    ),
    Rule(
        "x - (-y) = x + y",
        lambda x, y: node(ops.Sub, x, node(ops.Neg, y)),
        lambda m: ops.add(m.x, m.y),
    ),
    Rule("x - x = 0, integers", lambda x: node(ops.Sub, x, x), lambda m: _filled(m, 0), _whole),
    # infinity - infinity is NaN
    Rule(
        "x - x = 0", lambda x: node(ops.Sub, x, x), lambda m: _filled(m, 0), soundness=_FINITE_ONLY
    ),
    Rule(
        "(x + a) + b = x + (a + b), integers",
        lambda x: node(ops.Add, node(ops.Add, x, splat(name="a")), splat(name="b")),
        lambda m: ops.add(m.x, _combined(m, ops.Add)),
        _whole,
    ),
    Rule(
        "(x + a) + b = x + (a + b)",
        lambda x: node(ops.Add, node(ops.Add, x, splat(name="a")), splat(name="b")),
        lambda m: ops.add(m.x, _combined(m, ops.Add)),
        soundness=_REASSOCIATES,
    ),
)

_PRODUCTS = (
    Rule("x * 1 = x", lambda x: node(ops.Mul, x, splat(1)), lambda m: m.x),
    Rule("x * (-1) = -x", lambda x: node(ops.Mul, x, splat(-1)), lambda m: ops.neg(m.x)),
    Rule(
        "(-x) * (-y) = x * y",
        lambda x, y: node(ops.Mul, node(ops.Neg, x), node(ops.Neg, y)),
        lambda m: ops.mul(m.x, m.y),
    ),
    Rule(
        "x * 0 = 0, integers", lambda x: node(ops.Mul, x, splat(0)), lambda m: _filled(m, 0), _whole
    ),
    # NaN * 0 is NaN, -1 * 0 is -0.0
    Rule(
        "x * 0 = 0",
        lambda x: node(ops.Mul, x, splat(0)),
        lambda m: _filled(m, 0),
        soundness=_FINITE_ONLY,
    ),
    Rule(
        "(x * a) * b = x * (a * b), integers",
        lambda x: node(ops.Mul, node(ops.Mul, x, splat(name="a")), splat(name="b")),
        lambda m: ops.mul(m.x, _combined(m, ops.Mul)),
        _whole,
    ),
    Rule(
        "(x * a) * b = x * (a * b)",
        lambda x: node(ops.Mul, node(ops.Mul, x, splat(name="a")), splat(name="b")),
        lambda m: ops.mul(m.x, _combined(m, ops.Mul)),
        soundness=_REASSOCIATES,
    ),
    Rule("x / 1 = x", lambda x: node(ops.Div, x, splat(1)), lambda m: m.x),
    Rule(
        "x / 2**n = x * 2**-n", lambda x: node(ops.Div, x, splat(name="c")), _inverse, _power_of_two
    ),
    Rule(
        "x / c = x * (1/c)",
        lambda x: node(ops.Div, x, splat(name="c")),
        _inverse,
        _invertible,
        _REASSOCIATES,
    ),
)

_POWERS = (
    Rule("x ** 0 = 1", lambda x: node(ops.Pow, x, splat(0)), lambda m: _filled(m, 1)),
    Rule("x ** 1 = x", lambda x: node(ops.Pow, x, splat(1)), lambda m: m.x),
    # Correctly rounded, and what NumPy itself does where the exponent is one number.
    Rule("x ** 2 = x * x", lambda x: node(ops.Pow, x, splat(2)), lambda m: ops.mul(m.x, m.x)),
    Rule(
        "x ** 3 = x * x * x",
        lambda x: node(ops.Pow, x, splat(3)),
        lambda m: ops.mul(ops.mul(m.x, m.x), m.x),
        soundness=_REASSOCIATES,
    ),
    Rule(
        "x ** -1 = 1 / x",
        lambda x: node(ops.Pow, x, splat(-1)),
        lambda m: ops.reciprocal(m.x),
        _float,
    ),
    # (-0.0) ** 0.5 is 0.0 and (-infinity) ** 0.5 is infinity; their roots are -0.0 and NaN
    Rule(
        "x ** 0.5 = sqrt(x)",
        lambda x: node(ops.Pow, x, splat(0.5)),
        lambda m: ops.sqrt(m.x),
        soundness=_FINITE_ONLY,
    ),
)

_CHOICES = (
    Rule("maximum(x, x) = x", lambda x: node(ops.Maximum, x, x), lambda m: m.x),
    Rule("minimum(x, x) = x", lambda x: node(ops.Minimum, x, x), lambda m: m.x),
    Rule("where(true, x, y) = x", lambda x, y: node(ops.Where, splat(True), x, y), lambda m: m.x),
    Rule("where(false, x, y) = y", lambda x, y: node(ops.Where, splat(False), x, y), lambda m: m.y),
    Rule("where(c, x, x) = x", lambda c, x: node(ops.Where, c, x, x), lambda m: m.x),
    Rule(
        "where(not(c), x, y) = where(c, y, x)",
        lambda c, x, y: node(ops.Where, node(ops.LogicalNot, c), x, y),
        lambda m: ops.where(m.c, m.y, m.x),
    ),
)

ARITHMETIC_RULES = (*_UNARY, *_SUMS, *_PRODUCTS, *_POWERS, *_CHOICES)
