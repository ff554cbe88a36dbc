"""Reductions over nothing: the result is the reduction's neutral element."""

from __future__ import annotations

import math
from typing import Any

from nngraph.backends.tvm.codegen.move import build_fill
from nngraph.backends.tvm.program.program import KernelSpec
from nngraph.ops.broadcast import Fold, Reduction
from nngraph.ops.reduce.folds import Mean

__all__ = ["build_empty"]

_NEUTRAL = {Fold.ADD: 0.0, Fold.MULTIPLY: 1.0, Fold.MAX: 0.0, Fold.MIN: 1.0}  # extremes: of bools


def build_empty(spec: KernelSpec) -> Any:
    """The kernel of a reduction of an empty tensor."""
    op = spec.op
    assert isinstance(op, Reduction) and op.fold is not None
    return build_fill(spec, math.nan if isinstance(op, Mean) else _NEUTRAL[op.fold])
