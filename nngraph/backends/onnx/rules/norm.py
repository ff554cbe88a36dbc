"""Softmax, activations and normalizations that the runtime has whole, and their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from nngraph import ops
from nngraph.backends.onnx.emission import Emission, Emissions, OpSite, Site
from nngraph.backends.onnx.rules.shape import filled
from nngraph.backends.onnx.rules.sums import added, averaged
from nngraph.backends.onnx.rules.window import product
from nngraph.ir.dims import Dim, SymDim
from nngraph.ir.dtypes import float64
from nngraph.ir.op import Op
from nngraph.ir.types import TensorType

__all__ = ["EMISSIONS"]

# The tangent that stands for the error function in the approximate GELU: of x * (a + b*x*x).
_LINEAR = math.sqrt(2 / math.pi)
_CUBIC = 0.044715 * _LINEAR

Lacks = Callable[[Op, Sequence[TensorType]], str]

# Elements from which on the runtime's own statistics lose digits: they are added up one by one in
# float32. The long way around takes the sums in blocks.
_LONG_ROW = 1 << 16  # of a layer normalization, of a plane of a batch normalization
_LONG_BATCH = 1 << 12  # planes, whose sums a batch normalization adds up
_LONG_SOFTMAX = 1 << 18  # vectors of sums, as in PyTorch; no vocabulary is as long


def _is_long(sizes: Sequence[Dim], most: int) -> str:
    count = math.prod(d for d in sizes if isinstance(d, int))
    return f"the kernel adds {count} numbers up one by one" if count > most else ""


def _no_float64(op: Op, types: Sequence[TensorType]) -> str:
    return "the kernel computes in float32" if types[0].dtype is float64 else ""


def _softmax(kind: str, lacks: Lacks) -> Emission:
    return Emission(lambda s: s(kind, s.inputs[0], axis=s.op.axis), lacks=lacks)


def _long_softmax(op: Op, types: Sequence[TensorType]) -> str:
    assert isinstance(op, ops.Softmax | ops.LogSoftmax)
    return _is_long(types[0].shape[op.axis : op.axis + 1], _LONG_SOFTMAX)


def _not_whole(op: Op, types: Sequence[TensorType]) -> str:
    if types[0].dtype is float64:
        return "the float64 kernel lets infinity pass for a number"
    return _long_softmax(op, types)


def _no_layer_norm(op: Op, types: Sequence[TensorType]) -> str:
    assert isinstance(op, ops.LayerNorm)
    if any(isinstance(d, SymDim) for d in types[0].shape[-op.rank :]):
        return "the kernel refuses rows of no elements"
    return _no_float64(op, types) or _is_long(types[0].shape[-op.rank :], _LONG_ROW)


def _long_layer_norm_grad(op: Op, types: Sequence[TensorType]) -> str:
    assert isinstance(op, ops.LayerNormGrad)
    return _is_long(types[1].shape[-op.rank :], _LONG_ROW)


def _no_epsilon64(op: Op, types: Sequence[TensorType]) -> str:
    return "epsilon is a float32 attribute" if types[0].dtype is float64 else ""


def _gelu(s: OpSite[ops.Gelu]) -> str:
    (x,) = s.inputs
    if s.writer.opset >= 20:
        return s("Gelu", x, approximate=s.op.approximate)
    if s.op.approximate == "tanh":
        scale = s("Mul", s("Mul", x, x), s.number(_CUBIC))
        bent = s("Tanh", s("Mul", x, s("Add", scale, s.number(_LINEAR))))
    else:
        bent = s("Erf", s("Mul", x, s.number(math.sqrt(0.5))))
    return s("Mul", s("Mul", x, s.number(0.5)), s("Add", bent, s.number(1)))


def _layer_norm(s: OpSite[ops.LayerNorm]) -> Sequence[str]:
    axis = s.types[0].rank - s.op.rank
    return s.writer.ops("LayerNormalization", s.inputs, 3, axis=axis, epsilon=s.op.eps)


def _layer_norm_grad(s: OpSite[ops.LayerNormGrad]) -> Sequence[str]:
    """With rows x: the means of dy*w and dy*w*normal are products with the column w/D."""
    rank, shape = s.op.rank, s.types[0].shape
    cut = len(shape) - rank
    rows, width = product(shape[:cut]), product(shape[cut:])
    dy, x = (s.reshape(v, (rows, width), shape) for v in s.inputs[:2])
    mean, rstd = (s.reshape(v, (rows, 1), s.types[2].shape) for v in s.inputs[2:4])
    weight = s.reshape(s.inputs[4], (width,), s.types[4].shape)
    normal = s("Mul", s("Sub", x, mean), rstd)
    slope = s("Mul", dy, normal)
    column = s("Mul", s.reshape(weight, (width, 1), (width,)), _reciprocal(s, width))
    inner = s("Mul", normal, s("MatMul", slope, column))
    dx = s("Sub", s("Sub", s("Mul", dy, weight), s("MatMul", dy, column)), inner)
    dx = s.reshape(s("Mul", dx, rstd), shape, (rows, width))
    sums = [added(s, v, (rows, width), (0,)) for v in (slope, dy)]
    return dx, *(s.reshape(v, s.types[4].shape, (width,)) for v in sums)


def _reciprocal(s: Site, count: Dim) -> str:
    """1 / count as a number, computed from the sizes where they are symbolic."""
    if isinstance(count, int):
        return s.number(1 / count if count else float("nan"))
    return s("Reciprocal", s.cast(s.reshape(s.writer.dim(count), ()), s.dtype))


def _batch_norm(s: OpSite[ops.BatchNormTraining]) -> Sequence[str]:
    """Momentum 0 makes the runtime return the batch's mean and biased variance."""
    shape = s.types[0].shape
    if _is_long(shape[:1], _LONG_BATCH) or _is_long(shape[2:], _LONG_ROW):
        return _batch_norm_in_blocks(s)
    olds = _scratch(s)
    return s.writer.ops(
        "BatchNormalization", (*s.inputs, *olds), 3, training_mode=1, momentum=0.0, epsilon=s.op.eps
    )


