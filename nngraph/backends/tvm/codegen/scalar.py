"""Elementwise operators as TIR expressions of one element, one row each.

Expressions are in the type of computation (``types``). They hold for vectors too: the loop
around them decides. What is computed on data is written with ``data``'s functions only: TVM's own
operators would be simplified as if floats were real numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tvm import tirx

from nngraph import ops
from nngraph.backends.tvm import data, fast_math
from nngraph.backends.tvm.codegen.types import Expr, compute_type, const, rounded, unless_nan
from nngraph.ir.dtypes import DType, Kind, bool_, int32, int64
from nngraph.ir.graph import Node, Value
from nngraph.ir.op import Op

__all__ = ["convert", "elementwise", "knows", "maximum", "minimum", "of_one"]

Row = Callable[..., Expr]


def elementwise(node: Node, operands: Sequence[Expr]) -> Expr:
    """The element of ``node``'s output, from the elements of its operands.

    Raises:
        KeyError: if the operator is not elementwise.
    """
    result = _computed(node, operands)
    exact = isinstance(node.op, _EXACT) or not node.inputs
    return result if exact else rounded(result, node.output.type.dtype)


def _computed(node: Node, operands: Sequence[Expr]) -> Expr:
    """In the type of computation, before rounding."""
    source = node.inputs[0].type.dtype if node.inputs else node.output.type.dtype
    kind = type(node.op)
    if kind in _ATTRIBUTED:
        return _ATTRIBUTED[kind](node, *operands)
    if kind in _NUMERIC:
        return _NUMERIC[kind](source, *operands)
    return _FLOAT[kind](*operands)


def of_one(node: Node, x: Expr) -> Expr:
    """The result of a reduction over axes of size 1."""
    dtype = node.output.type.dtype
    if isinstance(node.op, ops.Sum | ops.Mean) and dtype.is_floating_point:
        return data.add(x, _like(x, 0))  # sums begin at 0: of -0.0 alone 0.0
    return x


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
    if str(x.ty) == "float32":
        return tirx.sigmoid(x)
    return data.div(_like(x, 1), data.add(_exp(data.neg(x)), _like(x, 1)))


def maximum(dtype: DType, x: Expr, y: Expr) -> Expr:
    """The larger one; a NaN wins."""
    if dtype is bool_:
        return tirx.any(x, y)
    if not dtype.is_floating_point:
        return data.maximum(x, y)
    return unless_nan(x, tirx.Select(data.lt(y, x), x, y), x)  # the inner choice keeps a NaN in y


def minimum(dtype: DType, x: Expr, y: Expr) -> Expr:
    """The smaller one; a NaN wins."""
    if dtype is bool_:
        return tirx.all(x, y)
    if not dtype.is_floating_point:
        return data.minimum(x, y)
    return unless_nan(x, tirx.Select(data.lt(x, y), x, y), x)


def _larger(dtype: DType, x: Expr, y: Expr) -> Expr:
    """The maximum; of two zeros the first."""
    if not dtype.is_floating_point:
        return maximum(dtype, x, y)
    return unless_nan(x, tirx.Select(data.le(y, x), x, y), x)


def _smaller(dtype: DType, x: Expr, y: Expr) -> Expr:
    """The minimum; of two zeros the first."""
    if not dtype.is_floating_point:
        return minimum(dtype, x, y)
    return unless_nan(x, tirx.Select(data.le(x, y), x, y), x)


def _xor(x: Expr, y: Expr) -> Expr:
    return _byte(x) != _byte(y)


def _byte(x: Expr) -> Expr:
    return tirx.Select(x, tirx.const(1, "int8"), tirx.const(0, "int8"))


def _compare(row: Row) -> Row:
    def call(dtype: DType, x: Expr, y: Expr) -> Expr:
        return row(_byte(x), _byte(y)) if dtype is bool_ else row(x, y)

    return call


def _differ(dtype: DType, x: Expr, y: Expr) -> Expr:
    """True where an operand is NaN."""
    return _xor(x, y) if dtype is bool_ else data.ne(x, y)


def _sign(dtype: DType, x: Expr) -> Expr:
    zero, one = const(0, dtype), const(1, dtype)
    if dtype.kind is Kind.UINT:
        return tirx.Select(data.ne(x, zero), one, zero)
    negative = tirx.Select(data.lt(x, zero), const(-1, dtype), zero)
    return tirx.Select(data.lt(zero, x), one, negative)


def _abs(dtype: DType, x: Expr) -> Expr:
    if dtype.is_floating_point:
        return tirx.abs(x)
    if dtype.kind is Kind.UINT:
        return x
    return tirx.Select(data.lt(x, const(0, dtype)), data.neg(x), x)


def _rounding(function: Row) -> Row:
    def call(dtype: DType, x: Expr) -> Expr:
        return function(x) if dtype.is_floating_point else x

    return call


def _safe_divisor(dtype: DType, y: Expr) -> Expr:
    """1 in place of 0 and -1, with which the processor's division may trap."""
    bad = data.eq(y, const(0, dtype))
    if dtype.kind is Kind.INT:
        bad = tirx.any(bad, data.eq(y, const(-1, dtype)))
    return tirx.Select(bad, const(1, dtype), y)


