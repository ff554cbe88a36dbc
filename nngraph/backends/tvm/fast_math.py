"""Vector exp, expm1, log, log1p, tanh, erf and sigmoid for TVM's LLVM target, as a TIR pipeline.

TVM lowers these to one scalar libm call per lane, also in vector loops. The pass here replaces
each float32 call (float16 and bfloat16 go through float32) by a small LLVM IR function of the same
number of lanes, linked into the kernel by `pragma_import_llvm` and inlined. The same polynomials
written as nested `tirx.Let` would take exponential compile time.

Largest errors in ulp, measured: exp 1.0, expm1 2.0, log 0.8, log1p 2.3, tanh 4.5, erf 5.4,
sigmoid 2.3. Infinities, NaN, overflow, denormal arguments and denormal results are right.
float64 keeps libm's functions. So does its tanh here: TVM's own formula is wrong near zero.

Importing this module registers the TIR pipeline `PIPELINE`, for `tvm.tirx.build`.
The coefficients are those of Cephes (exp, log) and of Eigen's rational tanh and erf.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx

from nngraph.backends.tvm.data import LowerData, import_llvm, split_type
from nngraph.backends.tvm.tir_passes import kernel_passes

PIPELINE = "nngraph"


class FunctionWriter:
    """Writes the body of one LLVM IR function of one float32 argument `%x` of `lanes` lanes."""

    def __init__(self, name: str, lanes: int) -> None:
        vector = f"<{lanes} x float>"
        self.float_type = "float" if lanes == 1 else vector
        self.int_type = self.float_type.replace("float", "i32")
        self.bool_type = self.float_type.replace("float", "i1")
        self.suffix = "f32" if lanes == 1 else f"v{lanes}f32"
        self.lanes = lanes
        self.declarations: set[str] = set()
        head = f"define linkonce_odr {self.float_type} @{name}({self.float_type} %x)"
        self.lines = [f"{head} alwaysinline nounwind {{"]

    def emit(self, text: str) -> str:
        name = f"%v{len(self.lines)}"
        self.lines.append(f"  {name} = {text}")
        return name

    def number(self, value: float) -> str:
        """A float constant, in the 64-bit hexadecimal form that LLVM wants for float32."""
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
        (bits,) = struct.unpack("<Q", struct.pack("<d", rounded))
        return f"0x{bits:016X}" if self.lanes == 1 else f"splat (float 0x{bits:016X})"

    def integer(self, value: int) -> str:
        return str(value) if self.lanes == 1 else f"splat (i32 {value})"

    def arithmetic(self, operation: str, a: str, b: str) -> str:
        """`operation` is LLVM's: fadd, fmul, .. on floats; add, sub, and, shl, ashr on bits."""
        kind = self.float_type if operation.startswith("f") else self.int_type
        return self.emit(f"{operation} {kind} {a}, {b}")

    def add(self, a: str, b: str) -> str:
        return self.arithmetic("fadd", a, b)

    def sub(self, a: str, b: str) -> str:
        return self.arithmetic("fsub", a, b)

    def mul(self, a: str, b: str) -> str:
        return self.arithmetic("fmul", a, b)

    def div(self, a: str, b: str) -> str:
        return self.arithmetic("fdiv", a, b)

    def fma(self, a: str, b: str, c: str) -> str:
        return self.intrinsic("fma", a, b, c)

    def bits(self, a: str) -> str:
        return self.emit(f"bitcast {self.float_type} {a} to {self.int_type}")

    def from_bits(self, a: str) -> str:
        return self.emit(f"bitcast {self.int_type} {a} to {self.float_type}")

    def int_to_float(self, a: str) -> str:
        return self.emit(f"sitofp {self.int_type} {a} to {self.float_type}")

    def intrinsic(self, name: str, *args: str) -> str:
        kinds = ", ".join([self.float_type] * len(args))
        self.declarations.add(f"declare {self.float_type} @llvm.{name}.{self.suffix}({kinds})")
        given = ", ".join(f"{self.float_type} {a}" for a in args)
        return self.emit(f"call {self.float_type} @llvm.{name}.{self.suffix}({given})")

    def select(self, comparison: str, a: str, b: str, yes: str, no: str) -> str:
        """`yes` where `a comparison b` (ordered LLVM comparisons are false for NaN), else `no`."""
        c = self.emit(f"fcmp {comparison} {self.float_type} {a}, {b}")
        kind = self.float_type
        return self.emit(f"select {self.bool_type} {c}, {kind} {yes}, {kind} {no}")

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """Horner's rule, the highest power first."""
        result = self.number(coefficients[0])
        for k in coefficients[1:]:
            result = self.fma(result, x, self.number(k))
        return result

    def finish(self, result: str) -> str:
        return "\n".join([*self.lines, f"  ret {self.float_type} {result}", "}"])