def _batch_norm_in_blocks(s: OpSite[ops.BatchNormTraining]) -> Sequence[str]:
    """Mean and variance as sums of blocks; then a normalization by given statistics."""
    x, weight, bias = s.inputs
    shape = s.types[0].shape
    axes = [a for a in range(len(shape)) if a != 1]
    mean = averaged(s, x, shape, axes)
    beside = (shape[1], *(1,) * (len(shape) - 2))
    centered = s("Sub", x, s.reshape(mean, beside, shape[1:2]))
    variance = averaged(s, s("Mul", centered, centered), shape, axes)
    y = s("BatchNormalization", x, weight, bias, mean, variance, epsilon=s.op.eps)
    return y, mean, variance


def _scratch(s: Site) -> list[str]:
    """Two vectors of zeros, one each channel, computed anew in every run from this node's operands.

    The runtime's training kernel writes the new statistics over the old ones that it is given, even
    over a constant, where a NaN would stay: 0 times NaN is NaN for good. And the runtime merges
    equal nodes, so zeros that two normalizations could share would hold the statistics of the last.
    """
    axes = [a for a in range(s.types[0].rank) if a != 1]
    zeros, ones = ([number] * len(axes) for number in (0, 1))
    first = s("Slice", s.inputs[0], s.ints(*zeros), s.ints(*ones), s.ints(*axes))
    row = s("Add", s("ReduceSum", first, s.ints(*axes), keepdims=0), s.inputs[1])
    return [s.cast(s(never, row, row), s.dtype) for never in ("Less", "Greater")]


def _batch_norm_inference(s: OpSite[ops.BatchNormInference]) -> str:
    return s("BatchNormalization", *s.inputs, epsilon=s.op.eps)


def _affine(s: Site, x: str, scale: str, shift: str) -> str:
    """scale[C] * x + shift[C] in one pass."""
    channels = s.types[1].shape[1]
    zeros, ones = (filled(s, v, s.dtype, (channels,)) for v in (0, 1))
    return s("BatchNormalization", x, scale, shift, zeros, ones, epsilon=0.0)


def _channel_sum(s: Site, x: str) -> str:
    """Sum of x[N, C, ...] for each channel."""
    kind = s.types[1]
    return added(s, x, kind.shape, [a for a in range(kind.rank) if a != 1])


def _batch_norm_grad(s: OpSite[ops.BatchNormGrad]) -> Sequence[str]:
    """The gradient dx is a*dy + b*(x - mean) + c with numbers a, b, c for each channel."""
    dy, x, mean, var, weight = s.inputs
    kind = s.types[1]
    share = _reciprocal(s, product((kind.shape[0], *kind.shape[2:])))
    rstd = s("Reciprocal", s("Sqrt", s("Add", var, s.number(s.op.eps))))
    beside = (kind.shape[1], *(1,) * (kind.rank - 2))
    centered = s("Sub", x, s.reshape(mean, beside, kind.shape[1:2]))
    dbias = _channel_sum(s, dy)
    dweight = s("Mul", _channel_sum(s, s("Mul", dy, centered)), rstd)
    a = s("Mul", weight, rstd)
    b = s("Neg", s("Mul", s("Mul", s("Mul", a, rstd), dweight), share))
    c = s("Neg", s("Mul", s("Mul", a, dbias), share))
    zero = filled(s, 0, s.dtype, (kind.shape[1],))
    dx = s("Add", _affine(s, dy, a, c), _affine(s, centered, b, zero))
    return dx, dweight, dbias


EMISSIONS: Emissions = {
    ops.Softmax: _softmax("Softmax", _long_softmax),
    ops.LogSoftmax: _softmax("LogSoftmax", _not_whole),
    ops.Gelu: Emission(_gelu, lacks=_no_float64),
    ops.LayerNorm: Emission(_layer_norm, lacks=_no_layer_norm),
    ops.LayerNormGrad: Emission(_layer_norm_grad, lacks=_long_layer_norm_grad),
    ops.BatchNormTraining: Emission(_batch_norm, lacks=_no_epsilon64),
    ops.BatchNormInference: Emission(_batch_norm_inference, lacks=_no_epsilon64),
    ops.BatchNormGrad: Emission(_batch_norm_grad),
}
