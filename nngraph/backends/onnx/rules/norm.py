"""Softmax, activations and normalizations that the runtime has whole, and their gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nngraph import ops
from nngraph.backends.onnx.emission import Emission, Emissions, OpSite, Site
from nngraph.backends.onnx.rules.shape import filled
from nngraph.backends.onnx.rules.window import product
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import float64
from nngraph.ir.op import Op
from nngraph.ir.types import TensorType

__all__ = ["EMISSIONS"]

Lacks = Callable[[Op, Sequence[TensorType]], str]


def _no_float64(op: Op, types: Sequence[TensorType]) -> str:
    return "the kernel computes in float32" if types[0].dtype is float64 else ""


def _softmax(kind: str, lacks: Lacks | None = None) -> Emission:
    return Emission(lambda s: s(kind, s.inputs[0], axis=s.op.axis), lacks=lacks)


def _not_whole(op: Op, types: Sequence[TensorType]) -> str:
    return "the float64 kernel lets infinity pass for a number" if types[0].dtype is float64 else ""


def _gelu(s: OpSite[ops.Gelu]) -> str:
    return s("Gelu", s.inputs[0], approximate=s.op.approximate)


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
    sums = [s("ReduceSum", v, s.ints(0), keepdims=0) for v in (slope, dy)]
    return dx, *(s.reshape(v, s.types[4].shape, (width,)) for v in sums)


def _reciprocal(s: Site, count: Dim) -> str:
    """1 / count as a number, computed from the sizes where they are symbolic."""
    if isinstance(count, int):
        return s.number(1 / count if count else float("nan"))
    return s("Reciprocal", s.cast(s.reshape(s.writer.dim(count), ()), s.dtype))


def _batch_norm(s: OpSite[ops.BatchNormTraining]) -> Sequence[str]:
    """Momentum 0 makes the runtime return the batch's mean and biased variance."""
    olds = _scratch(s)
    return s.writer.ops(
        "BatchNormalization", (*s.inputs, *olds), 3, training_mode=1, momentum=0.0, epsilon=s.op.eps
    )


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
    """Sum of x[N, C, ...] for each channel: the contiguous axes first."""
    rank = s.types[1].rank
    if rank > 2:
        x = s("ReduceSum", x, s.ints(*range(2, rank)), keepdims=0)
    return s("ReduceSum", x, s.ints(0), keepdims=0)


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
    ops.Softmax: _softmax("Softmax"),
    ops.LogSoftmax: _softmax("LogSoftmax", _not_whole),
    ops.Gelu: Emission(_gelu, lacks=_no_float64),
    ops.LayerNorm: Emission(_layer_norm, lacks=_no_float64),
    ops.LayerNormGrad: Emission(_layer_norm_grad),
    ops.BatchNormTraining: Emission(_batch_norm),
    ops.BatchNormInference: Emission(_batch_norm_inference),
    ops.BatchNormGrad: Emission(_batch_norm_grad),
}
