"""Reductions over nothing: the result is the reduction's neutral element."""

from __future__ import annotations

from typing import Any

from nngraph.backends.tvm.codegen.move import build_fill
from nngraph.backends.tvm.program.program import KernelSpec

__all__ = ["build_empty"]

_NEUTRAL = {"sum": 0.0, "mean": float("nan"), "prod": 1.0, "any": 0.0, "all": 1.0}


def build_empty(spec: KernelSpec) -> Any:
    """The kernel of a reduction of an empty tensor."""
    return build_fill(spec, _NEUTRAL[spec.op.name])
