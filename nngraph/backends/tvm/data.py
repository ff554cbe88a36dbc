"""Arithmetic on data, kept from TVM's simplifications until nothing simplifies any more.

TVM's analyzer takes floats for real numbers and integers for unbounded ones: ``x - x`` becomes 0,
``x == x`` true, ``not x < 1`` turns into ``1 <= x``, ``a * 2 // 2`` into ``a``. It works while
expressions are made and in most passes, and the index arithmetic of loops needs it. LLVM is told
that integers never overflow, and may contract a product and a sum into one rounding, as it likes
from kernel to kernel.

So kernels compute on data by the functions here. Each is a call that no pass knows, and that
vectorizes; ``LowerData``, the last pass, makes it the machine's operation: for floats that of
IEEE 754, rounded each time; integers wrap around.

Operands are scalar expressions of one type; kernels' loops make vectors of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir.expr import Call

__all__ = [
    "LowerData",
    "add",
    "bit_and",
    "bit_not",
    "bit_or",
    "bit_xor",
    "cast",
    "div",
    "eq",
    "floor_div",
    "floor_mod",
    "import_llvm",
    "isnan",
    "le",
    "lt",
    "maximum",
    "minimum",
    "mul",
    "ne",
    "neg",
    "round_to",
    "shift_left",
    "shift_right",
    "split_type",
    "sub",
    "trunc_div",
    "trunc_mod",
]

Expr = Any
_PREFIX = "nngraph.data."


@functools.cache
def _operator(name: str) -> Any:
    """An operator of TIR that only ``LowerData`` knows."""
    full = _PREFIX + name
    for attribute, value in (
        ("TCallEffectKind", tirx.CallEffectKind.Pure.value),
        ("TVectorizable", True),
        ("TScriptPrinterName", full),
    ):
        tvm.ir.op.register_op_attr(full, attribute, value)
    return tvm.ir.Op.get(full)


def _call(name: str, kind: str, *operands: Expr, of: str | None = None) -> Expr:
    """A call that gives a ``kind``; ``of``: the operands' type, else that of the first."""
    source = of or str(operands[0].ty)
    return Call(_operator(f"{name}.{source}"), operands, ret_ty=kind)


def _binary(name: str) -> Callable[[Expr, Expr], Expr]:
    return lambda x, y: _call(name, str(x.ty), x, y)


def _comparison(name: str) -> Callable[[Expr, Expr], Expr]:
    return lambda x, y: _call(name, "bool", x, y)


add, sub, mul, div = _binary("add"), _binary("sub"), _binary("mul"), _binary("div")
floor_div, floor_mod = _binary("floor_div"), _binary("floor_mod")
trunc_div, trunc_mod = _binary("trunc_div"), _binary("trunc_mod")
maximum, minimum = _binary("max"), _binary("min")  # of integers
bit_and, bit_or, bit_xor = _binary("and"), _binary("or"), _binary("xor")
shift_left, shift_right = _binary("shl"), _binary("shr")  # by less than the width
lt, le, eq = _comparison("lt"), _comparison("le"), _comparison("eq")  # false for NaN
ne = _comparison("ne")  # true for NaN


def neg(x: Expr) -> Expr:
    """-x: changes the sign of zero, too."""
    return _call("neg", str(x.ty), x)


def bit_not(x: Expr) -> Expr:
    """All bits of an integer turned."""
    return _call("not", str(x.ty), x)


def isnan(x: Expr) -> Expr:
    """Of a float."""
    return _call("isnan", "bool", x)


def cast(x: Expr, kind: str) -> Expr:
    """``x`` as another type; itself if it is of that type."""
    return x if str(x.ty) == kind else _call("cast", kind, x)


def round_to(x: Expr, dtype: str) -> Expr:
    """A float32 rounded to float16 or bfloat16, half to even; still a float32."""
    return _call(f"round_{dtype}", "float32", x)


# -- lowering ----------------------------------------------------------------------------------


