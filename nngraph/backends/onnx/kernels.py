"""Which element types ONNX Runtime's CPU kernels take, and what to compute in where one is missing.

Measured: one model a row and type, loaded by onnxruntime 1.31 at opset 21. An operator that is not
listed takes every type (it only moves data). For float16 the runtime casts around operators that it
has no kernel of, and then takes a cast to float16 right before such a one for a detour: the
rounding is lost. So float16 is listed only where there is a kernel, or where we cast around all
arithmetic ourselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from nngraph.ir.dtypes import (
    DType,
    as_dtype,
    bfloat16,
    bool_,
    float16,
    float32,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)

__all__ = ["FIRST_OPSET", "HALF", "OPSET", "TO_BOOL", "compute_type", "supports", "typed_inputs"]

# What stock runtimes of the last two years load; from opset 22 on some kernels are missing.
OPSET = 21
# Reductions take their axes as inputs from here on, and bits have operators.
FIRST_OPSET = 18

_FLOATS = "f64 f32 f16"
_F32 = "f32 f16"
_INTS = "i8 i16 i32 i64 u8 u16 u32 u64"
_ARITHMETIC = f"{_FLOATS} {_INTS}"
_REDUCE = f"{_FLOATS} i32 i64"
_EXTREME = f"{_FLOATS} i8 i32 i64 u8"
_PAD = "f64 f32 bf16 i8 i32 i64 u8 u32 u64 bool"

_ROWS: tuple[tuple[str, str], ...] = (
    (
        _FLOATS,
        "Exp Log Sqrt Reciprocal Sin Cos Tanh Sigmoid Floor Ceil Round Softmax LogSoftmax "
        "Gemm BatchNormalization",
    ),
    (
        _F32,
        "Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Erf Gelu HardSigmoid Softplus Conv "
        "ConvTranspose AveragePool MaxUnpool",
    ),
    (f"{_FLOATS} i8 i16 i32 i64", "Neg"),
    (_ARITHMETIC, "Abs Add Sub Mul Div Less LessOrEqual Greater GreaterOrEqual Mod"),
    (f"{_ARITHMETIC} bf16", "Sign"),
    (f"{_FLOATS} i8 i32", "Relu"),
    (f"{_FLOATS} bf16", "IsNaN IsInf LayerNormalization"),
    ("bool", "Not And Or Xor"),
    (_INTS, "BitwiseNot BitwiseAnd BitwiseOr BitwiseXor"),
    (f"{_FLOATS} i8 i32 i64 u8 u32 u64", "Max Min Clip"),
    (f"{_ARITHMETIC} bool", "Equal Expand"),
    (f"f64 f32 {_INTS} bool", "Tile"),
    (f"{_FLOATS} i32 i64 u32 u64", "MatMul"),
    ("u8 u32 u64", "BitShift"),
    ("f64 f32 i8 i32 i64 u8 u32", "Where"),
    (_REDUCE, "Pow ReduceSum ReduceMean ReduceProd CumSum"),
    (f"{_EXTREME} bool", "ReduceMax ReduceMin"),
    (_EXTREME, "ArgMax ArgMin"),
    (f"{_FLOATS} i8 u8", "MaxPool"),
    (f"{_FLOATS} i8 i16 i32 i64 u8", "TopK"),
    (_PAD, "Pad"),
    ("f64 f32 i32 i64", "Range"),
)
_TABLE: dict[str, frozenset[DType]] = {
    kind: frozenset(map(as_dtype, types.split()))
    for types, kinds in _ROWS
    for kind in kinds.split()
}

# The opset from which on an operator takes a type; all other types it takes from the first one on.
_SINCE: dict[tuple[str, DType], int] = {
    ("ReduceMax", bool_): 20,
    ("ReduceMin", bool_): 20,
    ("IsInf", float16): 20,
    ("IsInf", bfloat16): 20,
}

HALF = frozenset({float16, bfloat16})

# Types that hold every value of the key, narrowest first. Sums and products computed wider and
# cast back wrap around as the narrow type does.
_WIDER: dict[DType, tuple[DType, ...]] = {
    float16: (float32,),
    bfloat16: (float32,),
    bool_: (uint8, int32),
    int8: (int32, int64),
    uint8: (int32, int64),
    int16: (int32, int64),
    uint16: (int32, uint32, int64),
    uint32: (int64, uint64),
}
# Kinds whose result has the right bits when 64-bit unsigned numbers are taken for signed ones.
_MODULAR = frozenset({"ReduceSum", "ReduceProd", "CumSum", "Where", "MatMul", "Expand"})


_TESTS = "Equal Less LessOrEqual Greater GreaterOrEqual IsNaN IsInf Not And Or Xor"
#: Kinds whose result is bool.
TO_BOOL = frozenset(_TESTS.split())

# Position of the inputs that share the element type; others are indices, shapes and conditions.
_TYPED: dict[str, slice] = {
    "Where": slice(1, 3),
    "ScatterElements": slice(0, 3, 2),
    "Pad": slice(0, 3, 2),
    "MaxUnpool": slice(0, 1),
}
_BY_FIRST = (
    "Reshape Expand Slice Split Tile Gather GatherElements ReduceSum ReduceMean ReduceMax "
    "ReduceMin ReduceProd CumSum TopK Unsqueeze Squeeze Resize Shape Size"
)
_TYPED |= dict.fromkeys(_BY_FIRST.split(), slice(0, 1)) | {"ConstantOfShape": slice(0, 0)}


def supports(kind: str, dtype: DType, opset: int = OPSET) -> bool:
    """True if the runtime has a kernel of ONNX operator ``kind`` of an opset for ``dtype``."""
    if opset < _SINCE.get((kind, dtype), FIRST_OPSET):
        return False
    return kind not in _TABLE or dtype in _TABLE[kind]


def compute_type(kind: str, dtype: DType, opset: int = OPSET) -> DType | None:
    """``dtype``, or else the narrowest type that can stand in for it; None if there is none."""
    if supports(kind, dtype, opset):
        return dtype
    if dtype is uint64 and kind in _MODULAR:
        return int64
    return next((wide for wide in _WIDER.get(dtype, ()) if supports(kind, wide, opset)), None)


def typed_inputs(kind: str, names: Sequence[str]) -> list[int]:
    """Positions of the inputs that share the element type; absent ones are named ``""``."""
    chosen = _TYPED.get(kind, slice(None))
    return [p for p in range(len(names))[chosen] if names[p]]
