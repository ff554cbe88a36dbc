"""Attention: products of queries and keys that weigh values, in one head or several.

Source: Vaswani et al., "Attention Is All You Need", 2017;
https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import cast

from nngraph import ops
from nngraph.frontend.functional.creation import zeros, zeros_like
from nngraph.frontend.functional.joining import cat
from nngraph.frontend.functional.selection import where
from nngraph.frontend.precision.casting import autocasts, cast_as
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import DType, bool_
from nngraph.nn.functional.convolution import pad
from nngraph.nn.functional.dropouts import dropout
from nngraph.nn.functional.products import linear

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


@autocasts
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
            f"got {query.aval}, {key.aval} and {value.aval}"
        )
    if not dropout_p:
        return ops.scaled_dot_product_attention(query, key, value, attn_mask, is_causal, scale)
    width = float(cast("int", query.shape[-1]) or 1)  # without one all scores are 0
    factor = width**-0.5 if scale is None else scale
    scores = query @ key.transpose(-2, -1) * factor
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
    *lead, tokens, width = tensor.aval.shape
    out = tensor.unsqueeze(-3).expand(*lead, wanted // heads, tokens, width)
    return out.reshape(*lead[:-1], wanted, tokens, width)


def added_mask(
    mask: Tensor | None, name: str, dtype: DType, like: Tensor | None = None, other: str = ""
) -> Tensor | None:
    """A mask as what is added to scores: minus infinity where a bool one holds.

    Args:
        mask: of bools (True takes no part) or of numbers.
        name: of the argument.
        dtype: of the scores.
        like: another mask, of the argument ``other``, which should be of the same dtype.

    Raises:
        AssertionError: for a mask of integers.
    """
    if mask is None:
        return None
    if mask.dtype is not bool_ and not mask.dtype.is_floating_point:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if like is not None and like.dtype is not mask.dtype:
        warnings.warn(
            f"Support for mismatched {name} and {other} is deprecated. "
            "Use same type for both instead.",
            stacklevel=3,
        )
    if mask.dtype is not bool_:
        return mask
    return zeros_like(mask, dtype=dtype).masked_fill(mask, float("-inf"))


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What ``nn.MultiheadAttention`` computes, of ``[L, N, E]`` or ``[L, E]``.

    Args:
        query: ``[L, N, E]``; without a batch ``[L, E]``.
        key, value: ``[S, N, E]``, or of other widths with projections of their own.
        embed_dim_to_check: E.
        num_heads: H, which divides E.
        in_proj_weight: ``[3 E, E]``, the projections of query, key and value.
        in_proj_bias: ``[3 E]``.
        bias_k, bias_v: ``[1, 1, E]``, one more key and value.
        add_zero_attn: whether there is one more key and value of zeros.
        dropout_p: the share of weights that are dropped in training.
        out_proj_weight, out_proj_bias: of the projection of the result.
        training: whether weights are dropped.
        key_padding_mask: ``[N, S]``, the keys that take no part (bools), or what is added.
        need_weights: whether the weights are returned.
        attn_mask: ``[L, S]`` or ``[N H, L, S]``, pairs that take no part, or what is added.
        use_separate_proj_weight: whether the three weights below are used.
        q_proj_weight, k_proj_weight, v_proj_weight: ``[E, width]``.
        static_k, static_v: ``[N H, S, E / H]``, instead of what is projected.
        average_attn_weights: whether the weights are the mean over the heads.
        is_causal: a hint that ``attn_mask`` is the causal one, which is then not read.

    Returns:
        ``[L, N, E]`` (or ``[L, E]``), and the weights ``[N, L, S]`` (or ``[L, S]``), with an
        axis of H before L if they are no mean; None if they are not needed.

    Raises:
        AssertionError: for shapes that do not fit.
        RuntimeError: for a mask of another shape, and for the hint without a mask.
    """
    batched = _is_batched(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = _with_batch(query, key, value)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, width = query.aval.shape
    mask, padding, is_causal = _masks(query, attn_mask, key_padding_mask, need_weights, is_causal)
    _need_width(width, embed_dim_to_check, num_heads)
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else ()
    q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias, separate)
    mask = _mask_of_heads(mask, (length, key.aval.shape[0]), batch, num_heads)
    k, v = _with_biases(k, v, bias_k, bias_v, (static_k, static_v))
    q = _heads(q, num_heads)
    k = _heads(k, num_heads) if static_k is None else _static(static_k, "static_k", q)
    v = _heads(v, num_heads) if static_v is None else _static(static_v, "static_v", q)
    k, v = (_with_zeros(k), _with_zeros(v)) if add_zero_attn else (k, v)
    more = (bias_k is not None) + bool(add_zero_attn)
    mask = _merged(mask, padding, more, (batch, k.aval.shape[2]))
    rate = dropout_p if training else 0.0
    out, weights = _attention(q, k, v, mask, rate, need_weights, is_causal)
    out = out.permute(2, 0, 1, 3).reshape(length, batch, width)
    out = linear(out, out_proj_weight, out_proj_bias)
    weights = weights.mean(1) if weights is not None and average_attn_weights else weights
    if batched:
        return out, weights
    return out.squeeze(1), None if weights is None else weights.squeeze(0)


