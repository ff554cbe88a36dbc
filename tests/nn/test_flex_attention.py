"""``nn.attention.flex_attention``: numbers, masks and errors are PyTorch's; compiled too."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.attention.flex_attention

import nngraph as ng
import nngraph.nn.attention.flex_attention
from tests.support.backends import BACKENDS

LIBRARIES = (torch, ng)


def inputs(library: Any, heads: tuple[int, int] = (2, 2), lengths: tuple[int, int] = (5, 7)) -> Any:
    draws = np.random.default_rng(0)
    shapes = [(2, heads[0], lengths[0], 4), *[(2, heads[1], lengths[1], 4)] * 2]
    return [library.tensor(draws.standard_normal(s)).requires_grad_() for s in shapes]


def programs(m: Any, q: Any, k: Any, v: Any) -> dict[str, Any]:
    """Outputs by what they show, in PyTorch's words."""
    flex = m.nn.attention.flex_attention
    table = m.tensor([0.5, -0.25])
    bias = m.linspace(-1, 1, 2 * 5 * 7, dtype=m.float64).reshape(2, 5, 7)
    document = m.tensor([0, 0, 1, 1, 2, 2, 2])

    def causal(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        return q_idx >= kv_idx

    def near(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        return (q_idx - kv_idx).abs() <= 1 + h

    def same_document(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        return document[q_idx] == document[kv_idx]

    def late(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        return (q_idx > 2) & (kv_idx < 9)

    def alibi(score: Any, b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        return score + table[h] * (kv_idx - q_idx)

    def biased(score: Any, b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        return m.tanh(score / 2) * 2 + bias[h][q_idx, kv_idx]

    def masked(mod: Any, b: int | None = None, h: int | None = None) -> Any:
        return flex.create_block_mask(mod, b, h, 5, 7, device="cpu", BLOCK_SIZE=4)

    f = flex.flex_attention
    both = flex.and_masks(causal, flex.or_masks(near, same_document))
    return {
        "plain": f(q, k, v),
        "scale": f(q, k, v, scale=0.1),
        "score": f(q, k, v, score_mod=alibi),
        "captured": f(q, k, v, score_mod=biased),
        "causal": f(q, k, v, block_mask=masked(causal)),
        "joined": f(q, k, v, score_mod=alibi, block_mask=masked(both, 2, 2)),
        "nothing counts": f(q, k, v, block_mask=masked(late)),
    }


def test_numbers_and_gradients_are_pytorchs() -> None:
    found = {}
    for m in LIBRARIES:
        args = inputs(m)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with torch.no_grad(), ng.no_grad():
                outs = programs(m, *[t.detach() for t in args])
            found[m] = {n: o.numpy() for n, o in outs.items()}
    assert len(found[ng]) == 7
    for name, wanted in found[torch].items():
        np.testing.assert_allclose(found[ng][name], wanted, 1e-12, 1e-12, err_msg=name)
    # PyTorch's own has no gradient on the CPU: the same attention with a mask has.
    q, k, v = inputs(torch)
    mask = torch.ones(5, 7, dtype=torch.bool).tril()
    torch.nn.functional.scaled_dot_product_attention(q, k, v, mask).square().sum().backward()
    args = inputs(ng)
    programs(ng, *args)["causal"].square().sum().backward()
    for tensor, other in zip(args, (q, k, v), strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), other.grad.numpy(), 1e-11, 1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_is_as_eager(backend: str) -> None:
    args = [t.detach() for t in inputs(ng)]
    wanted = programs(ng, *args)
    got = ng.compile(lambda q, k, v: programs(ng, q, k, v), backend=backend)(*args)
    for name, value in wanted.items():
        np.testing.assert_allclose(got[name].numpy(), value.numpy(), 1e-12, 1e-12, err_msg=name)


def test_grouped_heads_and_what_else_is_given() -> None:
    flex = ng.nn.attention.flex_attention
    q, k, v = (t.detach().float() for t in inputs(ng, (4, 2)))
    request = flex.AuxRequest(lse=True, max_scores=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        args = [t.detach().float() for t in inputs(torch, (4, 2))]
        wanted = torch.nn.attention.flex_attention.flex_attention(*args, enable_gqa=True)
    out, aux = flex.flex_attention(q, k, v, enable_gqa=True, return_aux=request)
    assert out.dtype is ng.float32
    np.testing.assert_allclose(out.numpy(), wanted.numpy(), 1e-6, 1e-6)
    # PyTorch gives these on GPUs only.
    scores = q.numpy() @ k.numpy().repeat(2, 1).swapaxes(2, 3) / 2
    np.testing.assert_allclose(aux.max_scores.numpy(), scores.max(-1), 1e-5)
    np.testing.assert_allclose(aux.lse.numpy(), np.log(np.exp(scores).sum(-1)), 1e-5, 1e-6)
    none = flex.create_block_mask(lambda b, h, q, kv: q > kv, None, None, 5, 7)
    _, lse = flex.flex_attention(q, k, v, None, none, enable_gqa=True, return_lse=True)
    assert (lse[:, :, 0] == -ng.inf).all()
    assert lse[:, :, 1:].isfinite().all()


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("lengths", [(8, 8), (9, 13), (1, 3)])
def test_block_masks_are_pytorchs(lengths: tuple[int, int], apart: bool) -> None:
    def mod(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        return (q_idx + h >= kv_idx) & (kv_idx + b < 9)

    rows = []
    for m in LIBRARIES:
        flex = m.nn.attention.flex_attention
        mask = flex.create_block_mask(
            mod, 2, 3, *lengths, device="cpu", BLOCK_SIZE=(2, 4), separate_full_blocks=apart
        )
        dense = flex.create_mask(mod, 2, 3, *lengths, device="cpu")
        numbers = [mask.kv_num_blocks, mask.full_kv_num_blocks, mask.to_dense(), dense]
        arrays = [None if t is None else t.numpy() for t in numbers]
        rows.append((arrays, mask.shape, mask.numel(), round(mask.sparsity(), 6)))
    assert rows[0][1:] == rows[1][1:]
    for one, other in zip(rows[0][0], rows[1][0], strict=True):
        np.testing.assert_array_equal(one, other)
    again = ng.nn.attention.flex_attention.BlockMask.from_kv_blocks(
        mask.kv_num_blocks, mask.kv_indices, mask.full_kv_num_blocks, mask.full_kv_indices, (2, 4)
    )
    np.testing.assert_array_equal(again.to_dense().numpy(), mask.to_dense().numpy())


def test_errors_are_pytorchs() -> None:
    flex = ng.nn.attention.flex_attention
    q, k, v = (t.detach() for t in inputs(ng))
    for call, said in (
        (lambda: flex.flex_attention(q, k.float(), v), "the same dtype"),
        (lambda: flex.flex_attention(q[0], k[0], v[0]), "4D"),
        (lambda: flex.flex_attention(q, k[:, :1], v[:, :1]), "enable_gqa=True"),
        (
            lambda: flex.flex_attention(
                q, k, v, block_mask=flex.create_block_mask(flex.noop_mask, None, None, 4, 7)
            ),
            "was created for",
        ),
    ):
        with pytest.raises(ValueError, match=said):
            call()
    with pytest.raises(RuntimeError, match="callable"):
        flex.and_masks(3)
