"""Rewritings that pay in ONNX Runtime only; each keeps every number (up to the order of a sum)."""

from __future__ import annotations

from nngraph import ops
from nngraph.backends.onnx.fused import BiasConv, BiasMatMul
from nngraph.ir.dtypes import float32, float64
from nngraph.ir.graph import Value
from nngraph.ir.op import apply1
from nngraph.passes.pattern import Match, Rule, node, splat

__all__ = ["FUSIONS"]


def _read_once(value: Value) -> str | None:
    return "the product is read elsewhere too" if len(value.uses) > 1 else None


def _bias_for_matmul(match: Match) -> str | None:
    """Gemm takes a bias that broadcasts to its matrix; the second operand must be a matrix."""
    product, bias = match.product, match.bias
    assert product.producer is not None
    left, right = (v.type for v in product.producer.inputs)
    if product.type.dtype not in (float32, float64):
        return "half precision rounds the product before the bias is added"
    op = match.op(ops.MatMul, "product")
    if right.rank != 2 or (left.rank != 2 and op.transpose_a):
        return "the product is not one of two matrices"
    shape = bias.type.shape
    lead = left.rank == 2 and bias.type.shape == product.type.shape
    row = all(d == 1 for d in shape[:-1]) and shape[-1:] in (product.type.shape[-1:], (1,))
    if not (lead or row) or match.result != product.type:
        return f"a bias of {bias.type} is not one row"
    return _read_once(product)


def _matmul_with_bias(match: Match) -> Value:
    product, bias = match.product, match.bias
    assert product.producer is not None
    a, b = product.producer.inputs
    op = match.op(ops.MatMul, "product")
    if bias.type.shape != product.type.shape or product.type.rank != 2:
        bias = ops.reshape(bias, bias.type.shape[-1:])
    return apply1(BiasMatMul(op.transpose_a, op.transpose_b), a, b, bias)


def _bias_for_conv(match: Match) -> str | None:
    product, shape = match.product, match.bias.type.shape
    if product.type.dtype is not float32:
        return "only the float32 kernel adds a bias before it rounds"
    rank = product.type.rank
    full = (1,) * (rank - len(shape)) + shape
    wanted = (1, product.type.shape[1], *(1,) * (rank - 2))
    if full != wanted or match.result != product.type:
        return f"a bias of {match.bias.type} is not one number for each filter"
    return _read_once(product)


def _conv_with_bias(match: Match) -> Value:
    product = match.product
    assert product.producer is not None
    op = match.op(ops.Conv, "product")
    bias = ops.reshape(match.bias, (product.type.shape[1],))
    attributes = (op.stride, op.padding, op.dilation, op.groups)
    return apply1(BiasConv(attributes), *product.producer.inputs, bias)


def _masks_itself(match: Match) -> str | None:
    if len(match.spread.uses) > 1:
        return "the gradient is read before the mask, too"
    same = match.mask.type.shape == match.spread.type.shape
    return None if same else "the mask is of another shape"


def _mask_pooled(match: Match) -> Value:
    """The mask on the small side: an element that gets a gradient equals its window's maximum."""
    op = match.op(ops.MaxPoolGrad, "spread")
    pool = ops.MaxPool(op.kernel, op.stride, op.padding, op.dilation, op.ceil_mode)
    pooled = apply1(pool, match.x)
    kept = ops.where(ops.le(pooled, 0.0), 0.0, match.dy)
    return apply1(op, match.x, kept)


FUSIONS = (
    Rule(
        "where(x <= 0, 0, max_pool_grad(x, dy)): mask dy",
        lambda x, dy: node(
            ops.Where,
            node(ops.Le, x, splat(0.0), name="mask"),
            splat(0.0),
            node(ops.MaxPoolGrad, x, dy, name="spread"),
        ),
        _mask_pooled,
        _masks_itself,
    ),
    Rule(
        "matmul(a, b) + bias",
        lambda a, b, bias: node(ops.Add, node(ops.MatMul, a, b, name="product"), bias),
        _matmul_with_bias,
        _bias_for_matmul,
    ),
    Rule(
        "conv(x, w) + bias",
        lambda x, w, bias: node(ops.Add, node(ops.Conv, x, w, name="product"), bias),
        _conv_with_bias,
        _bias_for_conv,
    ),
)
