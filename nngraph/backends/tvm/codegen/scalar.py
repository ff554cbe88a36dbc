"""Elementwise operators as TIR expressions of one element, one row each.

Expressions are in the type of computation (``types``). They hold for vectors too: the loop
around them decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tvm import tirx

from nngraph import ops
from nngraph.backends.tvm import fast_math
from nngraph.backends.tvm.codegen.types import Expr, compute_type, const, load, store, unless_nan
from nngraph.ir.dtypes import DType, Kind, bfloat16, bool_, float16, int32, int64
from nngraph.ir.graph import Node, Value
from nngraph.ir.op import Op

__all__ = ["convert", "elementwise", "knows", "maximum", "minimum"]

Row = Callable[..., Expr]


def elementwise(node: Node, operands: Sequence[Expr]) -> Expr:
    """The element of ``node``'s output, from the elements of its operands.

    Raises:
        KeyError: if the operator is not elementwise.
    """
    source = node.inputs[0].type.dtype if node.inputs else node.output.type.dtype
    kind = type(node.op)
    if kind in _ATTRIBUTED:
        return _ATTRIBUTED[kind](node, *operands)
    if kind in _NUMERIC:
        return _NUMERIC[kind](source, *operands)
    return _FLOAT[kind](*operands)


def knows(kind: type[Op]) -> bool:
    """True if the operator has a row here."""
    return kind in _ATTRIBUTED or kind in _NUMERIC or kind in _FLOAT


def _libm(name: str) -> Row:
    """C's function of that name; called lane by lane."""

    def call(*operands: Expr) -> Expr:
        kind = str(operands[0].ty)
        symbol = f"{name}f" if kind == "float32" else name
        return tirx.call_pure_extern(kind, symbol, *operands)

    return call


def _like(x: Expr, value: float) -> Expr:
    return tirx.const(value, str(x.ty))


def _log(x: Expr) -> Expr:
    return tirx.log(x) if str(x.ty) == "float32" else _libm("log")(x)


def _log1p(x: Expr) -> Expr:
    return tirx.log1p(x) if str(x.ty) == "float32" else _libm("log1p")(x)


def _erf(x: Expr) -> Expr:
    return tirx.erf(x) if str(x.ty) == "float32" else _libm("erf")(x)


def _exp(x: Expr) -> Expr:
    return tirx.exp(x) if str(x.ty) == "float32" else _libm("exp")(x)


def _sigmoid(x: Expr) -> Expr:
    return tirx.sigmoid(x) if str(x.ty) == "float32" else _like(x, 1) / (_exp(-x) + _like(x, 1))


def maximum(dtype: DType, x: Expr, y: Expr) -> Expr:
    """The larger one; a NaN wins."""
    if dtype is bool_:
        return tirx.any(x, y)
    if not dtype.is_floating_point:
        return tirx.max(x, y)
    return unless_nan(x, tirx.Select(x > y, x, y), x)  # the inner choice keeps a NaN in y


def minimum(dtype: DType, x: Expr, y: Expr) -> Expr:
    """The smaller one; a NaN wins."""
    if dtype is bool_:
        return tirx.all(x, y)
    if not dtype.is_floating_point:
        return tirx.min(x, y)
    return unless_nan(x, tirx.Select(x < y, x, y), x)


def _larger(dtype: DType, x: Expr, y: Expr) -> Expr:
    """The maximum; of two zeros the first."""
    if not dtype.is_floating_point:
        return maximum(dtype, x, y)
    return unless_nan(x, tirx.Select(x >= y, x, y), x)


def _smaller(dtype: DType, x: Expr, y: Expr) -> Expr:
    """The minimum; of two zeros the first."""
    if not dtype.is_floating_point:
        return minimum(dtype, x, y)
    return unless_nan(x, tirx.Select(x <= y, x, y), x)


def _xor(x: Expr, y: Expr) -> Expr:
    return _byte(x) != _byte(y)


def _byte(x: Expr) -> Expr:
    return tirx.Select(x, tirx.const(1, "int8"), tirx.const(0, "int8"))


def _compare(row: Row) -> Row:
    def call(dtype: DType, x: Expr, y: Expr) -> Expr:
        return row(_byte(x), _byte(y)) if dtype is bool_ else row(x, y)

    return call


# TVM folds x * 0.0 and 0.0 / x to 0.0 and refuses x / 0.0, all wrong for NaN and infinity.


def _multiply(dtype: DType, x: Expr, y: Expr) -> Expr:
    if dtype.is_floating_point and (_is_zero(x) or _is_zero(y)):
        return tirx.op.fma(x, y, _like(x, -0.0))
    return x * y


