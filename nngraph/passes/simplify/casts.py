"""Conversions between element types that can be left out."""

from __future__ import annotations

from typing import Final

from nngraph import ops
from nngraph.ir.dtypes import DType, Kind, bfloat16, bool_, float16, float32, float64
from nngraph.passes.pattern import Match, Rule, node

__all__ = ["CAST_RULES", "holds_exactly"]

# Bits of the largest integer up to which a float type holds every integer.
_WHOLE: Final = {float64: 53, float32: 24, float16: 11, bfloat16: 8}
_FLOATS: Final = {
    float64: {float64},
    float32: {float32, float64},
    float16: {float16, float32, float64},
    bfloat16: {bfloat16, float32, float64},
}


def holds_exactly(wide: DType, narrow: DType) -> bool:
    """True if every value of ``narrow`` is a value of ``wide`` (of bool: 0 and 1)."""
    if wide is narrow or narrow is bool_:
        return True
    if narrow.is_floating_point:
        return wide in _FLOATS[narrow]
    bits = narrow.bits - (narrow.kind is Kind.INT)
    if wide.is_floating_point:
        return bits <= _WHOLE[wide]
    if wide.kind is Kind.UINT:
        return narrow.kind is Kind.UINT and narrow.bits <= wide.bits
    return wide.kind is Kind.INT and bits <= wide.bits - 1


def _lossless(match: Match) -> str | None:
    source, middle = match.x.type.dtype, match.inner.type.dtype
    if not holds_exactly(middle, source):
        return f"{middle.name} does not hold every {source.name}"
    target = match.result.dtype
    if source.is_floating_point and target.kind is Kind.UINT:
        return "what a float outside the unsigned range becomes depends on its type"
    return None


CAST_RULES = (
    Rule(
        "cast to its own type",
        lambda x: node(ops.Cast, x),
        lambda m: m.x,
        lambda m: None if m.x.type.dtype is m.result.dtype else "the type changes",
    ),
    Rule(
        "cast(cast(x)) = cast(x)",
        lambda x: node(ops.Cast, node(ops.Cast, x, name="inner")),
        lambda m: ops.cast(m.x, m.result.dtype),
        _lossless,
    ),
)
