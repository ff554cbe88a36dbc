"""Pooling and its gradients."""

from __future__ import annotations

import math
from typing import Any

from nngraph.backends.tvm.program.program import KernelSpec
from nngraph.backends.tvm.specs import PoolSpec
from nngraph.backends.tvm.strategies.pool import (
    average_pool,
    average_pool_gradient,
    max_pool,
    max_pool_input_gradient,
)
from nngraph.ir.types import TensorType

__all__ = ["build_pool"]


def build_pool(spec: KernelSpec) -> Any:
    """The kernel of a spec."""
    op: Any = spec.op
    x = spec.inputs[0]
    match op.name:
        case "max_pool" | "max_pool_indices":
            return max_pool(_pool_spec(op, x), with_indices=op.name == "max_pool_indices")
        case "max_pool_grad":
            return max_pool_input_gradient(_pool_spec(op, x))
        case "avg_pool":
            return average_pool(_pool_spec(op, x))
    return average_pool_gradient(_pool_spec(op, spec.outputs[0]))


def _pool_spec(op: Any, x: TensorType) -> PoolSpec:
    n, channels, *size = x.static_shape
    windows = op.windows
    return PoolSpec(
        math.prod((n, channels)),
        tuple(size),
        windows.places(size),
        op.kernel,
        op.stride,
        tuple(lo for lo, _ in op.padding),
        tuple(hi for _, hi in op.padding),
        windows.dilation,
        getattr(op, "count_include_pad", True),
        x.dtype.name,
        getattr(op, "divisor", None),
    )