def _masks(
    query: Tensor,
    attn_mask: Tensor | None,
    key_padding_mask: Tensor | None,
    need_weights: bool,
    is_causal: bool,
) -> tuple[Tensor | None, Tensor | None, bool]:
    """Both masks as what is added, and whether the first is not read as it is the causal one."""
    padding = added_mask(key_padding_mask, "key_padding_mask", query.dtype, attn_mask, "attn_mask")
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and padding is None and not need_weights:
        return None, None, True
    return added_mask(attn_mask, "attn_mask", query.dtype), padding, False


def _with_zeros(x: Tensor) -> Tensor:
    batch, heads, _, width = x.aval.shape
    return cat([x, zeros((batch, heads, 1, width), dtype=x.dtype)], 2)


def _need(holds: bool, text: str) -> None:
    if not holds:
        raise AssertionError(text)


def _is_batched(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    num_heads: int,
) -> bool:
    """Whether there is an axis of samples; refuses operands of ranks that do not fit."""
    if query.ndim not in (2, 3):
        raise AssertionError(
            "query should be unbatched 2D or batched 3D tensor but received "
            f"{query.ndim}-D query tensor"
        )
    rank, what = query.ndim, "batched (3-D)" if query.ndim == 3 else "unbatched (2-D)"
    _need(
        key.ndim == value.ndim == rank,
        f"For {what} `query`, expected `key` and `value` to be {rank}-D but found {key.ndim}-D "
        f"and {value.ndim}-D tensors respectively",
    )
    _need(
        key_padding_mask is None or key_padding_mask.ndim == rank - 1,
        f"For {what} `query`, expected `key_padding_mask` to be `None` or {rank - 1}-D",
    )
    _need(
        attn_mask is None or attn_mask.ndim in (2, 3),
        f"For {what} `query`, expected `attn_mask` to be `None`, 2-D or 3-D",
    )
    if rank == 2 and attn_mask is not None and attn_mask.ndim == 3:
        wanted = (num_heads, query.aval.shape[0], key.aval.shape[0])
        _need(
            attn_mask.aval.shape == wanted,
            f"Expected `attn_mask` shape to be {wanted} but got {attn_mask.shape}",
        )
    return rank == 3


