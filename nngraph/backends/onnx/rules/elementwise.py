"""Elementwise operators: one line each where ONNX has the operator, else a short formula."""

from __future__ import annotations

import math

from nngraph import ops
from nngraph.backends.onnx.emission import Emission, Emissions, OpSite, Site, direct
from nngraph.backends.onnx.rules import formulas
from nngraph.backends.onnx.rules.branch import if_finite
from nngraph.backends.onnx.rules.shape import is_zero
from nngraph.ir.dtypes import DType, Kind, bool_, float32, float64, uint8, uint16, uint32, uint64

__all__ = ["EMISSIONS"]


def _floats(kind: str) -> Emission:
    """Integers pass unchanged."""

    def emit(s: Site) -> str:
        return s(kind, *s.inputs) if s.dtype.is_floating_point else s.inputs[0]

    return Emission(emit)


def _or_formula(kind: str, formula: formulas.Formula) -> Emission:
    """The ONNX operator, or a formula in float64, for which the runtime has no kernel."""
    return Emission(lambda s: formula(s, *s.inputs) if s.dtype is float64 else s(kind, *s.inputs))


def _neg(s: Site) -> str:
    if s.dtype.kind is Kind.UINT:
        return s("Sub", s.number(0), s.inputs[0])
    return s("Neg", s.inputs[0])


def _abs(s: Site) -> str:
    return s.inputs[0] if s.dtype.kind is Kind.UINT else s("Abs", s.inputs[0])


def _sign(s: Site) -> str:
    """Written so that NaN has the sign 0, as in PyTorch (ONNX's Sign keeps NaN)."""
    (x,) = s.inputs
    if not s.dtype.is_floating_point:
        return s("Sign", x)
    above, below = s("Greater", x, s.number(0)), s("Less", x, s.number(0))
    return s("Sub", s.cast(above, s.dtype), s.cast(below, s.dtype))


def _trunc(s: Site) -> str:
    (x,) = s.inputs
    return _truncated(s, x) if s.dtype.is_floating_point else x


def _truncated(s: Site, x: str) -> str:
    """The whole part with the sign of ``x``, which that of its reciprocal shows for zeros."""
    sign = s("Sign", s("Add", x, s("Reciprocal", x)))
    return s("Mul", sign, s("Floor", s("Abs", x)))


def _relu(s: Site) -> str:
    (x,) = s.inputs
    return s("Relu", x) if s.dtype.is_floating_point else s("Max", x, s.number(0))


def _log1p(s: Site) -> str:
    """log(u) * x / (u - 1) with u = 1 + x: what u rounds away cancels (Kahan)."""
    (x,) = s.inputs
    u = s("Add", x, s.number(1))
    plain = s("Log", u)
    exact = s("Mul", plain, s("Div", x, s("Sub", u, s.number(1))))
    near = s("Where", s("Equal", u, s.number(1)), x, exact)
    return s("Where", s("Less", s("Abs", x), s.number(1)), near, plain)


def _expm1(s: Site) -> str:
    """(u - 1) * x / log(u) with u = exp(x), near zero (Kahan)."""
    (x,) = s.inputs
    u = s("Exp", x)
    plain = s("Sub", u, s.number(1))
    exact = s("Mul", plain, s("Div", x, s("Log", u)))
    near = s("Where", s("Equal", u, s.number(1)), x, exact)
    return s("Where", s("Less", s("Abs", x), s.number(1)), near, plain)


def _isfinite(s: Site) -> str:
    (x,) = s.inputs
    if not s.dtype.is_floating_point:
        return s("Equal", x, x)
    return s("Not", s("Or", s("IsNaN", x), s("IsInf", x)))


def _never(kind: str) -> Emission:
    """A test that holds for no integer."""

    def emit(s: Site) -> str:
        (x,) = s.inputs
        return s(kind, x) if s.dtype.is_floating_point else s("Not", s("Equal", x, x))

    return Emission(emit)


def _floor_divide(s: Site) -> str:
    """Python's: the quotient rounded to minus infinity (of floats: exact, unlike floor(x / y))."""
    x, y = s.inputs
    if s.dtype.kind is Kind.UINT:
        return s("Div", x, y)
    zero = s.number(0)
    if not s.dtype.is_floating_point:
        quotient = s("Div", x, y)
        rest = s("Sub", x, s("Mul", quotient, y))
        return s("Sub", quotient, s.cast(_opposite(s, rest, y, zero), s.dtype))
    rest = s("Mod", x, y, fmod=1)
    whole = s("Round", s("Div", s("Sub", x, rest), y))
    floored = s("Sub", whole, s.cast(_opposite(s, rest, y, zero), s.dtype))
    return s("Where", s("Equal", y, zero), s("Div", x, y), floored)


def _opposite(s: Site, rest: str, divisor: str, zero: str) -> str:
    """True where a non-zero rest has not the divisor's sign."""
    differs = s("Xor", s("Less", rest, zero), s("Less", divisor, zero))
    return s("And", differs, s("Not", s("Equal", rest, zero)))


