"""Random bits from counters, in integer operators (the runtime's own generators keep no state)."""

from __future__ import annotations

import numpy as np

from nngraph import ops
from nngraph.backends.onnx.emission import Emission, Emissions, OpSite, Site
from nngraph.backends.onnx.rules.window import product
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import int64, uint32, uint64
from nngraph.ops.philox import LOW_WORD, MULTIPLIERS, ROUNDS, key_steps

__all__ = ["EMISSIONS"]


def _bits(s: OpSite[ops.RandomBits]) -> str:
    """Words are held in uint64, so that a product keeps its high half."""
    count = product(s.op.shape)
    blocks = (count + 3) // 4
    keys = [_word(s, 0), _word(s, 1)]
    zero = s.number(0, uint64)
    words = [_counter(s, blocks), zero, _word(s, 2), zero]
    for turn in range(ROUNDS):
        steps = zip(keys, key_steps(turn), strict=True)
        words = _round(s, words, [_bumped(s, key, step) for key, step in steps])
    flat = s.cast(s("Concat", *words, axis=0), uint32)
    if not isinstance(count, int) or count % 4:
        flat = s("Slice", flat, s.ints(0), s.writer.dim(count), s.ints(0))
    return s.reshape(flat, s.op.shape, (count,))


def _word(s: Site, position: int) -> str:
    index = s.writer.constant(np.array(position, np.int64))
    return s.cast(s("Gather", s.inputs[0], index, axis=0), uint64)


def _counter(s: Site, blocks: Dim) -> str:
    if isinstance(blocks, int) and blocks <= s.choices.small_constant:
        return s.writer.constant(np.arange(blocks, dtype=np.uint64))
    limit = s.reshape(s.writer.dim(blocks), ())
    line = s("Range", s.number(0, int64), limit, s.number(1, int64), dtype=int64)
    return s.cast(line, uint64)


def _bumped(s: Site, key: str, step: int) -> str:
    if not step:
        return key
    return s("BitwiseAnd", s("Add", key, s.number(step, uint64)), s.number(LOW_WORD, uint64))


def _round(s: Site, words: list[str], keys: list[str]) -> list[str]:
    products = [s("Mul", words[2 * i], s.number(MULTIPLIERS[i], uint64)) for i in (0, 1)]
    high = [s("BitShift", p, s.number(32, uint64), direction="RIGHT") for p in products]
    low = [s("BitwiseAnd", p, s.number(LOW_WORD, uint64)) for p in products]
    left = s("BitwiseXor", s("BitwiseXor", high[1], words[1]), keys[0])
    right = s("BitwiseXor", s("BitwiseXor", high[0], words[3]), keys[1])
    return [left, low[1], right, low[0]]


EMISSIONS: Emissions = {ops.RandomBits: Emission(_bits)}
