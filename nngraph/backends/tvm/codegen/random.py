"""Counter-based random bits: Philox-4x32-10 (Salmon et al., SC 2011), laid out as `RandomBits`."""

from __future__ import annotations

from collections.abc import Callable

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm import data
from nngraph.backends.tvm.codegen.common import Epilogue, Output, const, when
from nngraph.backends.tvm.loops.base import Buffer, Expr, Loops, PrimFunc
from nngraph.backends.tvm.tiles import cdiv
from nngraph.ops.philox import MULTIPLIERS, ROUNDS, key_steps

_BLOCKS = 64
"""Blocks of four words at a time, one in each lane."""
_TASK = 16 * _BLOCKS


def counter_words(block: Expr, state: Buffer) -> tuple[Expr, Expr, Expr, Expr]:
    """The four words of a block's counter; state is (key 0, key 1, draw)."""
    zero = const(0, "uint32")
    return tirx.Cast("uint32", block), zero, state[2] + zero, zero


def element_index(block: Expr, word: int, blocks: int) -> Expr:
    """The element that holds a word of a block."""
    return block + word * blocks


def philox_bits(
    count: int, loops: Loops, epilogue: Epilogue | None = None, out_dtype: str = "uint32"
) -> PrimFunc:
    """Words of one draw. Parameters: state (3,) uint32, the epilogue's extras, out (count,).

    The epilogue makes of a uint32 word and its index `[i]` a value of `out_dtype`: a uniform
    number, or a dropped-out element.
    """
    blocks = cdiv(count, 4)
    with loops.kernel("philox_bits") as k:
        state = k.argument("state", (3,), "uint32")
        out = Output.declare(k, count, out_dtype, epilogue)
        with (
            loops.tasks(cdiv(blocks, _TASK), count * ROUNDS) as task,
            T.serial(0, _TASK // _BLOCKS) as part,
        ):
            first = task * _TASK + part * _BLOCKS
            with T.If(first < blocks), T.Then():
                words = _generate(loops, first, state)
                for w, word in enumerate(words):
                    _store(loops, word, w, out, (first, blocks, count))
    return k.finish()


def _store(
    loops: Loops, word: Buffer, number: int, out: Output, where: tuple[Expr, int, int]
) -> None:
    first, blocks, count = where

    def store(lane: Expr) -> None:
        i = element_index(first + lane, number, blocks)
        out.store(word[lane], lambda: [i], i)

    def whole() -> None:
        with loops.lanes(_BLOCKS) as lane:
            store(lane)

    def edge() -> None:
        with T.serial(0, _BLOCKS) as lane:
            block = first + lane
            inside = tirx.all(block < blocks, element_index(block, number, blocks) < count)
            when(inside, lambda: store(lane))

    last = element_index(first + (_BLOCKS - 1), number, blocks)
    when(tirx.all(first + _BLOCKS <= blocks, last < count), whole, edge)


def _generate(loops: Loops, first: Expr, state: Buffer) -> list[Buffer]:
    """Blocks first, first + 1, ..: one buffer for each word, a block in each lane.

    Every step is a statement of its own: as one nested expression it would compile for minutes.
    """
    words = [loops.registers((_BLOCKS,), "uint32") for _ in range(4)]
    products = [loops.registers((_BLOCKS,), "uint64") for _ in range(2)]
    for w, word in enumerate(words):
        _set(loops, word, _counter_word(first, state, w))
    for step in range(ROUNDS):
        for i in (0, 1):
            _set(loops, products[i], _product(words[2 * i], MULTIPLIERS[i]))
        for i in (0, 1):
            bump = const(key_steps(step)[i], "uint32")
            _set(
                loops,
                words[2 * i],
                _mixed(products[1 - i], words[2 * i + 1], data.add(state[i], bump)),
            )
        for i in (0, 1):
            _set(loops, words[2 * i + 1], _low(products[1 - i]))
    return words


Lane = Callable[[Expr], Expr]


def _counter_word(first: Expr, state: Buffer, w: int) -> Lane:
    return lambda v: counter_words(first + v, state)[w]


def _product(word: Buffer, factor: int) -> Lane:
    return lambda v: data.mul(data.cast(word[v], "uint64"), const(factor, "uint64"))


def _mixed(product: Buffer, word: Buffer, key: Expr) -> Lane:
    def lane(v: Expr) -> Expr:
        high = tirx.Cast("uint32", tirx.op.shift_right(product[v], const(32, "uint64")))
        return high ^ word[v] ^ key

    return lane


def _low(product: Buffer) -> Lane:
    return lambda v: tirx.Cast("uint32", product[v])


def _set(loops: Loops, target: Buffer, value: Lane) -> None:
    with loops.lanes(_BLOCKS) as v:
        T.buffer_store(target, value(v), [v])
