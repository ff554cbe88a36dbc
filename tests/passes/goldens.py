"""Texts before and after each rule. ``x f32[2]; y f32[2] = neg(%x); > %y`` abbreviates a graph."""

from __future__ import annotations

__all__ = ["FIRES", "REFUSES"]

SCALAR = "{value=%s, dtype=%s, shape=()}"


def g(short: str) -> str:
    """The text of a graph from its abbreviation."""
    lines = []
    for part in short.split(";"):
        line = part.strip()
        if line.startswith(">"):
            lines += [f"output {v}" for v in line[1:].split()]
        elif "=" in line:
            name, kind, rest = line.split(" ", 2)
            lines.append(f"%{name}: {kind} {rest}")
        else:
            name, kind = line.split(" ")
            lines.append(f"input %{name}: {kind}")
    return "\n".join(lines)


def c(value: object, dtype: str = "f32") -> str:
    """A constant node called %c."""
    return f"c {dtype}[] = full() {SCALAR % (value, dtype)}"


def unary(name: str, x: str = "%x", kind: str = "f32[2]") -> str:
    """A graph that applies one operator."""
    return f"x {kind}; y {kind} = {name}({x}); > %y"


def with_c(op: str, value: object, dtype: str = "f32", order: str = "%x, %c") -> str:
    """``op(x, value)``."""
    return f"x {dtype}[2]; {c(value, dtype)}; y {dtype}[2] = {op}({order}); > %y"


def same(kind: str = "f32[2]") -> str:
    """A graph that gives back its input."""
    return f"x {kind}; > %x"


def filled(value: object, dtype: str = "f32") -> str:
    """A graph that gives a filled tensor."""
    return f"x {dtype}[2]; y {dtype}[2] = full() {{value={value}, dtype={dtype}, shape=(2,)}}; > %y"


def nested(op: str, kind: str = "f32[2]") -> str:
    return f"x {kind}; a {kind} = {op}(%x); y {kind} = {op}(%a); > %y"


TWO = "x f32[2]; w f32[2]; "
SUM3 = "{axes=(1,), keepdims=%s}"


def twice(op: str, dtype: str, a: object, b: object) -> str:
    """``op(op(x, a), b)``."""
    d = dtype
    numbers = "; ".join(f"{n} {d}[] = full() {SCALAR % (v, d)}" for n, v in (("a", a), ("b", b)))
    return f"x {d}[2]; {numbers}; h {d}[2] = {op}(%x, %a); y {d}[2] = {op}(%h, %b); > %y"


def once(op: str, dtype: str, value: object) -> str:
    d = dtype
    return (
        f"x {d}[2]; 0 {d}[] = full() {{value={value}, dtype={d}, shape=()}}; "
        f"y {d}[2] = {op}(%x, %0); > %y"
    )


WHERE = "c bool[2]; x f32[2]; w f32[2]; "
DOUBLE_T = (
    "x f32[2,3,4]; a f32[4,2,3] = transpose(%x) {perm=(2, 0, 1)}; "
    "y f32[3,4,2] = transpose(%a) {perm=(2, 0, 1)}; > %y"
)
PRODUCT = "a f32[2,3]; b f32[3,4]; "
FLAGS = "{transpose_a=%s, transpose_b=%s}"
NO, A, B, AB = (FLAGS % (a, b) for b in ("false", "true") for a in ("false", "true"))
SLICE = "{starts=(%s,), sizes=(%s,), steps=(%s,)}"