def _divide(_dtype: DType, x: Expr, y: Expr) -> Expr:
    if _is_zero(y):
        sign = math.copysign(1.0, y.value)
        undefined = tirx.any(x == _like(x, 0), tirx.isnan(x))
        infinite = _like(x, sign * math.inf)
        infinite = tirx.Select(x > _like(x, 0), infinite, _like(x, -sign * math.inf))
        return tirx.Select(undefined, _like(x, math.nan), infinite)
    if _is_zero(x):
        undefined = tirx.any(y == _like(y, 0), tirx.isnan(y))
        return tirx.Select(undefined, _like(y, math.nan), x)
    return x / y


def _is_zero(x: Expr) -> bool:
    return isinstance(x, tirx.FloatImm) and x.value == 0


def _differ(dtype: DType, x: Expr, y: Expr) -> Expr:
    """True where an operand is NaN, which the comparison itself leaves out."""
    if not dtype.is_floating_point:
        return _xor(x, y) if dtype is bool_ else x != y
    return tirx.any(x != y, tirx.isnan(x), tirx.isnan(y))


def _sign(dtype: DType, x: Expr) -> Expr:
    zero, one = const(0, dtype), const(1, dtype)
    if dtype.kind is Kind.UINT:
        return tirx.Select(x > zero, one, zero)
    return tirx.Select(x > zero, one, tirx.Select(x < zero, const(-1, dtype), zero))


def _abs(dtype: DType, x: Expr) -> Expr:
    if dtype.is_floating_point:
        return tirx.abs(x)
    return x if dtype.kind is Kind.UINT else tirx.Select(x < const(0, dtype), -x, x)


def _rounding(function: Row) -> Row:
    def call(dtype: DType, x: Expr) -> Expr:
        return function(x) if dtype.is_floating_point else x

    return call


def _safe_divisor(dtype: DType, y: Expr) -> Expr:
    """1 in place of 0 and -1, with which the processor's division may trap."""
    bad = y == const(0, dtype)
    if dtype.kind is Kind.INT:
        bad = tirx.any(bad, y == const(-1, dtype))
    return tirx.Select(bad, const(1, dtype), y)


def _whole(function: Row, by_minus_one: Callable[[DType, Expr], Expr]) -> Row:
    """Integer division: by 0 gives 0."""

    def call(dtype: DType, x: Expr, y: Expr) -> Expr:
        result = function(x, _safe_divisor(dtype, y))
        if dtype.kind is Kind.INT:
            result = tirx.Select(y == const(-1, dtype), by_minus_one(dtype, x), result)
        return tirx.Select(y == const(0, dtype), const(0, dtype), result)

    return call


_int_floordiv = _whole(tirx.floordiv, lambda _dtype, x: -x)
_int_floormod = _whole(tirx.floormod, lambda dtype, _x: const(0, dtype))
_int_fmod = _whole(tirx.truncmod, lambda dtype, _x: const(0, dtype))


def _fmod(dtype: DType, x: Expr, y: Expr) -> Expr:
    return _libm("fmod")(x, y) if dtype.is_floating_point else _int_fmod(dtype, x, y)


def _remainder(dtype: DType, x: Expr, y: Expr) -> Expr:
    if not dtype.is_floating_point:
        return _int_floormod(dtype, x, y)
    zero, rest = _like(x, 0), _libm("fmod")(x, y)
    differs = tirx.any(tirx.all(y < zero, rest > zero), tirx.all(y > zero, rest < zero))
    signed = tirx.Select(rest == zero, _libm("copysign")(zero, y), rest)
    return tirx.Select(differs, rest + y, tirx.Select(y == zero, rest, signed))


def _floor_divide(dtype: DType, x: Expr, y: Expr) -> Expr:
    """Floats as NumPy: from the exact remainder, so that nearly whole quotients are right."""
    if not dtype.is_floating_point:
        return _int_floordiv(dtype, x, y)
    zero, one, half = (_like(x, v) for v in (0, 1, 0.5))
    rest = _libm("fmod")(x, y)
    quotient = (x - rest) / y
    differs = tirx.any(tirx.all(y < zero, rest > zero), tirx.all(y > zero, rest < zero))
    quotient = tirx.Select(differs, quotient - one, quotient)
    floor = tirx.floor(quotient)
    floor = tirx.Select(quotient - floor > half, floor + one, floor)
    floor = tirx.Select(quotient == zero, _libm("copysign")(zero, x / y), floor)
    return tirx.Select(y == zero, x / y, floor)


