"""Reductions over nothing: the result is the reduction's neutral element."""

from __future__ import annotations

import math

from nngraph.backends.tvm.loops.base import PrimFunc
from nngraph.backends.tvm.loops.table import loops_for
from nngraph.backends.tvm.lower.move import build_fill
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.program.program import KernelSpec
from nngraph.ops.broadcast import Fold, Reduction
from nngraph.ops.reduce.folds import Mean

__all__ = ["build_empty"]

_NEUTRAL = {Fold.ADD: 0.0, Fold.MULTIPLY: 1.0, Fold.MAX: 0.0, Fold.MIN: 1.0}  # extremes: of bools


def build_empty(spec: KernelSpec, machine: Machine) -> PrimFunc:
    """The kernel of a reduction of an empty tensor."""
    op = spec.op
    assert isinstance(op, Reduction) and op.fold is not None
    value = math.nan if isinstance(op, Mean) else _NEUTRAL[op.fold]
    return build_fill(spec, value, loops_for(machine))