Writer = Callable[[FunctionWriter, str], str]
_LOG2E, _LN2_HIGH, _LN2_LOW = 1.44269504088896341, 0.693359375, -2.12194440e-4
_EXP = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)
_LOG = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
_TANH = (
    (
        -2.76076847742355e-16,
        2.00018790482477e-13,
        -8.60467152213735e-11,
        5.12229709037114e-08,
        1.48572235717979e-05,
        6.37261928875436e-04,
        4.89352455891786e-03,
    ),
    (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03),
)
_ERF = (
    (
        -2.72614225801306e-10,
        2.77068142495902e-08,
        -2.10102402082508e-06,
        -5.69250639462346e-05,
        -7.34990630326855e-04,
        -2.95459980854025e-03,
        -1.60960333262415e-02,
    ),
    (
        -1.45660718464996e-05,
        -2.13374055278905e-04,
        -1.68282697438203e-03,
        -7.37332916720468e-03,
        -1.42647390514189e-02,
    ),
)


def _reduced_exp(e: FunctionWriter, x: str) -> tuple[str, str]:
    """With x = n ln 2 + r: exp(r) - 1, and a float whose low bits hold n + 127."""
    magic = 12582912.0 + 127  # adding 1.5 * 2^23 rounds to an integer in the low bits
    shifted = e.fma(x, e.number(_LOG2E), e.number(magic))
    n = e.sub(shifted, e.number(magic))
    r = e.fma(n, e.number(-_LN2_LOW), e.fma(n, e.number(-_LN2_HIGH), x))
    p = e.polynomial(r, _EXP)
    return e.fma(p, e.mul(r, r), r), e.bits(shifted)


def _power_of_two(e: FunctionWriter, biased: str) -> str:
    return e.from_bits(e.arithmetic("shl", biased, e.integer(23)))


def _exp(e: FunctionWriter, x: str) -> str:
    low = e.number(-103.972084)  # half of the smallest denormal
    # a product with a denormal result is slow on some processors: none for what is 0, as a mask's
    c = e.select("olt", x, low, e.number(0), x)
    c = e.select("ogt", c, e.number(89), e.number(89), c)
    p, biased = _reduced_exp(e, c)
    # 2^n in two steps: 2^128 is no float32, nor is 2^-149 a normal one
    first = e.arithmetic("ashr", e.arithmetic("add", biased, e.integer(127)), e.integer(1))
    second = e.arithmetic("sub", e.arithmetic("add", biased, e.integer(127)), first)
    y = e.mul(e.add(p, e.number(1)), _power_of_two(e, first))
    return e.select("olt", x, low, e.number(0), e.mul(y, _power_of_two(e, second)))


def _expm1(e: FunctionWriter, x: str) -> str:
    p, biased = _reduced_exp(e, x)
    scale = _power_of_two(e, biased)
    y = e.fma(p, scale, e.sub(scale, e.number(1)))
    y = e.select("ogt", x, e.number(88), _exp(e, x), y)
    y = e.select("olt", x, e.number(-18), e.number(-1), y)
    return e.select("oeq", x, e.number(0), x, y)  # keeps -0


def _log(e: FunctionWriter, x: str) -> str:
    smallest = e.number(1.17549435e-38)  # denormals are scaled by 2^23 first
    normal = e.select("olt", x, smallest, e.mul(x, e.number(8388608.0)), x)
    shift = e.select("olt", x, smallest, e.number(-23), e.number(0))
    b = e.arithmetic("sub", e.bits(normal), e.integer(0x3F3504F3))
    exponent = e.add(e.int_to_float(e.arithmetic("ashr", b, e.integer(23))), shift)
    mantissa = e.arithmetic("and", b, e.integer(0x7FFFFF))
    f = e.sub(e.from_bits(e.arithmetic("add", mantissa, e.integer(0x3F3504F3))), e.number(1))
    z = e.mul(f, f)
    p = e.polynomial(f, _LOG)
    y = e.fma(exponent, e.number(_LN2_LOW), e.mul(e.mul(p, z), f))
    y = e.fma(exponent, e.number(_LN2_HIGH), e.add(f, e.fma(z, e.number(-0.5), y)))
    y = e.select("olt", x, e.number(math.inf), y, x)
    at_zero = e.select("oeq", x, e.number(0), e.number(-math.inf), x)
    outside = e.select("olt", x, e.number(0), e.number(math.nan), at_zero)
    return e.select("ogt", x, e.number(0), y, outside)


def _log1p(e: FunctionWriter, x: str) -> str:
    """log(u) x / (u - 1) with u = 1 + x rounded (Kahan)."""
    u = e.add(x, e.number(1))
    rounded = e.sub(u, e.number(1))
    y = e.mul(_log(e, u), e.div(x, rounded))
    y = e.select("oeq", u, e.number(math.inf), u, y)
    return e.select("oeq", rounded, e.number(0), x, y)


def _ratio(
    e: FunctionWriter, x: str, limit: float, over: Sequence[float], under: Sequence[float]
) -> str:
    c = _within(e, x, limit)
    z = e.mul(c, c)
    return e.mul(c, e.div(e.polynomial(z, over), e.polynomial(z, under)))  # denormals stay exact


