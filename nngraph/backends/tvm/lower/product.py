"""Matrix products and convolutions, alone or with an epilogue."""

from __future__ import annotations

from nngraph.backends.tvm.codegen.epilogue import body_epilogue, memory_type
from nngraph.backends.tvm.fuse.kinds import product_of
from nngraph.backends.tvm.loops.base import PrimFunc
from nngraph.backends.tvm.loops.table import loops_for
from nngraph.backends.tvm.lower.move import build_fill
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.program.program import KernelSpec
from nngraph.backends.tvm.specs import (
    ConvForward,
    ConvInputGradient,
    ConvSpec,
    ConvWeightGradient,
    GemmSpec,
)
from nngraph.backends.tvm.strategies.table import build
from nngraph.ir.graph import Graph
from nngraph.ir.op import Op
from nngraph.ir.types import TensorType
from nngraph.ops.fused import Fused
from nngraph.ops.linalg import MatMul
from nngraph.ops.window.conv import Conv, ConvInputGrad, ConvWeightGrad

__all__ = ["build_product", "build_product_group", "group_spec", "product_spec"]

ProductSpec = GemmSpec | ConvForward | ConvInputGradient | ConvWeightGradient


def build_product(spec: KernelSpec, machine: Machine) -> PrimFunc:
    """The kernel of a product alone."""
    if any(t.size == 0 for t in spec.inputs):
        return build_fill(spec, 0.0, loops_for(machine))
    return build(product_spec(spec.op, spec.inputs, spec.outputs[0]), machine)


def build_product_group(spec: KernelSpec, machine: Machine) -> PrimFunc:
    """The kernel of a product with what follows it.

    Parameters: what the product reads, what the operators after it read, the body's outputs.
    """
    assert isinstance(spec.op, Fused)
    body = spec.op.body.graph
    return build(group_spec(body), machine, body_epilogue(body))


def group_spec(body: Graph) -> ProductSpec | None:
    """What the product of a fused body computes; None if the body has none."""
    product = product_of(body.nodes)
    if product is None:
        return None
    types = tuple(v.type for v in product.inputs)
    out = body.outputs[0].type.with_shape(product.output.type.shape)
    return product_spec(product.op, types, out)


def product_spec(op: Op, inputs: tuple[TensorType, ...], out: TensorType) -> ProductSpec:
    """What a product computes."""
    x, w = inputs
    match op:
        case MatMul():
            return _gemm_spec(op, x, w, out)
        case Conv():
            return ConvForward(_conv_spec(op, x, w.static_shape))
        case ConvInputGrad():
            channels = w.static_shape[1] * op.groups
            made = x.with_shape((x.shape[0], channels, *op.size))
            return ConvInputGradient(_conv_spec(op, made, w.static_shape))
        case ConvWeightGrad():
            return ConvWeightGradient(_conv_spec(op, x, out.static_shape))
    raise NotImplementedError(f"{op.name} has no kernel among the products")


def _gemm_spec(op: MatMul, a: TensorType, b: TensorType, out: TensorType) -> GemmSpec:
    *batch, rows, columns = out.static_shape
    inner = a.static_shape[-2 if op.transpose_a else -1]

    def batch_of(kind: TensorType) -> tuple[int, ...]:
        own = kind.static_shape[:-2]
        return (1,) * (len(batch) - len(own)) + own

    return GemmSpec.contiguous(
        rows,
        columns,
        inner,
        transpose_a=op.transpose_a,
        transpose_b=op.transpose_b,
        batch=tuple(batch),
        batch_a=batch_of(a),
        batch_b=batch_of(b),
        dtype=a.dtype.name,
        out_dtype=memory_type(out.dtype),
    )


def _conv_spec(
    op: Conv | ConvInputGrad | ConvWeightGrad, x: TensorType, weight: tuple[int, ...]
) -> ConvSpec:
    n, channels, *size = x.static_shape
    return ConvSpec(
        n,
        channels,
        weight[0],
        tuple(size),
        weight[2:],
        op.stride,
        tuple(lo for lo, _ in op.padding),
        tuple(hi for _, hi in op.padding),
        op.dilation,
        op.groups,
        x.dtype.name,
    )