def _trunc_divide(s: Site) -> str:
    quotient = s("Div", *s.inputs)
    return _truncated(s, quotient) if s.dtype.is_floating_point else quotient


def _remainder(s: Site) -> str:
    x, y = s.inputs
    if not s.dtype.is_floating_point:
        return s("Mod", x, y)
    rest = s("Mod", x, y, fmod=1)
    return s("Where", _opposite(s, rest, y, s.number(0)), s("Add", rest, y), rest)


def _atan2(s: Site) -> str:
    """atan(y / x) moved to its quadrant; signs are taken from 1/z, so those of zeros count."""
    largest = 3e38 if s.dtype is not float64 else 1e308
    bounds = s.number(-largest), s.number(largest)
    y, x = (s("Clip", v, *bounds) for v in s.inputs)  # two infinities become an ordinary quotient
    zero, one = s.number(0), s.number(1)
    low = {v: s("Less", s("Div", one, v), zero) for v in (x, y)}
    both = s("And", s("Equal", x, zero), s("Equal", y, zero))
    ratio = s("Div", y, s("Where", both, one, x))
    angle = formulas.atan(s, ratio) if s.dtype is float64 else s("Atan", ratio)
    turn = s("Where", low[y], s.number(-math.pi), s.number(math.pi))
    return s("Where", low[x], s("Add", angle, turn), angle)


def _bitwise(kind: str, logical: str) -> Emission:
    return Emission(lambda s: s(logical if s.dtype is bool_ else kind, *s.inputs))


_UNSIGNED: dict[int, DType] = {8: uint8, 16: uint16, 32: uint32, 64: uint64}


def _shift(s: Site, x: str, direction: str) -> str:
    """A logical shift of the bits, whatever the sign."""
    unsigned = _UNSIGNED[s.dtype.bits]
    moved = s("BitShift", s.cast(x, unsigned), s.cast(s.inputs[1], unsigned), direction=direction)
    return s.cast(moved, s.dtype)


def _shift_right(s: Site) -> str:
    """Arithmetic for signed numbers: negative ones are complemented before and after."""
    (x, _) = s.inputs
    if s.dtype.kind is Kind.UINT:
        return _shift(s, x, "RIGHT")
    sign = s("Neg", s.cast(s("Less", x, s.number(0)), s.dtype))
    return s("BitwiseXor", _shift(s, s("BitwiseXor", x, sign), "RIGHT"), sign)


def _where(s: Site) -> str:
    condition, a, b = s.inputs
    if s.types[1].dtype is bool_:
        return s("Or", s("And", condition, a), s("And", s("Not", condition), b))
    for zero, kept, value in ((1, 2, b), (2, 1, a)):
        if is_zero(s, zero) and _is_large(s, kept):
            return _masked(s, condition, value, kept == 1)
    return s("Where", condition, a, b)


def _after(s: Site) -> str:
    """The operand either way, as no optimizer knows: what is made of it is not merged."""
    x, when = s.inputs
    if s.dtype is bool_:
        return s("And", x, s("Or", when, s("Not", when)))
    return s("Where", when, x, x)


def _is_large(s: Site, position: int) -> bool:
    """True for floats of the result's own (known) shape that are worth a test at run time."""
    kind = s.types[position]
    return (
        kind == s.results[0]
        and kind.dtype is float32
        and kind.is_static
        and math.prod(kind.static_shape) >= s.choices.large_mask
    )


def _masked(s: Site, condition: str, value: str, keeps: bool) -> str:
    """Zero or the value, as a product with 0 or 1 where all values are finite.

    The runtime's Where takes four times as long as that, and it does not run in parallel.
    """

    def fast(b: Site) -> list[str]:
        mask = condition if keeps else b("Not", condition)
        return [b("Mul", b.cast(mask, float32), value)]

    def exact(b: Site) -> list[str]:
        pair = (value, b.number(0, float32)) if keeps else (b.number(0, float32), value)
        return [b("Where", condition, *pair)]

    return if_finite(s, value, fast, exact)[0]


def _extreme(kind: str) -> Emission:
    """Max or Min; of two zeros the runtime gives either, and here as in PyTorch the first.

    Its Where adds what it takes to zeros, which no negative zero outlives: a sign is multiplied in.
    """

    def emit(s: Site) -> str:
        a, b = s.inputs
        found = s(kind, a, b)
        if not s.dtype.is_floating_point:
            return found
        zero, one = s.number(0), s.number(1)
        is_zero = s("Equal", found, zero)
        turned = (s("Reciprocal", x) for x in (a, b))
        sign = s("Sign", s("Where", s("Equal", a, zero), *turned))
        factor = s("Where", is_zero, sign, one)
        return s("Mul", s("Where", is_zero, zero, found), factor)

    return Emission(emit)