def _within(e: FunctionWriter, x: str, limit: float) -> str:
    low = e.select("olt", x, e.number(-limit), e.number(-limit), x)
    return e.select("ogt", low, e.number(limit), e.number(limit), low)


def _tanh(e: FunctionWriter, x: str) -> str:
    y = _ratio(e, x, 7.90531110763549805, *_TANH)  # some last places below 1 at the limit
    return e.select("ogt", e.intrinsic("fabs", x), e.number(9), _sign(e, x), y)


def _sign(e: FunctionWriter, x: str) -> str:
    return e.intrinsic("copysign", e.number(1), x)


def _erf(e: FunctionWriter, x: str) -> str:
    return _within(e, _ratio(e, x, 4.0, *_ERF), 1.0)  # it is larger by some last places near 4


def _sigmoid(e: FunctionWriter, x: str) -> str:
    exponential = _exp(e, e.sub(e.number(0), x))
    return e.div(e.number(1), e.add(exponential, e.number(1)))


FUNCTIONS: dict[str, Writer] = {
    "exp": _exp,
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
    "tanh": _tanh,
    "erf": _erf,
    "sigmoid": _sigmoid,
}


def expm1(x: Any) -> Any:
    """exp(x) - 1 of a float32 or float64 expression; TIR has no operator of its own for it."""
    return tirx.call_pure_extern(str(x.ty), "expm1", x)


def _symbol(name: str, lanes: int) -> str:
    return f"nngraph_{name}_x{lanes}"


@functools.cache
def _llvm_ir(used: tuple[tuple[str, int], ...]) -> str:
    """Definitions of the functions `used` (name, lanes) and declarations of what they call."""
    declarations: set[str] = set()
    definitions = []
    for name, lanes in used:
        writer = FunctionWriter(_symbol(name, lanes), lanes)
        definitions.append(writer.finish(FUNCTIONS[name](writer, "%x")))
        declarations |= writer.declarations
    return "\n".join([*sorted(declarations), *definitions]) + "\n"


class _CallRewriter:
    """Rewrites the calls of one function; `used` collects what has to be linked in."""

    def __init__(self) -> None:
        self.used: set[tuple[str, int]] = set()

    def __call__(self, call: Any) -> Any:
        name = getattr(call.op, "name", "").removeprefix("tirx.")
        args = list(call.args)
        if name == "call_pure_extern" and args[0].value == "expm1":
            name, args = "expm1", args[1:]
        if name not in FUNCTIONS:
            return call
        return self._replacement(call, name, args[0])

    def _replacement(self, call: Any, name: str, x: Any) -> Any:
        base, lanes = split_type(str(call.ty))
        if base in ("float16", "bfloat16"):
            wide = "float32" if lanes == 1 else f"float32x{lanes}"
            return tirx.Cast(str(call.ty), self._float32(name, wide, lanes, tirx.Cast(wide, x)))
        return self._float32(name, str(call.ty), lanes, x) if base == "float32" else call

    def _float32(self, name: str, kind: str, lanes: int, x: Any) -> Any:
        self.used.add((name, lanes))
        return tirx.call_pure_extern(kind, _symbol(name, lanes), x)


@tvm.transform.module_pass(opt_level=0, name="nngraph.VectorMath")
class VectorMath:
    """Runs between VectorizeLoop and LowerIntrin, on host functions."""

    def transform_module(self, mod: Any, _context: Any) -> Any:
        for variable, function in list(mod.functions_items()):
            if not isinstance(function, tirx.PrimFunc):
                continue
            rewriter = _CallRewriter()
            body = tvm_ffi.structural_map(function.body, (tvm.ir.expr.Call, rewriter))
            if rewriter.used:
                body = import_llvm(body, _llvm_ir(tuple(sorted(rewriter.used))))
            mod.update_func(variable, function.with_body(body))
        return mod


@tvm.transform.module_pass(opt_level=0, name="nngraph.Float64Tanh")
class Float64Tanh:
    """Runs before VectorizeLoop, which then calls libm's function lane by lane."""

    def transform_module(self, mod: Any, _context: Any) -> Any:
        def replace(call: Any) -> Any:
            is_tanh = getattr(call.op, "name", "") == "tirx.tanh" and str(call.ty) == "float64"
            return tirx.call_pure_extern("float64", "tanh", call.args[0]) if is_tanh else call

        for variable, function in list(mod.functions_items()):
            if isinstance(function, tirx.PrimFunc):
                body = tvm_ffi.structural_map(function.body, (tvm.ir.expr.Call, replace))
                mod.update_func(variable, function.with_body(body))
        return mod


def _pipeline() -> tuple[Any, Any, Any]:
    _, host, device = tirx.get_tir_pipeline("s_tir")
    return (
        tvm.transform.Sequential([Float64Tanh(), kernel_passes()]),
        lambda: tvm.transform.Sequential([VectorMath(), host(), LowerData()]),
        device,
    )


tirx.register_tir_pipeline(PIPELINE, _pipeline)
