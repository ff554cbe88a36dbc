"""Stacks of layers: encoders, decoders, and both."""

from __future__ import annotations

import copy
import warnings
from typing import Any, cast

from nngraph.frontend.functional.creation import full
from nngraph.frontend.modes import is_grad_enabled
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.dtypes import DType
from nngraph.nn import functional as F
from nngraph.nn import init
from nngraph.nn.functional.attention import added_mask
from nngraph.nn.modules.container import ModuleList
from nngraph.nn.modules.module import Module
from nngraph.nn.modules.normalization import LayerNorm
from nngraph.nn.modules.transformer.layers import (
    Activation,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
)

__all__ = ["Transformer", "TransformerDecoder", "TransformerEncoder"]


class TransformerEncoder(Module):
    """A stack of copies of a layer.

    Args:
        encoder_layer: what is copied.
        num_layers: how often.
        norm: applied to the last result.
        enable_nested_tensor: whether, in evaluation without gradients, padded positions are left
            out, so that they are zero in the result.
        mask_check: whether that is done only if the padding is at the end.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.use_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check
        reason = _why_all_positions(encoder_layer)
        if enable_nested_tensor and reason:
            warnings.warn(
                "enable_nested_tensor is True, but self.use_nested_tensor is False because "
                f"{reason}",
                stacklevel=2,
            )
            self.use_nested_tensor = False

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """All layers, one after the other; masks are those of ``MultiheadAttention``."""
        padding = added_mask(src_key_padding_mask, "src_key_padding_mask", src.dtype, mask, "mask")
        added = added_mask(mask, "mask", src.dtype)
        causal = _is_causal(added, is_causal, src, self.layers[0])
        x = src
        for layer in self.layers:
            x = layer(x, src_mask=added, is_causal=causal, src_key_padding_mask=padding)
        if padding is not None and mask is None and self._leaves_out(src):
            x = x.masked_fill(_left_out(padding, self.mask_check).unsqueeze(-1), 0.0)
        return x if self.norm is None else cast("Tensor", self.norm(x))

    def _leaves_out(self, src: Tensor) -> bool:
        """Whether PyTorch would compute with nested tensors, without the padded positions."""
        first = self.layers[0]
        if not self.use_nested_tensor or first.training or src.ndim != 3:
            return False
        operands = [src, *first.parameters()]
        return not (is_grad_enabled() and any(x.requires_grad for x in operands))


def _left_out(padding: Tensor, at_the_end: bool) -> Tensor:
    """The padded positions; none, if ``at_the_end`` and there are others behind them."""
    padded = padding.ne(0)
    if not at_the_end or padding.shape[1] < 2:
        return padded
    follows = padded[:, 1:].logical_or(padded[:, :-1].logical_not())
    return padded.logical_and(follows.all())


def _why_all_positions(layer: Module) -> str:
    """Why PyTorch would not leave out padded positions; empty if it would."""
    if not isinstance(layer, TransformerEncoderLayer):
        return "encoder_layer was not TransformerEncoderLayer"
    attention = layer.self_attn
    reasons = (
        (layer.norm_first, ".norm_first was True"),
        (
            not attention.batch_first,
            ".self_attn.batch_first was not True(use batch_first for better inference performance)",
        ),
        (not attention._qkv_same_embed_dim, ".self_attn._qkv_same_embed_dim was not True"),
        (attention.in_proj_bias is None, ".self_attn was passed bias=False"),
        (not layer.activation_relu_or_gelu, ".activation_relu_or_gelu was not True"),
        (layer.norm1.eps != layer.norm2.eps, ".norm1.eps was not equal to encoder_layer.norm2.eps"),
        (attention.num_heads % 2 == 1, ".self_attn.num_heads is odd"),
    )
    return next((f"encoder_layer{text}" for holds, text in reasons if holds), "")


class TransformerDecoder(Module):
    """A stack of copies of a layer, all of which attend to one memory.

    Args:
        decoder_layer: what is copied.
        num_layers: how often.
        norm: applied to the last result.
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """All layers, one after the other; masks are those of ``MultiheadAttention``."""
        causal = _is_causal(tgt_mask, tgt_is_causal, tgt, self.layers[0])
        x = tgt
        for layer in self.layers:
            x = layer(
                x,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=causal,
                memory_is_causal=memory_is_causal,
            )
        return x if self.norm is None else cast("Tensor", self.norm(x))


class Transformer(Module):
    """An encoder and a decoder.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias: of the layers.
        num_encoder_layers, num_decoder_layers: how many there are.
        custom_encoder, custom_decoder: used instead.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
        custom_encoder: Any | None = None,
        custom_decoder: Any | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: object = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps)
        switches: dict[str, Any] = {
            "batch_first": batch_first,
            "norm_first": norm_first,
            "bias": bias,
            "device": device,
            "dtype": dtype,
        }

        def norm() -> LayerNorm:
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, device=device, dtype=dtype)

        if custom_encoder is None:
            encoder_layer = TransformerEncoderLayer(*options, **switches)
            custom_encoder = TransformerEncoder(encoder_layer, num_encoder_layers, norm())
        self.encoder = custom_encoder
        if custom_decoder is None:
            decoder_layer = TransformerDecoderLayer(*options, **switches)
            custom_decoder = TransformerDecoder(decoder_layer, num_decoder_layers, norm())
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """``[S, N, E]`` and ``[T, N, E]`` give ``[T, N, E]``.

        Raises:
            RuntimeError: if batch sizes or widths do not fit.
        """
        axis = 0 if self.batch_first else 1
        if src.ndim == 3 and src.aval.shape[axis] != tgt.aval.shape[axis]:
            raise RuntimeError("the batch number of src and tgt must be equal")
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        return self.decoder(  # type: ignore[no-any-return]
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(
        sz: int, device: object = None, dtype: DType | None = None
    ) -> Tensor:
        """``[sz, sz]``: minus infinity above the diagonal, 0 elsewhere."""
        return full((sz, sz), float("-inf"), device=device, dtype=dtype).triu(1)

    def _reset_parameters(self) -> None:
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)


def _copies(layer: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


def _is_causal(mask: Tensor | None, known: bool | None, x: Tensor, layer: Any) -> bool:
    """Whether the mask is the causal one, if nobody said: only where its elements are there.

    In a trace they may not be; the mask is then used as it is, which gives the same.
    """
    if known is not None or mask is None:
        return known is True
    batch_first = layer.self_attn.batch_first
    length = x.aval.shape[1 if batch_first and x.ndim == 3 else 0]
    if mask.aval.shape != (length, length):
        return False
    found = world().peek(mask._storage, mask._path)
    if found is None:
        return False
    wanted = Transformer.generate_square_subsequent_mask(int(cast("int", length)), dtype=mask.dtype)
    return bool((mask == wanted).all())