def _clip(s: OpSite[ops.Clip]) -> str:
    (x,) = s.inputs
    limits = (s.op.min, s.op.max)
    if s.dtype in (float32, float64) and not any(v is not None and math.isnan(v) for v in limits):
        # An infinite limit, as without one the runtime takes the largest finite number.
        low, high = (-math.inf if limits[0] is None else limits[0]), limits[1]
        return s("Clip", x, s.number(low), s.number(math.inf if high is None else high))
    # Min(Max(x)) and not Clip: the runtime has it for few types, and NaN limits all to NaN.
    if s.op.min is not None:
        x = s("Max", x, _limit(s, s.op.min))
    if s.op.max is not None:
        x = s("Min", x, _limit(s, s.op.max))
    return x


def _limit(s: Site, value: float) -> str:
    kind, bits = s.dtype.kind, s.dtype.bits
    if kind is Kind.FLOAT:
        return s.number(value)
    low = -(1 << (bits - 1)) if kind is Kind.INT else 0
    high = (1 << (bits - (kind is Kind.INT))) - 1
    return s.number(low if value < low else high if value > high else int(value))


def _cast(s: OpSite[ops.Cast]) -> str:
    return s.cast(s.inputs[0], s.op.dtype)


def _reciprocal_root(s: Site) -> str:
    return s("Reciprocal", s("Sqrt", s.inputs[0]))


def _log2(s: Site) -> str:
    return s("Mul", s("Log", s.inputs[0]), s.number(1 / math.log(2)))


EMISSIONS: Emissions = {
    ops.Exp: direct("Exp"),
    ops.Log: direct("Log"),
    ops.Log1p: Emission(_log1p),
    ops.Expm1: Emission(_expm1),
    ops.Log2: Emission(_log2),
    ops.Sqrt: direct("Sqrt"),
    ops.Rsqrt: Emission(_reciprocal_root),
    ops.Reciprocal: direct("Reciprocal"),
    ops.Sin: direct("Sin"),
    ops.Cos: direct("Cos"),
    ops.Tanh: direct("Tanh"),
    ops.Sigmoid: direct("Sigmoid"),
    ops.Copy: Emission(lambda s: s.inputs[0], native=True),
    ops.Neg: Emission(_neg),
    ops.Abs: Emission(_abs),
    ops.Sign: Emission(_sign),
    ops.Floor: _floats("Floor"),
    ops.Ceil: _floats("Ceil"),
    ops.Round: _floats("Round"),
    ops.Trunc: Emission(_trunc),
    ops.Relu: Emission(_relu),
    ops.Isnan: _never("IsNaN"),
    ops.Isinf: _never("IsInf"),
    ops.Isfinite: Emission(_isfinite),
    ops.LogicalNot: direct("Not"),
    ops.BitwiseNot: _bitwise("BitwiseNot", "Not"),
    ops.Add: direct("Add"),
    ops.Sub: direct("Sub"),
    ops.Mul: direct("Mul"),
    ops.Div: direct("Div"),
    ops.FloorDivide: Emission(_floor_divide),
    ops.TruncDivide: Emission(_trunc_divide),
    ops.Remainder: Emission(_remainder),
    ops.Fmod: direct("Mod", fmod=1),
    ops.Pow: direct("Pow"),
    ops.Maximum: _extreme("Max"),
    ops.Minimum: _extreme("Min"),
    ops.Atan2: Emission(_atan2),
    ops.Eq: direct("Equal"),
    ops.Ne: Emission(lambda s: s("Not", s("Equal", *s.inputs))),
    ops.Lt: direct("Less"),
    ops.Le: direct("LessOrEqual"),
    ops.Gt: direct("Greater"),
    ops.Ge: direct("GreaterOrEqual"),
    ops.LogicalAnd: direct("And"),
    ops.LogicalOr: direct("Or"),
    ops.LogicalXor: direct("Xor"),
    ops.BitwiseAnd: _bitwise("BitwiseAnd", "And"),
    ops.BitwiseOr: _bitwise("BitwiseOr", "Or"),
    ops.BitwiseXor: _bitwise("BitwiseXor", "Xor"),
    ops.ShiftLeft: Emission(lambda s: _shift(s, s.inputs[0], "LEFT")),
    ops.ShiftRight: Emission(_shift_right),
    ops.Where: Emission(_where, native=True),
    ops.After: Emission(_after, native=True),
    ops.Clip: Emission(_clip),
    ops.Cast: Emission(_cast, native=True),
    ops.Tan: _or_formula("Tan", formulas.tan),
    ops.Asin: _or_formula("Asin", formulas.asin),
    ops.Acos: _or_formula("Acos", formulas.acos),
    ops.Atan: _or_formula("Atan", formulas.atan),
    ops.Sinh: _or_formula("Sinh", formulas.sinh),
    ops.Cosh: _or_formula("Cosh", formulas.cosh),
    ops.Asinh: _or_formula("Asinh", formulas.asinh),
    ops.Acosh: _or_formula("Acosh", formulas.acosh),
    ops.Atanh: _or_formula("Atanh", formulas.atanh),
    ops.Erf: _or_formula("Erf", formulas.erf),
    ops.Erfc: Emission(lambda s: formulas.erfc(s, *s.inputs)),
}