# fmt: off
_FIRES: list[tuple[str, str, str]] = [
    ("copy(x) = x", unary("copy"), same()),
    ("neg(neg(x)) = x", nested("neg"), same()),
    ("not(not(x)) = x", nested("logical_not", "bool[2]"), same("bool[2]")),
    ("bitwise_not(bitwise_not(x)) = x", nested("bitwise_not", "i32[2]"), same("i32[2]")),
    ("abs(abs(x)) = abs(x)", nested("abs"), "x f32[2]; a f32[2] = abs(%x); > %a"),
    ("abs(neg(x)) = abs(x)", "x f32[2]; a f32[2] = neg(%x); y f32[2] = abs(%a); > %y",
     unary("abs")),
    ("relu(relu(x)) = relu(x)", nested("relu"), "x f32[2]; a f32[2] = relu(%x); > %a"),
    ("x - 0 = x", with_c("sub", 0.0), same()),
    ("x + (-0.0) = x", with_c("add", -0.0, order="%c, %x"), same()),
    ("x + 0 = x, integers", with_c("add", 0, "i32"), same("i32[2]")),
    ("x + 0.0 = x", with_c("add", 0.0), same()),
    ("-0.0 - x = -x", with_c("sub", -0.0, order="%c, %x"), unary("neg")),
    ("0 - x = -x, integers", with_c("sub", 0, "i32", "%c, %x"), unary("neg", kind="i32[2]")),
    ("0.0 - x = -x", with_c("sub", 0.0, order="%c, %x"), unary("neg")),
    ("x + (-y) = x - y", TWO + "n f32[2] = neg(%w); y f32[2] = add(%n, %x); > %y",
     TWO + "y f32[2] = sub(%x, %w); > %y"),
    ("x - (-y) = x + y", TWO + "n f32[2] = neg(%w); y f32[2] = sub(%x, %n); > %y",
     TWO + "y f32[2] = add(%x, %w); > %y"),
    ("x - x = 0, integers", unary("sub", "%x, %x", "i32[2]"), filled(0, "i32")),
    ("x - x = 0", unary("sub", "%x, %x"), filled(0)),
    ("(x + a) + b = x + (a + b), integers", twice("add", "i32", 3, 4), once("add", "i32", 7)),
    ("(x + a) + b = x + (a + b)", twice("add", "f32", 0.1, 0.2),
     once("add", "f32", 0.30000001192092896)),
    ("x * 1 = x", with_c("mul", 1.0, order="%c, %x"), same()),
    ("x * 1 = x", "x f32[3]; c f32[2,3] = full() {value=1, dtype=f32, shape=(2, 3)}; "
     "y f32[2,3] = mul(%x, %c); > %y",
     "x f32[3]; y f32[2,3] = broadcast_to(%x) {shape=(2, 3)}; > %y"),
    ("x * (-1) = -x", with_c("mul", -1.0), unary("neg")),
    ("(-x) * (-y) = x * y",
     TWO + "a f32[2] = neg(%x); b f32[2] = neg(%w); y f32[2] = mul(%a, %b); > %y",
     TWO + "y f32[2] = mul(%x, %w); > %y"),
    ("x * 0 = 0, integers", with_c("mul", 0, "i32"), filled(0, "i32")),
    ("x * 0 = 0", with_c("mul", 0.0), filled(0)),
    ("(x * a) * b = x * (a * b), integers", twice("mul", "i32", 3, 4), once("mul", "i32", 12)),
    ("(x * a) * b = x * (a * b)", twice("mul", "f32", 0.1, 0.3),
     once("mul", "f32", 0.030000001192092896)),
    ("x / 1 = x", with_c("div", 1.0), same()),
    ("x / 2**n = x * 2**-n", with_c("div", -8.0), once("mul", "f32", -0.125)),
    ("x / c = x * (1/c)", with_c("div", 10.0), once("mul", "f32", 0.1)),
    ("x ** 0 = 1", with_c("pow", 0.0), filled(1)),
    ("x ** 1 = x", with_c("pow", 1.0), same()),
    ("x ** 2 = x * x", with_c("pow", 2.0), unary("mul", "%x, %x")),
    ("x ** 3 = x * x * x", with_c("pow", 3.0),
     "x f32[2]; 0 f32[2] = mul(%x, %x); y f32[2] = mul(%0, %x); > %y"),
    ("x ** -1 = 1 / x", with_c("pow", -1.0), unary("reciprocal")),
    ("x ** 0.5 = sqrt(x)", "x f32[2]; c f32[2] = full() {value=0.5, dtype=f32, shape=(2,)}; "
     "y f32[2] = pow(%x, %c); > %y", unary("sqrt")),
    ("maximum(x, x) = x", unary("maximum", "%x, %x"), same()),
    ("minimum(x, x) = x", unary("minimum", "%x, %x"), same()),
    ("where(true, x, y) = x", TWO + c("true", "bool") + "; y f32[2] = where(%c, %x, %w); > %y",
     TWO + "> %x"),
    ("where(false, x, y) = y", TWO + c("false", "bool") + "; y f32[2] = where(%c, %x, %w); > %y",
     TWO + "> %w"),
    ("where(c, x, x) = x", WHERE + "y f32[2] = where(%c, %x, %x); > %y", WHERE + "> %x"),
    ("where(not(c), x, y) = where(c, y, x)",
     WHERE + "n bool[2] = logical_not(%c); y f32[2] = where(%n, %x, %w); > %y",
     WHERE + "y f32[2] = where(%c, %w, %x); > %y"),
    ("cast to its own type", "x f32[2]; y f32[2] = cast(%x) {dtype=f32}; > %y", same()),
    ("cast(cast(x)) = cast(x)",
     "x f16[2]; a f32[2] = cast(%x) {dtype=f32}; y f16[2] = cast(%a) {dtype=f16}; > %y",
     same("f16[2]")),
    ("cast(cast(x)) = cast(x)",
     "x i8[2]; a i64[2] = cast(%x) {dtype=i64}; y f32[2] = cast(%a) {dtype=f32}; > %y",
     "x i8[2]; y f32[2] = cast(%x) {dtype=f32}; > %y"),
    ("matmul(transpose(a), b)",
     "a f32[3,2]; b f32[3,4]; t f32[2,3] = transpose(%a) {perm=(1, 0)}; "
     f"y f32[2,4] = matmul(%t, %b) {NO}; > %y",
     f"a f32[3,2]; b f32[3,4]; y f32[2,4] = matmul(%a, %b) {A}; > %y"),
    ("matmul(a, transpose(b))",
     "a f32[5,2,3]; b f32[5,3,4]; t f32[5,4,3] = transpose(%b) {perm=(0, 2, 1)}; "
     f"y f32[5,2,4] = matmul(%a, %t) {B}; > %y",
     f"a f32[5,2,3]; b f32[5,3,4]; y f32[5,2,4] = matmul(%a, %b) {NO}; > %y"),
    ("transpose(matmul(a, b)) = matmul(b', a')",
     PRODUCT + f"p f32[2,4] = matmul(%a, %b) {NO}; "
     "y f32[4,2] = transpose(%p) {perm=(1, 0)}; > %y",
     PRODUCT + f"y f32[4,2] = matmul(%b, %a) {AB}; > %y"),
    ("transpose that moves nothing",
     "x f32[2,3]; y f32[2,3] = transpose(%x) {perm=(0, 1)}; > %y", same("f32[2,3]")),
    ("transpose(transpose(x))", DOUBLE_T,
     "x f32[2,3,4]; y f32[3,4,2] = transpose(%x) {perm=(1, 2, 0)}; > %y"),
    ("transpose of size-1 axes = reshape",
     "x f32[2,1,n]; y f32[1,2,n] = transpose(%x) {perm=(1, 0, 2)}; > %y",
     "x f32[2,1,n]; y f32[1,2,n] = reshape(%x) {shape=(1, 2, <n>)}; > %y"),
    ("reshape to its own shape", "x f32[2]; y f32[2] = reshape(%x) {shape=(2,)}; > %y", same()),
    ("reshape(reshape(x))",
     "x f32[2,3]; a f32[6] = reshape(%x) {shape=(6,)}; "
     "y f32[3,2] = reshape(%a) {shape=(3, 2)}; > %y",
     "x f32[2,3]; y f32[3,2] = reshape(%x) {shape=(3, 2)}; > %y"),
    ("reshape(reshape(x))",
     "x f32[2,3]; a f32[6] = reshape(%x) {shape=(6,)}; "
     "y f32[2,3] = reshape(%a) {shape=(2, 3)}; > %y", same("f32[2,3]")),
    ("broadcast to its own shape",
     "x f32[2]; y f32[2] = broadcast_to(%x) {shape=(2,)}; > %y", same()),
    ("broadcast(broadcast(x))",
     "x f32[1]; a f32[3] = broadcast_to(%x) {shape=(3,)}; "
     "y f32[2,3] = broadcast_to(%a) {shape=(2, 3)}; > %y",
     "x f32[1]; y f32[2,3] = broadcast_to(%x) {shape=(2, 3)}; > %y"),
    ("broadcast(reshape(x)) = broadcast(x)",
     "x f32[3]; a f32[1,3] = reshape(%x) {shape=(1, 3)}; "
     "y f32[2,3] = broadcast_to(%a) {shape=(2, 3)}; > %y",
     "x f32[3]; y f32[2,3] = broadcast_to(%x) {shape=(2, 3)}; > %y"),
    ("slice of everything", f"x f32[4]; y f32[4] = slice(%x) {SLICE % (0, 4, 1)}; > %y",
     same("f32[4]")),
    ("slice(slice(x))",
     f"x f32[9]; a f32[4] = slice(%x) {SLICE % (1, 4, 2)}; "
     f"y f32[2] = slice(%a) {SLICE % (3, 2, -2)}; > %y",
     f"x f32[9]; y f32[2] = slice(%x) {SLICE % (7, 2, -4)}; > %y"),
    ("pad by nothing",
     'x f32[2]; y f32[2] = pad(%x) {pads=((0, 0),), mode="edge", value=0.0}; > %y', same()),
    ("concat of one", "x f32[2]; y f32[2] = concat(%x) {axis=0}; > %y", same()),
    ("split into one", "x f32[2]; y f32[2] = split(%x) {axis=0, sizes=(2,)}; > %y", same()),
    ("tile once", "x f32[2]; y f32[2] = tile(%x) {repeats=(1,)}; > %y", same()),
    ("flip of size-1 axes", "x f32[1,2]; y f32[1,2] = flip(%x) {axes=(0,)}; > %y",
     same("f32[1,2]")),
    ("flip(flip(x))", "x f32[2]; a f32[2] = flip(%x) {axes=(0,)}; "
     "y f32[2] = flip(%a) {axes=(0,)}; > %y", same()),
    ("operand broadcast by the operator itself",
     "x f32[2,3]; w f32[3]; r f32[1,3] = reshape(%w) {shape=(1, 3)}; "
     "b f32[2,3] = broadcast_to(%r) {shape=(2, 3)}; y f32[2,3] = sub(%b, %x); > %y",
     "x f32[2,3]; w f32[3]; y f32[2,3] = sub(%w, %x); > %y"),
    ("f(broadcast(x)) = broadcast(f(x))",
     "x f32[3]; b f32[2,3] = broadcast_to(%x) {shape=(2, 3)}; y f32[2,3] = exp(%b); > %y",
     "x f32[3]; 0 f32[3] = exp(%x); y f32[2,3] = broadcast_to(%0) {shape=(2, 3)}; > %y"),
    ("reduction over size-1 axes = reshape",
     f"x i32[2,1]; y i32[2] = sum(%x) {SUM3 % 'false'}; > %y",
     "x i32[2,1]; y i32[2] = reshape(%x) {shape=(2,)}; > %y"),
    ("sum over size-1 axes = reshape",
     f"x f32[2,1]; y f32[2] = mean(%x) {SUM3 % 'false'}; > %y",
     "x f32[2,1]; y f32[2] = reshape(%x) {shape=(2,)}; > %y"),
    ("reduction over size-1 axes = reshape",
     "x f32[2]; y f32[2] = max(%x) {axes=(), keepdims=false}; > %y", same()),
    ("reshape(reduction(x)) keeps or drops the axes",
     f"x f32[2,3]; a f32[2,1] = sum(%x) {SUM3 % 'true'}; "
     "y f32[2] = reshape(%a) {shape=(2,)}; > %y",
     f"x f32[2,3]; y f32[2] = sum(%x) {SUM3 % 'false'}; > %y"),
    ("reshape(reduction(x)) keeps or drops the axes",
     f"x f32[2,3]; a f32[2] = max(%x) {SUM3 % 'false'}; "
     "y f32[2,1] = reshape(%a) {shape=(2, 1)}; > %y",
     f"x f32[2,3]; y f32[2,1] = max(%x) {SUM3 % 'true'}; > %y"),
    ("max(max(x)) over all axes at once",
     f"x f32[2,3,4]; a f32[2,4] = max(%x) {SUM3 % 'false'}; y f32[2] = max(%a) {SUM3 % 'false'}; "
     "> %y", "x f32[2,3,4]; y f32[2] = max(%x) {axes=(1, 2), keepdims=false}; > %y"),
    ("sum(sum(x)) over all axes at once, integers",
     f"x i32[2,3,4]; a i32[2,1,4] = sum(%x) {SUM3 % 'true'}; "
     "y i32[2,1,1] = sum(%a) {axes=(2,), keepdims=true}; > %y",
     "x i32[2,3,4]; y i32[2,1,1] = sum(%x) {axes=(1, 2), keepdims=true}; > %y"),
    ("sum(sum(x)) over all axes at once",
     f"x f32[2,3,4]; a f32[2,4] = sum(%x) {SUM3 % 'false'}; y f32[2] = sum(%a) {SUM3 % 'false'}; "
     "> %y", "x f32[2,3,4]; y f32[2] = sum(%x) {axes=(1, 2), keepdims=false}; > %y"),
    ("sum(broadcast(x)) = n * x, integers",
     "x i32[3]; b i32[2,3] = broadcast_to(%x) {shape=(2, 3)}; "
     "y i32[3] = sum(%b) {axes=(0,), keepdims=false}; > %y",
     "x i32[3]; 0 i32[1,3] = reshape(%x) {shape=(1, 3)}; 1 i32[] = full() "
     "{value=2, dtype=i32, shape=()}; 2 i32[1,3] = mul(%0, %1); "
     "y i32[3] = reshape(%2) {shape=(3,)}; > %y"),
    ("sum(broadcast(x)) = n * x",
     "x f32[3,1]; b f32[3,4] = broadcast_to(%x) {shape=(3, 4)}; "
     "y f32[3] = sum(%b) {axes=(1,), keepdims=false}; > %y",
     "x f32[3,1]; 0 f32[] = full() {value=4, dtype=f32, shape=()}; "
     "1 f32[3,1] = mul(%x, %0); y f32[3] = reshape(%1) {shape=(3,)}; > %y"),
]
# fmt: on

