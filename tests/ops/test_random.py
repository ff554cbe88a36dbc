from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nngraph.ir.builder import Builder
from nngraph.ir.dtypes import bfloat16, float16, float32, float64, int32
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.types import TypeMismatch, tensor_type
from nngraph.ops import Normal, RandomBits, Uniform, advance

STATE = np.asarray([42, 7, 0], np.uint32)


def test_known_answers() -> None:
    """The vectors of the paper's own library (Random123, kat_vectors, philox4x32 10)."""
    zero = RandomBits((4,)).eval(np.zeros(3, np.uint32))[0]
    assert [f"{w:08x}" for w in zero] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]


def test_against_a_scalar_generator() -> None:
    """Word i is word i // blocks of block i % blocks, with the draw in the counter."""

    def block(counter: list[int], key: list[int]) -> list[int]:
        for _ in range(10):
            a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
            counter = [
                (b >> 32) ^ counter[1] ^ key[0],
                b % 2**32,
                (a >> 32) ^ counter[3] ^ key[1],
                a % 2**32,
            ]
            key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
        return counter

    state = np.asarray([2**32 - 1, 99, 12], np.uint32)
    got = RandomBits((2, 5)).eval(state)[0].reshape(-1)
    blocks = [block([i, 0, 12, 0], [2**32 - 1, 99]) for i in range(3)]
    assert got.tolist() == [blocks[i % 3][i // 3] for i in range(10)]


def test_draws_and_keys_differ() -> None:
    words = RandomBits((1000,))
    states = [(1, 2, 3), (1, 2, 4), (1, 3, 3), (2, 2, 3)]
    drawn = [words.eval(np.asarray(s, np.uint32))[0] for s in states]
    for i, one in enumerate(drawn):
        assert len(set(one.tolist())) > 995
        assert all(np.mean(one == other) < 0.01 for other in drawn[i + 1 :])


def test_advance_counts_the_draw() -> None:
    graph = Graph()
    state = graph.add_input(tensor_type("u32", (3,)))
    with Builder(graph):
        graph.add_output(advance(state))
    last = np.asarray([1, 2, 2**32 - 1], np.uint32)
    assert evaluate(graph, [STATE])[0].tolist() == [42, 7, 1]
    assert evaluate(graph, [last])[0].tolist() == [1, 2, 0]


@pytest.mark.parametrize("dtype", [float16, bfloat16, float32, float64], ids=str)
def test_uniform_fills_its_range(dtype: Any) -> None:
    (u,) = Uniform((40000,), dtype, 0.0, 1.0).eval(STATE)
    u = u.astype(np.float64)
    assert u.min() >= 0 and u.max() < 1
    assert abs(u.mean() - 0.5) < 0.01 and abs(u.var() - 1 / 12) < 0.002
    counts = np.histogram(u, 16, (0, 1))[0]
    assert np.sum((counts - 2500) ** 2 / 2500) < 45  # chi square, 15 degrees: 1 in 10,000
    (v,) = Uniform((4000,), dtype, -3.0, 5.0).eval(STATE)
    assert -3 <= v.astype(np.float64).min() and v.astype(np.float64).max() <= 5


@pytest.mark.parametrize("dtype", [float16, bfloat16, float32, float64], ids=str)
@pytest.mark.parametrize("count", [40000, 39999])
def test_normal_has_the_right_moments(dtype: Any, count: int) -> None:
    z = Normal((count,), dtype).eval(STATE)[0].astype(np.float64)
    assert np.isfinite(z).all()
    moments = [np.mean(z**k) for k in range(1, 5)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.12)
    inside = np.mean(np.abs(z) < 1)
    assert abs(inside - math.erf(math.sqrt(0.5))) < 0.01
    half = len(z) // 2
    assert abs(np.mean(z[:half] * z[half : 2 * half])) < 0.02  # cosines against sines


def test_double_precision_uses_more_bits() -> None:
    (u,) = Uniform((1000,), float64, 0.0, 1.0).eval(STATE)
    assert np.mean(u * 2**24 % 1 == 0) < 0.01


def test_misuse_is_named() -> None:
    with pytest.raises(TypeMismatch, match="two words of the key and the draw"):
        RandomBits((2,)).infer(tensor_type("i64", (3,)))
    with pytest.raises(TypeMismatch, match="a float type"):
        Uniform((2,), int32, 0.0, 1.0).infer(tensor_type("u32", (3,)))
