"""Matrix products and convolutions, alone or with an epilogue."""

from __future__ import annotations

from typing import Any

from nngraph.backends.tvm.codegen.epilogue import body_epilogue, memory_type
from nngraph.backends.tvm.codegen.move import build_fill
from nngraph.backends.tvm.fuse.kinds import product_of
from nngraph.backends.tvm.program.program import KernelSpec
from nngraph.backends.tvm.specs import ConvSpec, GemmSpec
from nngraph.backends.tvm.strategies.common import Epilogue
from nngraph.backends.tvm.strategies.conv import (
    conv_forward,
    conv_input_gradient,
    conv_weight_gradient,
)
from nngraph.backends.tvm.strategies.gemm import gemm
from nngraph.ir.op import Op
from nngraph.ir.types import TensorType
from nngraph.ops.fused import Fused
from nngraph.ops.linalg import MatMul
from nngraph.ops.window.conv import Conv, ConvInputGrad, ConvWeightGrad

__all__ = ["build_product", "build_product_group"]


def build_product(spec: KernelSpec) -> Any:
    """The kernel of a product alone."""
    if any(t.size == 0 for t in spec.inputs):
        return build_fill(spec, 0.0)
    return _build(spec.op, spec.inputs, spec.outputs[0], None)


def build_product_group(spec: KernelSpec) -> Any:
    """The kernel of a product with what follows it.

    Parameters: what the product reads, what the operators after it read, the body's outputs.
    """
    assert isinstance(spec.op, Fused)
    body = spec.op.body.graph
    product = product_of(body.nodes)
    assert product is not None
    types = tuple(v.type for v in product.inputs)
    out = body.outputs[0].type.with_shape(product.output.type.shape)
    return _build(product.op, types, out, body_epilogue(body))


def _build(
    op: Op, inputs: tuple[TensorType, ...], out: TensorType, epilogue: Epilogue | None
) -> Any:
    x, w = inputs
    match op:
        case MatMul():
            return gemm(_gemm_spec(op, x, w, out), epilogue)
        case Conv():
            return conv_forward(_conv_spec(op, x, w.static_shape), epilogue)
        case ConvInputGrad():
            channels = w.static_shape[1] * op.groups
            made = x.with_shape((x.shape[0], channels, *op.size))
            return conv_input_gradient(_conv_spec(op, made, w.static_shape), epilogue)
        case ConvWeightGrad():
            return conv_weight_gradient(_conv_spec(op, x, out.static_shape))
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