WHOLE = "for floats it fails at"
# An empty reason: the pattern does not even match.
# fmt: off
_REFUSES: list[tuple[str, str, str]] = [
    ("copy(x) = x", unary("neg"), ""),
    ("neg(neg(x)) = x", "x f32[2]; a f32[2] = neg(%x); y f32[2] = abs(%a); > %y", ""),
    ("not(not(x)) = x", unary("logical_not", kind="bool[2]"), ""),
    ("bitwise_not(bitwise_not(x)) = x", unary("bitwise_not", kind="i32[2]"), ""),
    ("abs(abs(x)) = abs(x)", "x f32[2]; a f32[2] = neg(%x); y f32[2] = abs(%a); > %y", ""),
    ("abs(neg(x)) = abs(x)", nested("abs"), ""),
    ("abs(neg(x)) = abs(x)", "x u8[2]; a u8[2] = neg(%x); y u8[2] = abs(%a); > %y", "wraps around"),
    ("relu(relu(x)) = relu(x)", "x f32[2]; a f32[2] = relu(%x); y f32[2] = neg(%a); > %y", ""),
    ("x - 0 = x", with_c("sub", -0.0), ""),
    ("x - 0 = x", with_c("sub", 0.0, order="%c, %x"), ""),
    ("x + (-0.0) = x", with_c("add", 0.0), ""),
    ("x + (-0.0) = x", with_c("add", 0, "i32"), ""),
    ("x + 0 = x, integers", with_c("add", 0.0), WHOLE),
    ("x + 0.0 = x", with_c("add", 1.0), ""),
    ("-0.0 - x = -x", with_c("sub", 0.0, order="%c, %x"), ""),
    ("0 - x = -x, integers", with_c("sub", 0.0, order="%c, %x"), WHOLE),
    ("0.0 - x = -x", with_c("sub", 0.5, order="%c, %x"), ""),
    ("x + (-y) = x - y", unary("add", "%x, %x"), ""),
    ("x - (-y) = x + y", TWO + "n f32[2] = neg(%x); y f32[2] = sub(%n, %w); > %y", ""),
    ("x - x = 0, integers", unary("sub", "%x, %x"), WHOLE),
    ("x - x = 0", TWO + "y f32[2] = sub(%x, %w); > %y", ""),
    ("(x + a) + b = x + (a + b), integers", twice("add", "f32", 0.5, 2.0), WHOLE),
    ("(x + a) + b = x + (a + b)", with_c("add", 0.5), ""),
    ("x * 1 = x", with_c("mul", -1.0), ""),
    ("x * (-1) = -x", with_c("mul", 1.0), ""),
    ("(-x) * (-y) = x * y", TWO + "a f32[2] = neg(%x); y f32[2] = mul(%a, %w); > %y", ""),
    ("x * 0 = 0, integers", with_c("mul", 0.0), WHOLE),
    ("x * 0 = 0", with_c("mul", 0.5), ""),
    ("(x * a) * b = x * (a * b), integers", twice("mul", "f32", 0.5, 2.0), WHOLE),
    ("(x * a) * b = x * (a * b)", with_c("mul", 0.5), ""),
    ("x / 1 = x", with_c("div", 1.0, order="%c, %x"), ""),
    ("x / 2**n = x * 2**-n", with_c("div", 3.0), "no power of two"),
    ("x / 2**n = x * 2**-n", with_c("div", "inf"), "no power of two"),
    ("x / 2**n = x * 2**-n", with_c("div", 0.0), "no power of two"),
    ("x / 2**n = x * 2**-n", with_c("div", 1.7014118346046923e38), "not a normal number"),
    ("x / 2**n = x * 2**-n", with_c("div", 1e-45), "not a normal number"),
    ("x / c = x * (1/c)", with_c("div", 0.0), "not a normal number"),
    ("x / c = x * (1/c)", with_c("div", "nan"), "not a normal number"),
    ("x ** 0 = 1", with_c("pow", 0.0, order="%c, %x"), ""),
    ("x ** 1 = x", with_c("pow", 1.5), ""),
    ("x ** 2 = x * x", with_c("pow", 2.0, order="%c, %x"), ""),
    ("x ** 3 = x * x * x", with_c("pow", 4.0), ""),
    ("x ** -1 = 1 / x", with_c("pow", -1, "i32"), "integers round"),
    ("x ** 0.5 = sqrt(x)", with_c("pow", 0.25), ""),
    ("maximum(x, x) = x", TWO + "y f32[2] = maximum(%x, %w); > %y", ""),
    ("minimum(x, x) = x", TWO + "y f32[2] = minimum(%x, %w); > %y", ""),
    ("where(true, x, y) = x", WHERE + "y f32[2] = where(%c, %x, %w); > %y", ""),
    ("where(false, x, y) = y", TWO + c("true", "bool") + "; y f32[2] = where(%c, %x, %w); > %y",
     ""),
    ("where(c, x, x) = x", WHERE + "y f32[2] = where(%c, %x, %w); > %y", ""),
    ("where(not(c), x, y) = where(c, y, x)", WHERE + "y f32[2] = where(%c, %x, %w); > %y", ""),
    ("cast to its own type", "x f32[2]; y f64[2] = cast(%x) {dtype=f64}; > %y", "type changes"),
    ("cast(cast(x)) = cast(x)",
     "x f32[2]; a f16[2] = cast(%x) {dtype=f16}; y f32[2] = cast(%a) {dtype=f32}; > %y",
     "float16 does not hold every float32"),
    ("cast(cast(x)) = cast(x)",
     "x i32[2]; a f32[2] = cast(%x) {dtype=f32}; y i32[2] = cast(%a) {dtype=i32}; > %y",
     "float32 does not hold every int32"),
    ("cast(cast(x)) = cast(x)",
     "x f32[2]; a f64[2] = cast(%x) {dtype=f64}; y u8[2] = cast(%a) {dtype=u8}; > %y",
     "outside the unsigned range"),
    ("matmul(transpose(a), b)",
     "a f32[2,5,3]; b f32[5,3,4]; t f32[5,2,3] = transpose(%a) {perm=(1, 0, 2)}; "
     f"y f32[5,2,4] = matmul(%t, %b) {NO}; > %y", "not just exchange the last two"),
    ("matmul(a, transpose(b))",
     "a f32[5,2,3]; b f32[4,5,3]; t f32[5,3,4] = transpose(%b) {perm=(1, 2, 0)}; "
     f"y f32[5,2,4] = matmul(%a, %t) {NO}; > %y", "not just exchange the last two"),
    ("transpose(matmul(a, b)) = matmul(b', a')",
     PRODUCT + f"p f32[2,4] = matmul(%a, %b) {NO}; "
     "y f32[4,2] = transpose(%p) {perm=(1, 0)}; > %y %p", "read elsewhere"),
    ("transpose that moves nothing",
     "x f32[2,3]; y f32[3,2] = transpose(%x) {perm=(1, 0)}; > %y", "moves axes"),
    ("transpose(transpose(x))", "x f32[2,3]; y f32[3,2] = transpose(%x) {perm=(1, 0)}; > %y", ""),
    ("transpose of size-1 axes = reshape",
     "x f32[2,n]; y f32[n,2] = transpose(%x) {perm=(1, 0)}; > %y", "longer than 1"),
    ("reshape to its own shape", "x f32[2]; y f32[2,1] = reshape(%x) {shape=(2, 1)}; > %y",
     "f32[2] becomes f32[2,1]"),
    ("reshape(reshape(x))", "x f32[2]; y f32[2,1] = reshape(%x) {shape=(2, 1)}; > %y", ""),
    ("broadcast to its own shape", "x f32[1]; y f32[2] = broadcast_to(%x) {shape=(2,)}; > %y",
     "f32[1] becomes f32[2]"),
    ("broadcast(broadcast(x))", "x f32[1]; y f32[2] = broadcast_to(%x) {shape=(2,)}; > %y", ""),
    ("broadcast(reshape(x)) = broadcast(x)",
     "x f32[3]; a f32[3,1] = reshape(%x) {shape=(3, 1)}; "
     "y f32[3,2] = broadcast_to(%a) {shape=(3, 2)}; > %y", "is no broadcast"),
    ("slice of everything", f"x f32[4]; y f32[4] = slice(%x) {SLICE % (3, 4, -1)}; > %y",
     "later or goes backwards"),
    ("slice of everything", f"x f32[4]; y f32[3] = slice(%x) {SLICE % (0, 3, 1)}; > %y",
     "f32[4] becomes f32[3]"),
    ("slice(slice(x))", f"x f32[4]; y f32[3] = slice(%x) {SLICE % (0, 3, 1)}; > %y", ""),
    ("pad by nothing",
     'x f32[2]; y f32[3] = pad(%x) {pads=((0, 1),), mode="edge", value=0.0}; > %y', "becomes"),
    ("concat of one", "x f32[2]; y f32[4] = concat(%x, %x) {axis=0}; > %y", ""),
    ("split into one", "x f32[2]; a f32[1], %b: f32[1] = split(%x) {axis=0, sizes=(1, 1)}; > %a %b",
     ""),
    ("tile once", "x f32[2]; y f32[4] = tile(%x) {repeats=(2,)}; > %y", "becomes"),
    ("flip of size-1 axes", "x f32[1,2]; y f32[1,2] = flip(%x) {axes=(0, 1)}; > %y",
     "the axes [1] are longer than 1"),
    ("flip(flip(x))", "x f32[2,3]; a f32[2,3] = flip(%x) {axes=(0,)}; "
     "y f32[2,3] = flip(%a) {axes=(1,)}; > %y", "they flip the axes (0,) and (1,)"),
    ("operand broadcast by the operator itself",
     "w f32[3]; b f32[2,3] = broadcast_to(%w) {shape=(2, 3)}; y f32[2,3] = sub(%b, %w); > %y",
     "no other operand has the result's shape"),
    ("operand broadcast by the operator itself",
     "x f32[3,3]; w f32[3]; b f32[3,1] = reshape(%w) {shape=(3, 1)}; y f32[3,3] = sub(%b, %x); "
     "> %y", "does more than add leading axes"),
    ("f(broadcast(x)) = broadcast(f(x))",
     "x f32[3]; b f32[2,3] = broadcast_to(%x) {shape=(2, 3)}; y f32[2,3] = exp(%b); > %y %b",
     "read elsewhere"),
    ("f(broadcast(x)) = broadcast(f(x))",
     "x f32[3]; b f32[2,3] = broadcast_to(%x) {shape=(2, 3)}; y f32[2,3] = add(%b, %b); > %y",
     "the operator has other operands"),
    ("reduction over size-1 axes = reshape",
     f"x f32[2,1]; y f32[2] = sum(%x) {SUM3 % 'false'}; > %y", "turns -0.0 into 0.0"),
    ("reduction over size-1 axes = reshape",
     f"x f32[2,3]; y f32[2] = max(%x) {SUM3 % 'false'}; > %y", "the axes [1] are longer than 1"),
    ("sum over size-1 axes = reshape",
     f"x f32[2,n]; y f32[2] = mean(%x) {SUM3 % 'false'}; > %y", "the axes [1] are longer than 1"),
    ("reshape(reduction(x)) keeps or drops the axes",
     f"x f32[4,3]; a f32[4] = sum(%x) {SUM3 % 'false'}; "
     "y f32[2,2] = reshape(%a) {shape=(2, 2)}; > %y", "does more than keep or drop"),
    ("reshape(reduction(x)) keeps or drops the axes",
     f"x f32[2,3]; a f32[2,1] = sum(%x) {SUM3 % 'true'}; "
     "y f32[2] = reshape(%a) {shape=(2,)}; > %y %a", "read elsewhere"),
    ("max(max(x)) over all axes at once",
     f"x f32[2,3,4]; a f32[2,4] = max(%x) {SUM3 % 'false'}; y f32[2] = min(%a) {SUM3 % 'false'}; "
     "> %y", "min of max is no single reduction"),
    ("max(max(x)) over all axes at once",
     f"x f32[2,3,4]; a f32[2,1,4] = max(%x) {SUM3 % 'true'}; "
     "y f32[2,4] = max(%a) {axes=(1,), keepdims=false}; > %y", "one keeps its axes"),
    ("sum(sum(x)) over all axes at once, integers",
     f"x f32[2,3,4]; a f32[2,4] = sum(%x) {SUM3 % 'false'}; y f32[2] = sum(%a) {SUM3 % 'false'}; "
     "> %y", "rounds otherwise"),
    ("sum(sum(x)) over all axes at once",
     f"x f32[2,3,4]; a f32[2,4] = sum(%x) {SUM3 % 'false'}; y f32[2] = sum(%a) {SUM3 % 'false'}; "
     "> %y %a", "read elsewhere"),
    ("sum(broadcast(x)) = n * x, integers",
     "x f32[3]; b f32[2,3] = broadcast_to(%x) {shape=(2, 3)}; "
     "y f32[3] = sum(%b) {axes=(0,), keepdims=false}; > %y", "rounds otherwise"),
    ("sum(broadcast(x)) = n * x",
     "x f32[3]; b f32[n,3] = broadcast_to(%x) {shape=(<n>, 3)}; "
     "y f32[3] = sum(%b) {axes=(0,), keepdims=false}; > %y", "unknown or zero number"),
    ("sum(broadcast(x)) = n * x",
     "x f32[3]; b f32[2,3] = broadcast_to(%x) {shape=(2, 3)}; "
     "y f32[2] = sum(%b) {axes=(1,), keepdims=false}; > %y", "did not make"),
]
# fmt: on


def _text(short: str) -> str:
    return "\n".join(line for line in g(short).splitlines())


FIRES = [(name, _text(before), _text(after)) for name, before, after in _FIRES]
REFUSES = [(name, _text(text), reason) for name, text, reason in _REFUSES]
