"""Pooling and its gradients."""

from __future__ import annotations

import math

from nngraph.backends.tvm import specs
from nngraph.backends.tvm.loops.base import PrimFunc
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.program.program import KernelSpec
from nngraph.backends.tvm.strategies.table import build
from nngraph.ir.types import TensorType
from nngraph.ops.window.avgpool import AvgPool, AvgPoolGrad
from nngraph.ops.window.pool import MaxPool, MaxPoolGrad, MaxPoolIndices

__all__ = ["AnyPool", "build_pool", "pool_spec"]

PoolKind = specs.MaxPool | specs.MaxPoolGradient | specs.AveragePool | specs.AveragePoolGradient
AnyPool = MaxPool | MaxPoolIndices | MaxPoolGrad | AvgPool | AvgPoolGrad


def build_pool(spec: KernelSpec, machine: Machine) -> PrimFunc:
    """The kernel of a spec."""
    return build(pool_spec(spec), machine)


def pool_spec(spec: KernelSpec) -> PoolKind:
    """What an operator over windows computes."""
    x = spec.inputs[0]
    match spec.op:
        case MaxPool() | MaxPoolIndices() as op:
            return specs.MaxPool(_windows(op, x), isinstance(op, MaxPoolIndices))
        case MaxPoolGrad() as op:
            return specs.MaxPoolGradient(_windows(op, x))
        case AvgPool() as op:
            return specs.AveragePool(_windows(op, x))
        case AvgPoolGrad() as op:
            return specs.AveragePoolGradient(_windows(op, spec.outputs[0]))
    raise NotImplementedError(f"{spec.op.name} has no kernel over windows")


def _windows(op: AnyPool, x: TensorType) -> specs.PoolSpec:
    n, channels, *size = x.static_shape
    windows = op.windows
    return specs.PoolSpec(
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
