"""Cases: sparse."""

from __future__ import annotations

import numpy as np

from tests.nn.modules.case import ids, of, x

_IDS = np.array([0, 2, 6, 3, 2, 1, 2, 2])
_OFFSETS = np.array([0, 2, 2, 6])  # the second bag has nothing, the last only padding

_FREQUENCIES = "PyTorch's scale_grad_by_freq takes other rows' frequencies; nngraph's their own"

CASES = [
    of("Embedding", 7, 3).on(ids(7, 2, 5)),
    of("Embedding", 7, 3, padding_idx=-1).on(np.array([[0, 6, 6], [1, 2, 6]])),
    of("Embedding", 7, 3, max_norm=1.0).on(ids(7, 2, 5)),
    of("Embedding", 7, 3, max_norm=0.5, norm_type=1.0, padding_idx=2).on(ids(7, 2, 5)),
    of("Embedding", 7, 3, scale_grad_by_freq=True).on(ids(3, 2, 5)),
    of("Embedding", 7, 3, padding_idx=7).but(raises=True),
    of("Embedding", 7, 3, 0, _weight=np.ones((3, 7))).but(raises=True),
    *(of("EmbeddingBag", 7, 3, mode=mode).on(ids(7, 2, 5)) for mode in ("sum", "mean", "max")),
    *(
        of("EmbeddingBag", 7, 3, mode=mode, padding_idx=2).on(_IDS, _OFFSETS)
        for mode in ("sum", "mean", "max")
    ),
    *(
        of("EmbeddingBag", 7, 3, mode=mode, padding_idx=2).on(_IDS[:6].reshape(3, 2))
        for mode in ("sum", "mean", "max")
    ),
    of("EmbeddingBag", 7, 3, include_last_offset=True).on(_IDS, np.array([0, 3, 3, 8])),
    of("EmbeddingBag", 7, 3, mode="sum").on(_IDS, _OFFSETS, x(8)),
    of("EmbeddingBag", 7, 3, mode="sum").on(ids(7, 2, 4), None, x(2, 4)),
    of("EmbeddingBag", 7, 3, 1.0, mode="sum").on(_IDS, _OFFSETS),
    of("EmbeddingBag", 7, 3, scale_grad_by_freq=True)
    .on(_IDS, _OFFSETS)
    .but(
        no_gradient="PyTorch's scale_grad_by_freq takes other rows' frequencies; nngraph's does not"
    ),
    of("EmbeddingBag", 7, 3).on(_IDS, _OFFSETS, x(8)).but(raises=True),
    of("EmbeddingBag", 7, 3, mode="sum").on(_IDS, _OFFSETS, x(7)).but(raises=True),
    of("EmbeddingBag", 7, 3, mode="some").on(_IDS, _OFFSETS).but(raises=True),
    of("EmbeddingBag", 7, 3).on(_IDS).but(raises=True),
    of("EmbeddingBag", 7, 3).on(ids(7, 2, 5), _OFFSETS).but(raises=True),
    of("EmbeddingBag", 7, 3).on(ids(7, 2, 5, 1)).but(raises=True),
    of("EmbeddingBag", 7, 3).on(_IDS, _OFFSETS + 1).but(raises=True),
    of("EmbeddingBag", 7, 3).on(_IDS, np.array([0, 9])).but(raises=True),
    of("EmbeddingBag", 7, 3, padding_idx=7).but(raises=True),
    of("EmbeddingBag", 7, 3, _weight=np.ones((3, 7))).but(raises=True),
]
