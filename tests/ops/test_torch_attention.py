"""Scaled dot-product attention against PyTorch, forward and gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nngraph.ir.types import TypeMismatch, tensor_type
from nngraph.ops.attention import ScaledDotProductAttention as Attention
from tests.support.oracle import compare

TYPES = [np.float64, np.float32]
LEADS = [(), (3,), (2, 3)]


def qkv(lead: tuple[int, ...], length: int, other: int, dtype: Any) -> list[Any]:
    rng = np.random.default_rng(0)
    shapes = ((*lead, length, 4), (*lead, other, 4), (*lead, other, 5))
    return [rng.standard_normal(s).astype(dtype) for s in shapes]


def twin(**keywords: Any) -> Callable[..., torch.Tensor]:
    def attend(q: Any, k: Any, v: Any, mask: Any = None) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, **keywords)

    return attend


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("lengths", [(4, 4), (3, 6), (6, 3), (1, 5)])
@pytest.mark.parametrize("lead", LEADS, ids=str)
def test_plain_and_causal(lead: Any, lengths: Any, dtype: Any) -> None:
    arrays = qkv(lead, *lengths, dtype)
    compare(Attention(), arrays, twin())
    compare(Attention(False, 0.7), arrays, twin(scale=0.7))
    compare(Attention(True), arrays, twin(is_causal=True))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("lead", LEADS[1:], ids=str)
def test_masks(lead: Any, dtype: Any) -> None:
    arrays = qkv(lead, 4, 6, dtype)
    rng = np.random.default_rng(1)
    for shape in ((4, 6), (*lead, 4, 6), (*lead[:-1], 1, 1, 6)):
        keep = rng.random(shape) < 0.6
        keep[..., 0] = True
        compare(Attention(), [*arrays, keep], twin())
        bias = rng.standard_normal(shape).astype(dtype)
        compare(Attention(), [*arrays, bias], twin())


@pytest.mark.parametrize("dtype", TYPES)
def test_a_query_that_sees_nothing_gets_zeros(dtype: Any) -> None:
    arrays = qkv((2,), 3, 5, dtype)
    keep = np.ones((3, 5), bool)
    keep[1] = False
    compare(Attention(), [*arrays, keep], twin())
    bias = np.where(keep, 0, -np.inf).astype(dtype)
    compare(Attention(), [*arrays, bias], twin())
    assert not Attention().eval(*arrays, keep)[0][:, 1].any()


def test_causal_and_mask_together() -> None:
    q, k, v = qkv((2,), 4, 4, np.float64)
    keep = np.asarray([False, True, True, True])  # so the first query sees nothing
    both = np.tri(4).astype(bool) & keep
    (got,) = Attention(True).eval(q, k, v, keep)
    np.testing.assert_allclose(got, Attention().eval(q, k, v, both)[0], rtol=1e-13)
    bias = np.where(keep, 0.5, -np.inf)
    (got,) = Attention(True).eval(q, k, v, bias)
    np.testing.assert_allclose(got, Attention().eval(q, k, v, both)[0], rtol=1e-13)


def test_symbolic_lengths() -> None:
    q, k = tensor_type("f32", ("n", 8, "l", 16)), tensor_type("f32", ("n", 8, "s", 16))
    assert Attention().infer(q, k, k, tensor_type("bool", ("l", "s"))) == (q,)


def test_misfits_are_refused() -> None:
    q, k = tensor_type("f32", (2, 3, 4)), tensor_type("f32", (2, 5, 4))
    with pytest.raises(TypeMismatch, match="as wide as q"):
        Attention().infer(q, tensor_type("f32", (2, 5, 3)), k)
    with pytest.raises(TypeMismatch, match="as long as k"):
        Attention().infer(q, k, q)
    with pytest.raises(TypeMismatch, match="bool or float32"):
        Attention().infer(q, k, k, tensor_type("i64", (3, 5)))
    with pytest.raises(TypeMismatch, match="broadcast"):
        Attention().infer(q, k, k, tensor_type("bool", (4, 5)))
    with pytest.raises(TypeMismatch, match=r"broadcasts to \[2,3,5\]"):
        Attention().infer(q, k, k, tensor_type("bool", (2, 2, 3, 5)))
    with pytest.raises(TypeMismatch, match="scale="):
        wide = tensor_type("f32", (3, "e"))
        Attention().infer(wide, wide, wide)
