"""Products with weights, distances, and attention."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.joining import broadcast_tensors
from nngraph.frontend.functional.selection import where
from nngraph.frontend.functional.variants import function
from nngraph.frontend.promotion import promoted
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import bool_
from nngraph.nn.functional.dropouts import dropout
from nngraph.nn.functional.sizes import need_shape

__all__ = [
    "bilinear",
    "cosine_similarity",
    "linear",
    "normalize",
    "pairwise_distance",
    "pdist",
    "scaled_dot_product_attention",
]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x W^T + b``: ``[..., in]`` and ``weight [out, in]`` give ``[..., out]``.

    Raises:
        RuntimeError: if sizes or dtypes do not fit.
    """
    with_bias = bias is not None and (bias.ndim > 0 or input.ndim == 2)
    if weight.ndim not in (1, 2) or (weight.ndim == 1 and with_bias):
        raise RuntimeError(
            f"linear: the weight is {weight.type}; it must be a matrix, or a vector without a bias"
        )
    if not input.ndim or input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            f"linear: the input is {input.type} and the weight {weight.type}; the last size of "
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
    lead = input.type.shape[:-1]
    # One product of matrices, whatever the leading axes: backends do that best.
    rows = input if input.ndim == 2 else input.reshape(_count(lead), input.type.shape[-1])
    out = ops.matmul(rows, weight, transpose_b=True)
    out = out if bias is None else out + bias
    return out if input.ndim == 2 else out.reshape(*lead, weight.type.shape[0])


def _count(shape: Any) -> Any:
    total: Any = 1
    for d in shape:
        total = total * d
    return total


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x1^T A_k x2 + b_k`` for each ``k``; ``weight`` is ``[out, in1, in2]``."""
    outputs, in1, in2 = weight.type.shape
    flat = linear(input1, weight.permute(0, 2, 1).reshape(outputs * in2, in1))
    parts = flat.reshape(*input1.type.shape[:-1], outputs, in2)
    need_shape("the bias of bilinear", bias, outputs)
    out = (parts * input2.unsqueeze(-2)).sum(-1, dtype=parts.dtype)
    return out if bias is None else out + bias


@function
def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """``x / max(norm(x), eps)`` along ``dim``."""
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps)


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
    apart = (a - b).abs()
    if p == 0:
        return apart.ceil().clamp(max=1).sum(-1)
    if not math.isinf(p):
        return (a - b).norm(p, -1)
    # Each of several equal maxima gets the whole gradient.
    most = apart.detach().amax(-1)
    held = where(apart.eq(most.unsqueeze(-1)), apart, 0.0).sum(-1)
    return where(most.isfinite(), most + (held - held.detach()), most)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(scale * Q K^T + mask) V`` for ``[..., T, E]``, ``[..., S, E]``, ``[..., S, V]``.

    Args:
        query, key, value: the operands.
        attn_mask: bool (True takes part) or a term added to the scores, broadcast.
        dropout_p: probability of dropping a weight.
        is_causal: position ``i`` sees keys up to ``i``; not together with ``attn_mask``.
        scale: ``1 / sqrt(E)`` if None.
        enable_gqa: key and value may have fewer heads (axis -3), each used by several queries.

    Raises:
        RuntimeError: if ``is_causal`` and a mask are given.
    """
    if is_causal and attn_mask is not None:
        raise RuntimeError(
            "scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
        )
    if enable_gqa:
        key, value = (_repeat_heads(t, query) for t in (key, value))
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            "scaled_dot_product_attention: expected query, key and value of two axes or more, "
            f"got {query.type}, {key.type} and {value.type}"
        )
    if scale is None and query.shape[-1] == 0:
        scale = 1.0  # of scores that are all 0
    if not dropout_p:
        return ops.scaled_dot_product_attention(query, key, value, attn_mask, is_causal, scale)
    scores = query @ key.transpose(-2, -1) * (scale or float(cast("int", query.shape[-1])) ** -0.5)
    weights = _masked(scores, attn_mask, is_causal).softmax(-1)
    return dropout(weights, dropout_p) @ value


def _masked(scores: Tensor, mask: Tensor | None, is_causal: bool) -> Tensor:
    """Scores that may not take part are minus infinity; a mask of numbers is added."""
    if is_causal:
        mask = scores.detach().eq(scores.detach()).logical_or(scores.isnan()).tril()
    if mask is None:
        return scores
    return where(mask, scores, float("-inf")) if mask.dtype is bool_ else scores + mask


def _repeat_heads(tensor: Tensor, query: Tensor) -> Tensor:
    heads, wanted = cast("int", tensor.shape[-3]), cast("int", query.shape[-3])
    if wanted % heads:
        raise RuntimeError(f"enable_gqa: {wanted} query heads are no multiple of {heads}")
    *lead, tokens, width = tensor.type.shape
    out = tensor.unsqueeze(-3).expand(*lead, wanted // heads, tokens, width)
    return out.reshape(*lead[:-1], wanted, tokens, width)
