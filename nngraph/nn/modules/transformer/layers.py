"""Layers of attention and feed-forward blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType
from nngraph.nn import functional as F
from nngraph.nn.functional.attention import added_mask
from nngraph.nn.modules.activation import GELU, ReLU
from nngraph.nn.modules.dropout import Dropout
from nngraph.nn.modules.linear import Linear
from nngraph.nn.modules.module import Module
from nngraph.nn.modules.multihead import MultiheadAttention
from nngraph.nn.modules.normalization import LayerNorm

__all__ = ["Activation", "TransformerDecoderLayer", "TransformerEncoderLayer"]

Activation = Callable[[Tensor], Tensor]


class _Layer(Module):
    """What the layers of encoders and decoders share: a feed-forward block and options."""

    #: Names of the attentions, in their order.
    _attentions: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: object = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        for name in self._attentions:
            attention = MultiheadAttention(
                d_model,
                nhead,
                dropout=dropout,
                bias=bias,
                batch_first=batch_first,
                device=device,
                dtype=dtype,
            )
            self.add_module(name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, device=device, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, device=device, dtype=dtype)
        self.norm_first = norm_first
        for i in range(len(self._attentions) + 1):
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, device=device, dtype=dtype)
            self.add_module(f"norm{i + 1}", norm)
        for i in range(len(self._attentions) + 1):
            self.add_module(f"dropout{i + 1}", Dropout(dropout))
        self._set_activation(activation)

    def _set_activation(self, activation: str | Activation) -> None:
        self.activation = _activation(activation) if isinstance(activation, str) else activation

    def _attended(
        self,
        name: str,
        x: Tensor,
        memory: Tensor,
        mask: Tensor | None,
        padding: Tensor | None,
        is_causal: bool,
    ) -> Tensor:
        attention: MultiheadAttention = getattr(self, name)
        return attention(  # type: ignore[no-any-return]
            x,
            memory,
            memory,
            attn_mask=mask,
            key_padding_mask=padding,
            need_weights=False,
            is_causal=is_causal,
        )[0]

    def _fed(self, x: Tensor) -> Tensor:
        hidden = self.dropout(self.activation(self.linear1(x)))
        return self.linear2(hidden)  # type: ignore[no-any-return]

    def _added(self, x: Tensor, position: int, block: Callable[[Tensor], Tensor]) -> Tensor:
        """A residual block, normalized before it or after it."""
        norm, dropout = (getattr(self, f"{kind}{position}") for kind in ("norm", "dropout"))
        if self.norm_first:
            return x + dropout(block(norm(x)))  # type: ignore[no-any-return]
        return norm(x + dropout(block(x)))  # type: ignore[no-any-return]


def _activation(name: str) -> Activation:
    if name not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {name}")
    return F.relu if name == "relu" else F.gelu


class TransformerEncoderLayer(_Layer):
    """Self-attention and a feed-forward block, ``[S, N, E] -> [S, N, E]``.

    Args:
        d_model: E.
        nhead: heads of the attention.
        dim_feedforward: width between the two linear maps.
        dropout: the share that is dropped after each block, and of the attention's weights.
        activation: ``"relu"``, ``"gelu"`` or a function.
        layer_norm_eps: of the normalizations.
        batch_first: whether inputs are ``[N, S, E]``.
        norm_first: whether each block normalizes its input instead of its result.
        bias: whether linear maps and normalizations have one.

    Raises:
        RuntimeError: for another name of an activation.
    """

    self_attn: MultiheadAttention

    _attentions = ("self_attn",)

    def _set_activation(self, activation: str | Activation) -> None:
        super()._set_activation(activation)
        kinds = ((F.relu, ReLU), (F.gelu, GELU))
        self.activation_relu_or_gelu = next(
            (
                i + 1
                for i, (function, kind) in enumerate(kinds)
                if self.activation is function or isinstance(self.activation, kind)
            ),
            0,
        )

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """The layer; masks are those of ``MultiheadAttention``."""
        padding = added_mask(
            src_key_padding_mask, "src_key_padding_mask", src.dtype, src_mask, "src_mask"
        )
        mask = added_mask(src_mask, "src_mask", src.dtype)

        def attended(x: Tensor) -> Tensor:
            return self._attended("self_attn", x, x, mask, padding, is_causal)

        return self._added(self._added(src, 1, attended), 2, self._fed)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to the encoder's memory, a feed-forward block: ``[T, N, E]``.

    The arguments are those of ``TransformerEncoderLayer``.
    """

    self_attn: MultiheadAttention
    multihead_attn: MultiheadAttention

    _attentions = ("self_attn", "multihead_attn")

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The layer; masks are those of ``MultiheadAttention``."""

        def attended(x: Tensor) -> Tensor:
            return self._attended("self_attn", x, x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)

        def remembered(x: Tensor) -> Tensor:
            padding = memory_key_padding_mask
            return self._attended(
                "multihead_attn", x, memory, memory_mask, padding, memory_is_causal
            )

        x = self._added(self._added(tgt, 1, attended), 2, remembered)
        return self._added(x, 3, self._fed)
