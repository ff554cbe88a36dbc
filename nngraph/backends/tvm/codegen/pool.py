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
from nngraph.ops.window.avgpool import AvgPool, AvgPoolGrad
from nngraph.ops.window.pool import MaxPool, MaxPoolGrad, MaxPoolIndices

__all__ = ["build_pool"]

AnyPool = MaxPool | MaxPoolIndices | MaxPoolGrad | AvgPool | AvgPoolGrad


def build_pool(spec: KernelSpec) -> Any:
    """The kernel of a spec."""
    x = spec.inputs[0]
    match spec.op:
        case MaxPool() | MaxPoolIndices() as op:
            return max_pool(_pool_spec(op, x), with_indices=isinstance(op, MaxPoolIndices))
        case MaxPoolGrad() as op:
            return max_pool_input_gradient(_pool_spec(op, x))
        case AvgPool() as op:
            return average_pool(_pool_spec(op, x))
        case AvgPoolGrad() as op:
            return average_pool_gradient(_pool_spec(op, spec.outputs[0]))
    raise NotImplementedError(f"{spec.op.name} has no kernel over windows")


def _pool_spec(op: AnyPool, x: TensorType) -> PoolSpec:
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
        op.count_include_pad if isinstance(op, AvgPool | AvgPoolGrad) else True,
        x.dtype.name,
        op.divisor if isinstance(op, AvgPool | AvgPoolGrad) else None,
    )
