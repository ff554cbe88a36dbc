"""Products with weights, and distances."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.distances import norm_of
from nngraph.frontend.functional.joining import broadcast_tensors
from nngraph.frontend.functional.selection import where
from nngraph.frontend.functional.variants import function
from nngraph.frontend.precision.casting import autocasts
from nngraph.frontend.promotion import promoted
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional.sizes import need_shape

__all__ = ["bilinear", "cosine_similarity", "linear", "normalize", "pairwise_distance", "pdist"]


@autocasts
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x W^T + b``: ``[..., in]`` and ``weight [out, in]`` give ``[..., out]``.

    Raises:
        RuntimeError: if sizes or dtypes do not fit.
    """
    with_bias = bias is not None and (bias.ndim > 0 or input.ndim == 2)
    if weight.ndim not in (1, 2) or (weight.ndim == 1 and with_bias):
        raise RuntimeError(
            f"linear: the weight is {weight.aval}; it must be a matrix, or a vector without a bias"
        )
    if not input.ndim or input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            f"linear: the input is {input.aval} and the weight {weight.aval}; the last size of "
            f"the input must be in_features = {weight.shape[-1]}"
        )
    if input.dtype is not weight.dtype:
        raise RuntimeError(
            f"mat1 and mat2 must have the same dtype, but got {input.dtype.name} "
            f"and {weight.dtype.name}"
        )
    if weight.ndim == 1:
        out = input @ weight
        return out if bias is None else out + bias
    lead = input.aval.shape[:-1]
    # One product of matrices, whatever the leading axes: backends do that best.
    rows = input if input.ndim == 2 else input.reshape(_count(lead), input.aval.shape[-1])
    out = ops.matmul(rows, weight, transpose_b=True)
    out = out if bias is None else out + bias
    return out if input.ndim == 2 else out.reshape(*lead, weight.aval.shape[0])


def _count(shape: Any) -> Any:
    total: Any = 1
    for d in shape:
        total = total * d
    return total


@autocasts
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x1^T A_k x2 + b_k`` for each ``k``; ``weight`` is ``[out, in1, in2]``."""
    outputs, in1, in2 = weight.aval.shape
    flat = linear(input1, weight.permute(0, 2, 1).reshape(outputs * in2, in1))
    parts = flat.reshape(*input1.aval.shape[:-1], outputs, in2)
    need_shape("the bias of bilinear", bias, outputs)
    out = (parts * input2.unsqueeze(-2)).sum(-1, dtype=parts.dtype)
    return out if bias is None else out + bias


@function
def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """``x / max(norm(x), eps)`` along ``dim``."""
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps)


@autocasts
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """``<x1, x2> / (max(|x1|, eps) max(|x2|, eps))`` along ``dim``, after broadcasting."""
    a, b = (
        x / _not_below(x.norm(2, dim, keepdim=True), eps)
        for x in promoted(*broadcast_tensors(x1, x2))
    )
    return (a * b).sum(dim)


def _not_below(norm: Tensor, least: float) -> Tensor:
    """At least ``least``, where the gradient is the norm's own."""
    return where(norm < least, norm + (least - norm.detach()), norm)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The norm of ``x1 - x2 + eps`` along the last dimension."""
    return (x1 - x2 + eps).norm(p, -1, keepdim)


@autocasts
def pdist(input: Tensor, p: float = 2) -> Tensor:
    """The norm of the difference of each pair of rows ``[N, M]``, the first row's first.

    Raises:
        RuntimeError: for another rank or a negative order.
    """
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    first, second = np.triu_indices(int(cast("int", input.shape[0])), 1)
    a, b = (ops.take(input, ops.constant(i.astype(np.int64), input), 0) for i in (first, second))
    return norm_of(a - b, p)
