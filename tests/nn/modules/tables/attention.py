"""Cases: attention, and the layers of transformers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.nn.modules.case import Case, of, x

HIDDEN = np.array([[False, True, False, False], [False] * 4, [True, False, False, True]])
PADDED = np.array([[False, False, False, True], [False, False, True, True]])
ADDED = np.linspace(-1, 1, 12).reshape(3, 4)
HEADS = np.tile(HIDDEN, (4, 1, 1))
HEADS[1, 0, 2] = True


def _attention(*args: Any, **options: Any) -> Case:
    return of("MultiheadAttention", *args, **options)


def _layer(**options: Any) -> Case:
    return of("TransformerEncoderLayer", 4, 2, 6, dropout=0.0, **options)


def _decoder(**options: Any) -> Case:
    return of("TransformerDecoderLayer", 4, 2, 6, dropout=0.0, **options)


QUERY, KEY, VALUE = x(3, 2, 4), x(4, 2, 4), x(4, 2, 4)
SOURCE, TARGET = x(4, 2, 4), x(3, 2, 4)

CASES = [
    _attention(4, 2).on(QUERY, KEY, VALUE),
    _attention(4, 4, bias=False).on(QUERY, KEY, VALUE, need_weights=False),
    _attention(4, 1, batch_first=True).on(x(2, 3, 4), x(2, 4, 4), x(2, 4, 4)),
    _attention(4, 2).on(x(3, 4), x(4, 4), x(4, 4), average_attn_weights=False),
    _attention(4, 2).on(QUERY, KEY, VALUE, attn_mask=HIDDEN),
    _attention(4, 2).on(QUERY, KEY, VALUE, attn_mask=ADDED, need_weights=False),
    _attention(4, 2).on(QUERY, KEY, VALUE, attn_mask=HEADS, average_attn_weights=False),
    _attention(4, 2).on(QUERY, KEY, VALUE, attn_mask=HEADS, need_weights=False),
    _attention(4, 2).on(x(3, 4), x(4, 4), x(4, 4), attn_mask=HEADS[:2]),
    _attention(4, 2).on(QUERY, KEY, VALUE, key_padding_mask=PADDED),
    _attention(4, 2).on(QUERY, KEY, VALUE, key_padding_mask=PADDED * -0.5),
    _attention(4, 2).on(
        QUERY, KEY, VALUE, key_padding_mask=PADDED, attn_mask=ADDED, need_weights=False
    ),
    _attention(4, 2, add_bias_kv=True).on(
        QUERY, KEY, VALUE, key_padding_mask=PADDED, attn_mask=HIDDEN
    ),
    _attention(4, 2, add_zero_attn=True).on(
        QUERY, KEY, VALUE, key_padding_mask=PADDED, attn_mask=HIDDEN
    ),
    _attention(4, 2, add_bias_kv=True, add_zero_attn=True).on(
        QUERY, KEY, VALUE, key_padding_mask=PADDED, need_weights=False
    ),
    _attention(4, 2, kdim=3, vdim=5).on(QUERY, x(4, 2, 3), x(4, 2, 5)),
    _attention(4, 2, kdim=3, vdim=5, bias=False, add_bias_kv=True).on(
        QUERY, x(4, 2, 3), x(4, 2, 5), need_weights=False
    ),
    _attention(4, 2).on(
        x(3, 2, 4),
        x(3, 2, 4),
        x(3, 2, 4),
        is_causal=True,
        need_weights=False,
        attn_mask=ADDED[:, :3],
    ),
    _attention(4, 3).but(raises=True),
    _attention(0, 1).but(raises=True),
    _attention(4, 2).on(QUERY, KEY, VALUE, is_causal=True).but(raises=True),
    _attention(4, 2).on(QUERY, KEY, VALUE, attn_mask=ADDED[:2]).but(raises=True),
    _attention(4, 2).on(QUERY, KEY, VALUE, attn_mask=HEADS[:3]).but(raises=True),
    _attention(4, 2).on(QUERY, KEY, VALUE, attn_mask=ADDED[0]).but(raises=True),
    _attention(4, 2).on(QUERY, KEY, VALUE, attn_mask=HIDDEN.astype(np.int64)).but(raises=True),
    _attention(4, 2).on(QUERY, KEY, VALUE, key_padding_mask=PADDED[:1]).but(raises=True),
    _attention(4, 2).on(QUERY, KEY, VALUE, key_padding_mask=PADDED[0]).but(raises=True),
    _attention(4, 2).on(QUERY, KEY, x(3, 2, 4)).but(raises=True),
    _attention(4, 2).on(QUERY, x(4, 4), x(4, 4)).but(raises=True),
    _attention(4, 2).on(x(3, 2, 6), KEY, VALUE).but(raises=True),
    _attention(4, 2).on(x(4), x(4), x(4)).but(raises=True),
    _layer().on(SOURCE),
    _layer(activation="gelu", norm_first=True).on(SOURCE),
    _layer(bias=False, batch_first=True, layer_norm_eps=1e-3).on(x(2, 4, 4)),
    _layer().on(x(4, 4)),
    _layer().on(SOURCE, src_mask=np.triu(np.ones((4, 4), bool), 1), src_key_padding_mask=PADDED),
    _layer(activation="tanh").but(raises=True),
    _decoder().on(TARGET, SOURCE),
    _decoder(norm_first=True, activation="gelu", bias=False).on(TARGET, SOURCE),
    _decoder(batch_first=True).on(x(2, 3, 4), x(2, 4, 4)),
    _decoder().on(
        TARGET,
        SOURCE,
        tgt_mask=np.triu(np.ones((3, 3), bool), 1),
        memory_mask=HIDDEN,
        memory_key_padding_mask=PADDED,
    ),
    of("Transformer", 4, 2, 1, 1, 6, 0.0).on(SOURCE, TARGET),
    of("Transformer", 4, 2, 2, 1, 6, 0.0, batch_first=True, norm_first=True).on(
        x(2, 4, 4), x(2, 3, 4), src_key_padding_mask=PADDED
    ),
    of("Transformer", 4, 2, 1, 1, 6, 0.0).on(SOURCE, x(3, 3, 4)).but(raises=True),
    of("Transformer", 4, 2, 1, 1, 6, 0.0).on(SOURCE, x(3, 2, 6)).but(raises=True),
]
