"""How element types are kept in memory, and in what type kernels compute with them.

Kernels see bool as bytes and bfloat16 as 16-bit words, because their buffers are NumPy's. Half
precision is computed in float32 and rounded after each operation, as it is where operations run one
by one: what a kernel computes again has the bits that another has stored.
"""

from __future__ import annotations

from typing import Any

from tvm import tirx

from nngraph.backends.tvm import data
from nngraph.ir.dtypes import DType, Kind, bfloat16, bool_, float16

Expr = Any

__all__ = [
    "Expr",
    "compute_type",
    "const",
    "load",
    "rounded",
    "storage_type",
    "store",
    "unless_nan",
]


def storage_type(dtype: DType) -> str:
    """The type of a buffer's elements."""
    return {bool_: "uint8", bfloat16: "uint16"}.get(dtype, dtype.name)


def compute_type(dtype: DType) -> str:
    """The type of an expression."""
    return "float32" if dtype in (float16, bfloat16) else dtype.name


def const(value: float | int | bool, dtype: DType) -> Expr:
    """A number as an expression of ``dtype``'s type of computation."""
    if dtype is bool_:
        return tirx.const(bool(value), "bool")
    if dtype.is_integer:
        wrapped = int(value) & ((1 << dtype.bits) - 1)
        if dtype.kind is Kind.INT and wrapped >> (dtype.bits - 1):
            wrapped -= 1 << dtype.bits
        return tirx.const(wrapped, dtype.name)
    if dtype in (float16, bfloat16):
        value = float(dtype.numpy.type(value))
    return tirx.const(float(value), compute_type(dtype))


def load(raw: Expr, dtype: DType) -> Expr:
    """A buffer's element as an expression to compute with."""
    if dtype is bool_:
        return raw != tirx.const(0, "uint8")
    if dtype is bfloat16:
        wide = data.cast(raw, "uint32")
        return tirx.reinterpret("float32", data.shift_left(wide, tirx.const(16, "uint32")))
    return data.cast(raw, "float32") if dtype is float16 else raw


def store(value: Expr, dtype: DType) -> Expr:
    """A computed expression, which ``rounded`` made one of ``dtype``, as a buffer's element."""
    if dtype is bool_:
        return tirx.Select(value, tirx.const(1, "uint8"), tirx.const(0, "uint8"))
    if dtype is bfloat16:
        bits = tirx.reinterpret("uint32", value)
        return data.cast(data.shift_right(bits, tirx.const(16, "uint32")), "uint16")
    return data.cast(value, "float16") if dtype is float16 else value


def rounded(value: Expr, dtype: DType) -> Expr:
    """What an operation of ``dtype`` gives, from what it gives in the type of computation."""
    return data.round_to(value, dtype.name) if dtype in (float16, bfloat16) else value


def unless_nan(x: Expr, number: Expr, nan: Expr) -> Expr:
    """``nan`` where x is NaN, else ``number``."""
    return tirx.Select(data.isnan(x), nan, number)
