"""The table of all emission rules: operator class -> rule."""

from __future__ import annotations

from nngraph.backends.onnx import (
    emit_control,
    emit_conv,
    emit_elementwise,
    emit_index,
    emit_linalg,
    emit_norm,
    emit_pool,
    emit_random,
    emit_reduce,
    emit_shape,
)
from nngraph.backends.onnx.rules import Rules

__all__ = ["RULES"]

RULES: Rules = {
    **emit_shape.RULES,
    **emit_elementwise.RULES,
    **emit_reduce.RULES,
    **emit_linalg.RULES,
    **emit_index.RULES,
    **emit_conv.RULES,
    **emit_norm.RULES,
    **emit_pool.RULES,
    **emit_random.RULES,
    **emit_control.RULES,
}