def _whole(function: Row, by_minus_one: Callable[[DType, Expr], Expr]) -> Row:
    """Integer division: by 0 gives 0."""

    def call(dtype: DType, x: Expr, y: Expr) -> Expr:
        result = function(x, _safe_divisor(dtype, y))
        if dtype.kind is Kind.INT:
            result = tirx.Select(data.eq(y, const(-1, dtype)), by_minus_one(dtype, x), result)
        return tirx.Select(data.eq(y, const(0, dtype)), const(0, dtype), result)

    return call


_int_floordiv = _whole(data.floor_div, lambda _dtype, x: data.neg(x))
_int_floormod = _whole(data.floor_mod, lambda dtype, _x: const(0, dtype))
_int_truncdiv = _whole(data.trunc_div, lambda _dtype, x: data.neg(x))
_int_fmod = _whole(data.trunc_mod, lambda dtype, _x: const(0, dtype))


def _fmod(dtype: DType, x: Expr, y: Expr) -> Expr:
    return _libm("fmod")(x, y) if dtype.is_floating_point else _int_fmod(dtype, x, y)


def _remainder(dtype: DType, x: Expr, y: Expr) -> Expr:
    if not dtype.is_floating_point:
        return _int_floormod(dtype, x, y)
    rest = _libm("fmod")(x, y)
    return tirx.Select(_signs_differ(rest, y), data.add(rest, y), rest)


def _signs_differ(rest: Expr, y: Expr) -> Expr:
    """One is above zero, the other below."""
    zero = _like(y, 0)
    down = tirx.all(data.lt(y, zero), data.lt(zero, rest))
    return tirx.any(down, tirx.all(data.lt(zero, y), data.lt(rest, zero)))


def _trunc_divide(dtype: DType, x: Expr, y: Expr) -> Expr:
    if not dtype.is_floating_point:
        return _int_truncdiv(dtype, x, y)
    return tirx.trunc(data.div(x, y))


def _floor_divide(dtype: DType, x: Expr, y: Expr) -> Expr:
    """Floats as NumPy: from the exact remainder, so that nearly whole quotients are right."""
    if not dtype.is_floating_point:
        return _int_floordiv(dtype, x, y)
    zero, one, half = (_like(x, v) for v in (0, 1, 0.5))
    rest = _libm("fmod")(x, y)
    quotient = data.div(data.sub(x, rest), y)
    quotient = tirx.Select(_signs_differ(rest, y), data.sub(quotient, one), quotient)
    floor = tirx.floor(quotient)
    far = data.lt(half, data.sub(quotient, floor))
    floor = tirx.Select(far, data.add(floor, one), floor)
    whole = data.div(x, y)
    floor = tirx.Select(data.eq(quotient, zero), _libm("copysign")(zero, whole), floor)
    return tirx.Select(data.eq(y, zero), whole, floor)


def _pow(dtype: DType, x: Expr, y: Expr) -> Expr:
    if not dtype.is_floating_point:
        return tirx.call_pure_extern("float64", "pow", *(data.cast(v, "float64") for v in (x, y)))
    return _libm("pow")(x, y)


def _integer_power(node: Node, x: Expr, y: Expr) -> Expr:
    """By repeated squaring with wrap-around; exponents below 64 matter, negative ones invert.

    Larger ones only occur with bases 0, 1 and -1 (or overflow to a power of two's multiple).
    """
    dtype = node.output.type.dtype
    one, zero = const(1, dtype), const(0, dtype)
    result, square = one, x
    for bit in range(6):
        if bit < dtype.bits - 1:
            shifted = data.shift_right(y, const(bit, dtype))
            odd = data.ne(data.bit_and(shifted, one), zero)
            result = tirx.Select(odd, data.mul(result, square), result)
            square = data.mul(square, square)
    if dtype.kind is Kind.UINT:
        return result
    unit = tirx.any(data.eq(x, one), data.eq(x, const(-1, dtype)))  # its own inverse
    inverse = tirx.Select(unit, result, zero)
    return tirx.Select(data.lt(y, zero), inverse, result)


def _power(node: Node, x: Expr, y: Expr) -> Expr:
    dtype = node.output.type.dtype
    if not dtype.is_floating_point:
        return _integer_power(node, x, y)
    exponent = _known(node.inputs[1])
    match exponent:
        case 1.0:
            return x
        case 2.0:
            return data.mul(x, x)
        case 3.0:
            return data.mul(data.mul(x, x), x)
        case -1.0:
            return data.div(_like(x, 1), x)
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
        x = tirx.Select(data.lt(x, bound) if low else data.lt(bound, x), bound, x)
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
    return rounded(data.cast(x, kind), target) if source is not target else x


def _truncate(x: Expr, target: DType) -> Expr:
    """Through a signed type, so that small unsigned types wrap around as in C."""
    through = {8: int32, 16: int32, 32: int64, 64: int64}[target.bits]
    if target.kind is Kind.INT and target.bits >= 32:
        return data.cast(x, target.name)
    small = data.cast(data.cast(x, through.name), target.name)
    if target.bits < 64:
        return small
    return tirx.Select(data.le(_like(x, 2.0**63), x), data.cast(x, "uint64"), small)


