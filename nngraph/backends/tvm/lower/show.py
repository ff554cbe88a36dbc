"""Kernels to look at: what one computes, why it is built the way it is, and its loops as text."""

from __future__ import annotations

from typing import Any

from nngraph.backends.tvm.codegen.body.plan import BodySpec
from nngraph.backends.tvm.lower.move import transpose_spec
from nngraph.backends.tvm.lower.pool import AnyPool, pool_spec
from nngraph.backends.tvm.lower.product import group_spec, product_spec
from nngraph.backends.tvm.lower.table import build_kernel
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.program.program import KernelSpec
from nngraph.backends.tvm.strategies.table import explain
from nngraph.ops.fused import Fused
from nngraph.ops.linalg import MatMul
from nngraph.ops.shape.moving import Transpose
from nngraph.ops.window.conv import Conv, ConvInputGrad, ConvWeightGrad

__all__ = ["explain_kernel", "kernel_text", "spec_of"]


def spec_of(kernel: KernelSpec) -> Any | None:
    """What a kernel computes, if there are strategies for it; None if there is but one way."""
    if kernel.table is not None:
        return None
    match kernel.op:
        case MatMul() | Conv() | ConvInputGrad() | ConvWeightGrad() as op:
            return product_spec(op, kernel.inputs, kernel.outputs[0])
        case Fused(body=body):
            return group_spec(body.graph) or BodySpec.of(body.graph, kernel.aliases)
        case Transpose():
            return transpose_spec(kernel)
    return pool_spec(kernel) if isinstance(kernel.op, AnyPool) else None


def explain_kernel(kernel: KernelSpec, machine: Machine) -> str:
    """Each strategy for a kernel with its cost and tile, or the reason why it does not fit."""
    spec = spec_of(kernel)
    return f"{kernel.op.name}: there is one way" if spec is None else explain(spec, machine)


def kernel_text(kernel: KernelSpec, machine: Machine) -> str:
    """The loops of a kernel for a machine, as TVM prints them."""
    return str(build_kernel(kernel, machine).script())
