"""The table of all emission rules: operator class -> rule."""

from __future__ import annotations

from nngraph.backends.onnx.rules import (
    control,
    conv,
    elementwise,
    index,
    linalg,
    norm,
    pool,
    random,
    reduce,
    shape,
)
from nngraph.backends.onnx.rules.rule import Rules

__all__ = ["RULES"]

RULES: Rules = {
    **shape.RULES,
    **elementwise.RULES,
    **reduce.RULES,
    **linalg.RULES,
    **index.RULES,
    **conv.RULES,
    **norm.RULES,
    **pool.RULES,
    **random.RULES,
    **control.RULES,
}