def _with_batch(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One sample; operands that are one tensor stay one."""
    k = key.unsqueeze(1)
    q = k if query is key else query.unsqueeze(1)
    return q, k, k if value is key else value.unsqueeze(1)


def _need_width(width: Dim, wanted: int, heads: int) -> None:
    _need(width == wanted, f"was expecting embedding dimension of {wanted}, but got {width}")
    fits = isinstance(width, int) and width % heads == 0
    _need(fits, f"embed_dim {width} not divisible by num_heads {heads}")


def _projected(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    separate: Sequence[Tensor | None],
) -> Sequence[Tensor]:
    """One product for all operands that are the same tensor, if the weights are one."""
    biases = (None, None, None) if bias is None else bias.chunk(3)
    if separate:
        _need(
            key.aval.shape[:2] == value.aval.shape[:2],
            f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}",
        )
        given = all(w is not None for w in separate)
        _need(given, "use_separate_proj_weight is True but a projection's weight is None")
        rows = zip((query, key, value), cast("Sequence[Tensor]", separate), biases, strict=True)
        return [linear(x, w, b) for x, w, b in rows]
    same = key.aval.shape == value.aval.shape
    _need(same, f"key shape {key.shape} does not match value shape {value.shape}")
    if weight is None:
        raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
    if key is value and query is key:
        return linear(query, weight, bias).chunk(3, -1)
    if key is not value:
        rows = zip((query, key, value), weight.chunk(3), biases, strict=True)
        return [linear(x, w, b) for x, w, b in rows]
    width = query.aval.shape[-1]
    b, more = (None, None) if bias is None else (bias[:width], bias[width:])
    return linear(query, weight[:width], b), *linear(key, weight[width:], more).chunk(2, -1)


def _with_biases(
    k: Tensor,
    v: Tensor,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    static: Sequence[Tensor | None],
) -> tuple[Tensor, Tensor]:
    """One more key and value, the same for all samples."""
    if bias_k is None or bias_v is None:
        _need(bias_k is None, "bias_k is set but bias_v is None")
        _need(bias_v is None, "bias_v is set but bias_k is None")
        return k, v
    for x, name in zip(static, ("key", "value"), strict=True):
        _need(x is None, f"bias cannot be added to static {name}.")
    _, batch, width = k.aval.shape
    return cat([k, bias_k.expand(1, batch, width)]), cat([v, bias_v.expand(1, batch, width)])


def _merged(
    mask: Tensor | None, padding: Tensor | None, more: int, keys: tuple[Dim, Dim]
) -> Tensor | None:
    """Both masks as one, that lets ``more`` keys at the end take part."""
    if mask is not None and more:
        mask = pad(mask, (0, more))
    if padding is None:
        return mask
    padding = pad(padding, (0, more)) if more else padding
    _need(
        padding.aval.shape == keys,
        f"Expected key_padding_mask of shape {keys}, but got {padding.shape}",
    )
    padding = padding.unsqueeze(1).unsqueeze(1)
    return padding if mask is None else mask + padding


def _mask_of_heads(
    mask: Tensor | None, pairs: tuple[Dim, Dim], batch: Dim, heads: int
) -> Tensor | None:
    """``[L, S]`` or ``[N H, L, S]`` as what broadcasts to ``[N, H, L, S]``."""
    if mask is None:
        return None
    wanted = pairs if mask.ndim == 2 else (batch * heads, *pairs)
    if mask.aval.shape != wanted:
        raise RuntimeError(
            f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {wanted}."
        )
    return mask.reshape(1, 1, *pairs) if mask.ndim == 2 else mask.reshape(batch, heads, *pairs)


def _heads(x: Tensor, heads: int) -> Tensor:
    """``[L, N, E]`` as ``[N, H, L, E / H]``."""
    length, batch, width = x.aval.shape
    return x.reshape(length, batch, heads, cast("int", width) // heads).permute(1, 2, 0, 3)


def _static(x: Tensor, name: str, q: Tensor) -> Tensor:
    batch, heads, _, width = q.aval.shape
    _need(
        x.aval.shape[0] == batch * heads,
        f"expecting {name}.size(0) of {batch * heads}, but got {x.shape[0]}",
    )
    _need(x.aval.shape[2] == width, f"expecting {name}.size(2) of {width}, but got {x.shape[2]}")
    return x.reshape(batch, heads, x.aval.shape[1], width)


def _attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    dropout_p: float,
    need_weights: bool,
    is_causal: bool,
) -> tuple[Tensor, Tensor | None]:
    if not need_weights:
        return scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal), None
    scores = (q * math.sqrt(1.0 / cast("int", q.shape[-1]))) @ k.transpose(-2, -1)
    (mask,) = cast_as("baddbmm", mask)
    weights = (scores if mask is None else scores + mask).softmax(-1)
    weights = dropout(weights, dropout_p) if dropout_p else weights
    return weights @ v, weights