def _pow(dtype: DType, x: Expr, y: Expr) -> Expr:
    if not dtype.is_floating_point:
        return tirx.call_pure_extern("float64", "pow", *(tirx.Cast("float64", v) for v in (x, y)))
    return _libm("pow")(x, y)


def _integer_power(node: Node, x: Expr, y: Expr) -> Expr:
    """By repeated squaring with wrap-around; exponents are not negative, and below 64 matter.

    Larger ones only occur with bases 0, 1 and -1 (or overflow to a power of two's multiple).
    """
    dtype = node.output.type.dtype
    one, zero = const(1, dtype), const(0, dtype)
    result, square = one, x
    for bit in range(6):
        odd = ((y >> const(bit, dtype)) & one) != zero if bit < dtype.bits - 1 else None
        if odd is not None:
            result = tirx.Select(odd, result * square, result)
            square = square * square
    return result


def _power(node: Node, x: Expr, y: Expr) -> Expr:
    dtype = node.output.type.dtype
    if not dtype.is_floating_point:
        return _integer_power(node, x, y)
    exponent = _known(node.inputs[1])
    if exponent in (2.0, 3.0, 1.0, -1.0):
        powers = {1.0: x, 2.0: x * x, 3.0: x * x * x, -1.0: _like(x, 1) / x}
        return powers[exponent]
    return _pow(dtype, x, y)


def _known(value: Value) -> float | None:
    """The number that a value is everywhere, if a ``full`` makes it."""
    producer = value.producer
    while producer is not None and isinstance(producer.op, ops.BroadcastTo | ops.Reshape):
        producer = producer.inputs[0].producer
    return float(producer.op.value) if producer and isinstance(producer.op, ops.Full) else None


def _clip(node: Node, x: Expr) -> Expr:
    dtype = node.output.type.dtype
    op = node.op
    assert isinstance(op, ops.Clip)
    for limit, low in ((op.min, True), (op.max, False)):
        if limit is None:
            continue
        bound = _bound(limit, dtype)
        if math.isnan(limit):
            return bound  # NaN limits all to NaN
        x = tirx.Select(x < bound if low else x > bound, bound, x)
    return x


def _bound(limit: float, dtype: DType) -> Expr:
    if not dtype.is_integer:
        return const(limit, dtype)
    low = -(1 << (dtype.bits - 1)) if dtype.kind is Kind.INT else 0
    high = (1 << (dtype.bits - (dtype.kind is Kind.INT))) - 1
    return const(min(max(limit, low), high), dtype)


def _cast(node: Node, x: Expr) -> Expr:
    return convert(x, node.inputs[0].type.dtype, node.output.type.dtype)


def convert(x: Expr, source: DType, target: DType) -> Expr:
    """``x`` as another element type, rounded to it."""
    if target is bool_:
        return x if source is bool_ else _differ(source, x, const(0, source))
    kind = compute_type(target)
    if source is bool_:
        return tirx.Select(x, const(1, target), const(0, target))
    if source.is_floating_point and target.is_integer:
        return _truncate(x, target)
    x = x if str(x.ty) == kind else tirx.Cast(kind, x)
    if target in (float16, bfloat16) and source is not target:
        return load(store(x, target), target)
    return x


def _truncate(x: Expr, target: DType) -> Expr:
    """Through a signed type, so that small unsigned types wrap around as in C."""
    through = {8: int32, 16: int32, 32: int64, 64: int64}[target.bits]
    if target.kind is Kind.INT and target.bits >= 32:
        return tirx.Cast(target.name, x)
    small = tirx.Cast(target.name, tirx.Cast(through.name, x))
    if target.bits < 64:
        return small
    return tirx.Select(x >= _like(x, 2.0**63), tirx.Cast("uint64", x), small)


def _shift(row: Row, arithmetic: bool) -> Row:
    """Shifts by the width or more (or by a negative number) push every bit out."""

    def call(dtype: DType, x: Expr, y: Expr) -> Expr:
        wide = tirx.Cast("int64", y)  # the simplifier fails on unsigned comparisons
        inside = tirx.all(wide >= tirx.const(0, "int64"), wide < tirx.const(dtype.bits, "int64"))
        amount = tirx.Select(inside, y, const(0, dtype))
        out = const(0, dtype)
        if arithmetic and dtype.kind is Kind.INT:
            out = tirx.Select(x < const(0, dtype), const(-1, dtype), out)
        return tirx.Select(inside, row(x, amount), out)

    return call


def _floats_only(row: Row, otherwise: bool) -> Row:
    def call(dtype: DType, x: Expr) -> Expr:
        if dtype.is_floating_point:
            return row(x)
        return tirx.all(x == x, tirx.const(otherwise, "bool"))

    return call