def split_type(kind: str) -> tuple[str, int]:
    """Of "float32x16": ("float32", 16)."""
    base, _, lanes = kind.partition("x")
    return base, int(lanes or 1)


def _vector(kind: str, lanes: int) -> str:
    return kind if lanes == 1 else f"{kind}x{lanes}"


def _llvm_type(kind: str, lanes: int) -> str:
    base = {"float32": "float", "float64": "double"}.get(kind) or f"i{kind.lstrip('uint')}"
    return base if lanes == 1 else f"<{lanes} x {base}>"


def _splat(value: str, kind: str, lanes: int) -> str:
    return value if lanes == 1 else f"splat ({_llvm_type(kind, 1)} {value})"


_INTEGER_BODIES = {
    "add": "%r = add {t} %a, %b",
    "sub": "%r = sub {t} %a, %b",
    "mul": "%r = mul {t} %a, %b",
    "neg": "%r = sub {t} {zero}, %a",
    "floor_div": """%q = {s}div {t} %a, %b
  %p = mul {t} %q, %b
  %x = icmp ne {t} %p, %a
  %m = xor {t} %a, %b
  %n = icmp slt {t} %m, {zero}
  %c = and {b} %x, %n
  %d = sext {b} %c to {t}
  %r = add {t} %q, %d""",
    "floor_mod": """%p = {s}rem {t} %a, %b
  %x = icmp ne {t} %p, {zero}
  %m = xor {t} %p, %b
  %n = icmp slt {t} %m, {zero}
  %c = and {b} %x, %n
  %d = select {b} %c, {t} %b, {t} {zero}
  %r = add {t} %p, %d""",
    "trunc_div": "%r = {s}div {t} %a, %b",
    "trunc_mod": "%r = {s}rem {t} %a, %b",
}
_UNSIGNED_BODIES = {"floor_div": "%r = udiv {t} %a, %b", "floor_mod": "%r = urem {t} %a, %b"}
# The largest payload of NaN would round up to zero.
_ROUND_BFLOAT16 = """%x = bitcast {f} %a to {t}
  %h = lshr {t} %x, {sixteen}
  %o = and {t} %h, {one}
  %s = add {t} %x, {half}
  %u = add {t} %s, %o
  %q = or {t} %x, {quiet}
  %n = fcmp uno {f} %a, %a
  %y = select {b} %n, {t} %q, {t} %u
  %z = and {t} %y, {high}
  %r = bitcast {t} %z to {f}"""


@functools.cache
def _llvm_function(name: str, kind: str, lanes: int) -> str:
    """The definition of one operation on vectors."""
    signed = kind.startswith("int")
    if name == "round_bfloat16":
        numbers = {"sixteen": 16, "one": 1, "half": 0x7FFF, "quiet": 0x400000, "high": -0x10000}
        words = {k: _splat(str(v), "int32", lanes) for k, v in numbers.items()}
        body = _ROUND_BFLOAT16.format(
            t=_llvm_type("int32", lanes),
            f=_llvm_type(kind, lanes),
            b=_llvm_type("int1", lanes),
            **words,
        )
    else:
        text = _INTEGER_BODIES[name] if signed else {**_INTEGER_BODIES, **_UNSIGNED_BODIES}[name]
        body = text.format(
            t=_llvm_type(kind, lanes),
            b=_llvm_type("int1", lanes),
            zero=_splat("0", kind, lanes),
            s="s" if signed else "u",
        )
    of = _llvm_type(kind, lanes)
    parameters = f"{of} %a" if name in ("neg", "round_bfloat16") else f"{of} %a, {of} %b"
    head = f"define linkonce_odr {of} @{_symbol(name, kind, lanes)}({parameters})"
    return f"{head} alwaysinline nounwind {{\n  {body}\n  ret {of} %r\n}}\n"


def _symbol(name: str, kind: str, lanes: int) -> str:
    return f"nngraph_{name}_{kind}_x{lanes}"


