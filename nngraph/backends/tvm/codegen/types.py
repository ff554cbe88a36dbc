"""How element types are kept in memory, and in what type kernels compute with them.

Kernels see bool as bytes and bfloat16 as 16-bit words, because their buffers are NumPy's; half
precision is computed in float32 and rounded once, when it is stored.
"""

from __future__ import annotations

from typing import Any

from tvm import tirx

from nngraph.ir.dtypes import DType, Kind, bfloat16, bool_, float16

Expr = Any

__all__ = ["Expr", "compute_type", "const", "load", "storage_type", "store", "unless_nan"]


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
        bits = tirx.Cast("uint32", raw) << tirx.const(16, "uint32")
        return tirx.reinterpret("float32", bits)
    return tirx.Cast("float32", raw) if dtype is float16 else raw


def store(value: Expr, dtype: DType) -> Expr:
    """A computed expression as a buffer's element."""
    if dtype is bool_:
        return tirx.Select(value, tirx.const(1, "uint8"), tirx.const(0, "uint8"))
    if dtype is bfloat16:
        return _round_to_bfloat16(value)
    return tirx.Cast("float16", value) if dtype is float16 else value


def _round_to_bfloat16(value: Expr) -> Expr:
    """Rounds half to even on the bits; NaN stays a NaN."""
    sixteen, one = tirx.const(16, "uint32"), tirx.const(1, "uint32")
    bits = tirx.reinterpret("uint32", value)
    rounded = (bits + tirx.const(0x7FFF, "uint32") + ((bits >> sixteen) & one)) >> sixteen
    nan = (bits >> sixteen) | tirx.const(0x40, "uint32")
    return tirx.Cast("uint16", unless_nan(value, rounded, nan))


def unless_nan(x: Expr, number: Expr, nan: Expr) -> Expr:
    """``nan`` where x is NaN, else ``number``.

    Vectors of ``tirx.isnan`` become scalar code, and the simplifier takes ``not (a <= b)`` for
    ``a > b``; a choice by a comparison that only NaN fails has neither fault.
    """
    return tirx.Select(x <= tirx.const(float("inf"), str(x.ty)), number, nan)