def _isinf(x: Expr) -> Expr:
    return tirx.abs(x) == _like(x, float("inf"))


def _isfinite(x: Expr) -> Expr:
    return tirx.abs(x) < _like(x, float("inf"))


def _relu(dtype: DType, x: Expr) -> Expr:
    zero = const(0, dtype)
    # NaN and -0.0 stay; the simplifier fails on unsigned numbers below 0.
    return tirx.Select(x < zero if dtype.is_floating_point else x <= zero, zero, x)


def _negative(dtype: DType, x: Expr) -> Expr:
    """-0.0 for 0.0, which 0 - x would not give."""
    if dtype.kind is Kind.UINT:
        return ~x + const(1, dtype)  # 0 - x would be folded to 0
    return x * const(-1, dtype) if dtype.is_floating_point else const(0, dtype) - x


_FLOAT: dict[type[Op], Row] = {
    ops.Exp: _exp,
    ops.Log: _log,
    ops.Log1p: _log1p,
    ops.Expm1: fast_math.expm1,
    ops.Log2: _libm("log2"),
    ops.Sqrt: tirx.sqrt,
    ops.Rsqrt: lambda x: _like(x, 1) / tirx.sqrt(x),
    ops.Reciprocal: lambda x: _like(x, 1) / x,
    ops.Erf: _erf,
    ops.Erfc: _libm("erfc"),
    ops.Sigmoid: _sigmoid,
    ops.Tanh: tirx.tanh,
    ops.Sin: _libm("sin"),
    ops.Cos: _libm("cos"),
    ops.Tan: _libm("tan"),
    ops.Asin: _libm("asin"),
    ops.Acos: _libm("acos"),
    ops.Atan: _libm("atan"),
    ops.Sinh: _libm("sinh"),
    ops.Cosh: _libm("cosh"),
    ops.Asinh: _libm("asinh"),
    ops.Acosh: _libm("acosh"),
    ops.Atanh: _libm("atanh"),
    ops.Atan2: _libm("atan2"),
    ops.LogicalNot: tirx.Not,
    ops.LogicalAnd: lambda x, y: tirx.all(x, y),
    ops.LogicalOr: lambda x, y: tirx.any(x, y),
    ops.LogicalXor: _xor,
    ops.Where: tirx.Select,
    ops.Copy: lambda x: x,
    ops.BroadcastTo: lambda x: x,
    ops.Reshape: lambda x: x,
}

_NUMERIC: dict[type[Op], Row] = {
    ops.Add: lambda _, x, y: x + y,
    ops.Sub: lambda _, x, y: x - y,
    ops.Mul: _multiply,
    ops.Div: _divide,
    ops.Neg: _negative,
    ops.Abs: _abs,
    ops.Sign: _sign,
    ops.Floor: _rounding(tirx.floor),
    ops.Ceil: _rounding(tirx.ceil),
    ops.Trunc: _rounding(tirx.trunc),
    ops.Round: _rounding(tirx.nearbyint),
    ops.Relu: _relu,
    ops.FloorDivide: _floor_divide,
    ops.Remainder: _remainder,
    ops.Fmod: _fmod,
    ops.Maximum: _larger,
    ops.Minimum: _smaller,
    ops.Eq: _compare(lambda x, y: x == y),
    ops.Ne: _differ,
    ops.Lt: _compare(lambda x, y: x < y),
    ops.Le: _compare(lambda x, y: x <= y),
    ops.Gt: _compare(lambda x, y: x > y),
    ops.Ge: _compare(lambda x, y: x >= y),
    ops.BitwiseAnd: lambda d, x, y: tirx.all(x, y) if d is bool_ else x & y,
    ops.BitwiseOr: lambda d, x, y: tirx.any(x, y) if d is bool_ else x | y,
    ops.BitwiseXor: lambda d, x, y: _xor(x, y) if d is bool_ else x ^ y,
    ops.BitwiseNot: lambda d, x: tirx.Not(x) if d is bool_ else ~x,
    ops.ShiftLeft: _shift(lambda x, y: x << y, False),
    ops.ShiftRight: _shift(lambda x, y: x >> y, True),
    ops.Isnan: _floats_only(tirx.isnan, False),
    ops.Isinf: _floats_only(_isinf, False),
    ops.Isfinite: _floats_only(_isfinite, True),
}

_ATTRIBUTED: dict[type[Op], Row] = {ops.Pow: _power, ops.Clip: _clip, ops.Cast: _cast}