def _shift(row: Row, arithmetic: bool) -> Row:
    """Shifts by the width or more (or by a negative number) push every bit out."""

    def call(dtype: DType, x: Expr, y: Expr) -> Expr:
        inside = data.lt(y, const(dtype.bits, dtype))
        if dtype.kind is Kind.INT:
            inside = tirx.all(data.le(const(0, dtype), y), inside)
        amount = tirx.Select(inside, y, const(0, dtype))
        out = const(0, dtype)
        if arithmetic and dtype.kind is Kind.INT:
            out = tirx.Select(data.lt(x, const(0, dtype)), const(-1, dtype), out)
        return tirx.Select(inside, row(x, amount), out)

    return call


def _floats_only(row: Row, otherwise: bool) -> Row:
    def call(dtype: DType, x: Expr) -> Expr:
        if dtype.is_floating_point:
            return row(x)
        same = tirx.any(x, tirx.Not(x)) if dtype is bool_ else data.eq(x, x)
        return tirx.all(same, tirx.const(otherwise, "bool"))

    return call


def _isinf(x: Expr) -> Expr:
    return data.eq(tirx.abs(x), _like(x, math.inf))


def _isfinite(x: Expr) -> Expr:
    return data.lt(tirx.abs(x), _like(x, math.inf))


def _relu(dtype: DType, x: Expr) -> Expr:
    zero = const(0, dtype)
    return tirx.Select(data.lt(x, zero), zero, x)  # NaN and -0.0 stay


_FLOAT: dict[type[Op], Row] = {
    ops.Exp: _exp,
    ops.Log: _log,
    ops.Log1p: _log1p,
    ops.Expm1: fast_math.expm1,
    ops.Log2: _libm("log2"),
    ops.Sqrt: tirx.sqrt,
    ops.Rsqrt: lambda x: data.div(_like(x, 1), tirx.sqrt(x)),
    ops.Reciprocal: lambda x: data.div(_like(x, 1), x),
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
    ops.After: lambda x, when: x,
    ops.Copy: lambda x: x,
    ops.BroadcastTo: lambda x: x,
    ops.Reshape: lambda x: x,
}

_NUMERIC: dict[type[Op], Row] = {
    ops.Add: lambda _, x, y: data.add(x, y),
    ops.Sub: lambda _, x, y: data.sub(x, y),
    ops.Mul: lambda _, x, y: data.mul(x, y),
    ops.Div: lambda _, x, y: data.div(x, y),
    ops.Neg: lambda _, x: data.neg(x),
    ops.Abs: _abs,
    ops.Sign: _sign,
    ops.Floor: _rounding(tirx.floor),
    ops.Ceil: _rounding(tirx.ceil),
    ops.Trunc: _rounding(tirx.trunc),
    ops.Round: _rounding(tirx.nearbyint),
    ops.Relu: _relu,
    ops.FloorDivide: _floor_divide,
    ops.TruncDivide: _trunc_divide,
    ops.Remainder: _remainder,
    ops.Fmod: _fmod,
    ops.Maximum: _larger,
    ops.Minimum: _smaller,
    ops.Eq: _compare(data.eq),
    ops.Ne: _differ,
    ops.Lt: _compare(data.lt),
    ops.Le: _compare(data.le),
    ops.Gt: _compare(lambda x, y: data.lt(y, x)),
    ops.Ge: _compare(lambda x, y: data.le(y, x)),
    ops.BitwiseAnd: lambda d, x, y: tirx.all(x, y) if d is bool_ else data.bit_and(x, y),
    ops.BitwiseOr: lambda d, x, y: tirx.any(x, y) if d is bool_ else data.bit_or(x, y),
    ops.BitwiseXor: lambda d, x, y: _xor(x, y) if d is bool_ else data.bit_xor(x, y),
    ops.BitwiseNot: lambda d, x: tirx.Not(x) if d is bool_ else data.bit_not(x),
    ops.ShiftLeft: _shift(data.shift_left, False),
    ops.ShiftRight: _shift(data.shift_right, True),
    ops.Isnan: _floats_only(data.isnan, False),
    ops.Isinf: _floats_only(_isinf, False),
    ops.Isfinite: _floats_only(_isfinite, True),
}

_ATTRIBUTED: dict[type[Op], Row] = {ops.Pow: _power, ops.Clip: _clip, ops.Cast: _cast}

_EXACT: tuple[type[Op], ...] = (
    *(ops.Where, ops.After, ops.Copy, ops.BroadcastTo, ops.Reshape, ops.Cast, ops.Clip),
    *(ops.Neg, ops.Abs, ops.Sign, ops.Relu, ops.Maximum, ops.Minimum, ops.Fmod),
    *(ops.Floor, ops.Ceil, ops.Trunc, ops.Round),
)
"""What they give is an operand or a number that the type has (or is rounded to it already)."""
