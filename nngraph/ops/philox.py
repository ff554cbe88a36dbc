"""Philox-4x32-10, a generator that makes four words of a counter and a key.

Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from nngraph.ir.op import Array

__all__ = ["LOW_WORD", "MULTIPLIERS", "ROUNDS", "key_steps", "philox_words"]

ROUNDS: Final = 10
MULTIPLIERS: Final = (0xD2511F53, 0xCD9E8D57)
"""Factors of words 0 and 2 of the counter; each product is 64 bits long."""
LOW_WORD: Final = 0xFFFFFFFF
_KEY_STEPS: Final = (0x9E3779B9, 0xBB67AE85)


def key_steps(round_: int) -> tuple[int, int]:
    """What is added to the two words of the key (modulo 2**32) in a round."""
    first, second = _KEY_STEPS
    return first * round_ & LOW_WORD, second * round_ & LOW_WORD


def philox_words(state: Array, count: int) -> Array:
    """The first ``count`` words of a draw, laid out as ``RandomBits`` says."""
    blocks = -(-count // 4)
    key, draw = tuple(map(int, state[:2])), int(state[2])
    c = [np.arange(blocks, dtype=np.uint64), *(np.full(blocks, v, np.uint64) for v in (0, draw, 0))]
    for round_ in range(ROUNDS):
        product0, product1 = (c[2 * i] * np.uint64(MULTIPLIERS[i]) for i in (0, 1))
        key0, key1 = ((k + s) & LOW_WORD for k, s in zip(key, key_steps(round_), strict=True))
        c = [
            (product1 >> np.uint64(32)) ^ c[1] ^ np.uint64(key0),
            product1 & np.uint64(LOW_WORD),
            (product0 >> np.uint64(32)) ^ c[3] ^ np.uint64(key1),
            product0 & np.uint64(LOW_WORD),
        ]
    return np.concatenate(c).astype(np.uint32)[:count]