def import_llvm(body: Any, text: str) -> Any:
    """A kernel's body together with the LLVM functions that it calls."""
    return tirx.AttrStmt(
        tirx.const(0, "int32"), "pragma_import_llvm", tvm.runtime.convert(text), body
    )


def _fenced(x: Expr) -> Expr:
    """Keeps LLVM from contracting what ``x`` computes with what is computed of it."""
    return tirx.call_llvm_pure_intrin(str(x.ty), "llvm.arithmetic.fence", x)


def _lanes_of(value: Expr, number: float) -> Expr:
    base, lanes = split_type(str(value.ty))
    constant = tirx.const(number, base)
    return constant if lanes == 1 else tirx.Broadcast(constant, lanes)


def _round_float16(x: Expr) -> Expr:
    _, lanes = split_type(str(x.ty))
    return tirx.Cast(str(x.ty), tirx.Cast(_vector("float16", lanes), x))


# Nodes that TVM's code generator turns into LLVM's operation without assumptions. Making a node
# simplifies nothing, unlike operators.
_NODES: dict[str, Callable[..., Expr]] = {
    "lt": tirx.LT,
    "le": tirx.LE,
    "eq": tirx.EQ,
    "ne": lambda x, y: tirx.Not(tirx.EQ(x, y)),
    "isnan": lambda x: tirx.Not(tirx.EQ(x, x)),
    "max": tirx.Max,
    "min": tirx.Min,
    "and": tirx.bitwise_and,
    "or": tirx.bitwise_or,
    "xor": tirx.bitwise_xor,
    "not": tirx.bitwise_not,
    "shl": tirx.shift_left,
    "shr": tirx.shift_right,
    "round_float16": _round_float16,
}
_FLOAT_NODES: dict[str, Callable[..., Expr]] = {
    "add": tirx.Add,
    "sub": tirx.Sub,
    "mul": lambda x, y: _fenced(tirx.Mul(x, y)),
    "div": lambda x, y: _fenced(tirx.Div(x, y)),
    "neg": lambda x: tirx.Mul(x, _lanes_of(x, -1.0)),
}
# As NumPy has them.
_BOOL_NODES: dict[str, Callable[..., Expr]] = {"add": tirx.Or, "mul": tirx.And}


class _Lowering:
    """Lowers the calls of one function; ``used`` collects what has to be linked in."""

    def __init__(self) -> None:
        self.used: dict[tuple[str, str, int], None] = {}

    def __call__(self, call: Any) -> Any:
        full = getattr(call.op, "name", "")
        if not full.startswith(_PREFIX):
            return call
        name, of = full.removeprefix(_PREFIX).split(".")
        _, lanes = split_type(str(call.ty))
        # passes that narrow indices narrow constants with them
        kind = _vector(of, lanes)
        args = [a if str(a.ty) == kind else tirx.Cast(kind, a) for a in call.args]
        if name == "cast":
            return tirx.Cast(str(call.ty), args[0])
        if of.startswith("float") and name in _FLOAT_NODES:
            return _FLOAT_NODES[name](*args)
        if of == "bool" and name in _BOOL_NODES:
            return _BOOL_NODES[name](*args)
        if name in _NODES:
            return _NODES[name](*args)
        self.used[name, of, lanes] = None
        return tirx.call_pure_extern(kind, _symbol(name, of, lanes), *args)


@tvm.transform.module_pass(opt_level=0, name="nngraph.LowerData")
class LowerData:
    """Runs after all that simplifies."""

    def transform_module(self, mod: Any, _context: Any) -> Any:
        for variable, function in list(mod.functions_items()):
            if not isinstance(function, tirx.PrimFunc):
                continue
            lowering = _Lowering()
            body = tvm_ffi.structural_map(function.body, (Call, lowering))
            if lowering.used:
                text = "".join(_llvm_function(*key) for key in sorted(lowering.used))
                body = import_llvm(body, text)
            mod.update_func(variable, function.with_body(body))
        return mod
