"""Attention of a tensor to itself, and stacks of layers, against PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.attention

import nngraph as ng
from tests.nn.parity import arrays_of, to_ng, to_torch
from tests.support.backends import BACKENDS

RNG = np.random.default_rng(3)
SOURCE = RNG.standard_normal((3, 5, 8)).astype(np.float32)
TARGET = RNG.standard_normal((3, 4, 8)).astype(np.float32)
PADDED = np.arange(5) >= np.array([[5], [3], [4]])
CAUSAL = np.where(np.triu(np.ones((5, 5)), 1) > 0, -np.inf, 0).astype(np.float32)

Build = Callable[[Any], Any]


def _encoder(nn: Any, layers: int = 2, norm: bool = True, **options: Any) -> Any:
    given = {"dropout": 0.0, "batch_first": True, **options}
    layer = nn.TransformerEncoderLayer(8, 2, 12, **given)
    return nn.TransformerEncoder(layer, layers, nn.LayerNorm(8) if norm else None)


def _decoder(nn: Any, **options: Any) -> Any:
    layer = nn.TransformerDecoderLayer(8, 2, 12, dropout=0.0, batch_first=True, **options)
    return nn.TransformerDecoder(layer, 2, nn.LayerNorm(8))


def _pair(build: Build) -> tuple[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(1)
        theirs, ours = build(torch.nn), build(ng.nn)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(arrays_of(theirs.state_dict()))
    return ours, theirs


def _close(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), 1e-4, 2e-5)


def _gradients(module: Any) -> dict[str, np.ndarray]:
    return {n: p.grad.numpy().copy() for n, p in module.named_parameters() if p.grad is not None}


def _compare(ours: Any, theirs: Any, call: Callable[[Any, Any], Any], backend: str) -> None:
    """Outputs and gradients of all parameters."""

    def step() -> Any:
        out = call(ours, to_ng)
        (out * out * 0.5).sum().backward()
        return out

    run = step if backend == "eager" else ng.compile(step, backend=backend, keep_grads=True)
    found = run()
    wanted = call(theirs, to_torch)
    (wanted * wanted * 0.5).sum().backward()
    _close(found, wanted)
    own, expected = _gradients(ours), _gradients(theirs)
    assert own.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(own[name], value, 2e-4, 5e-5, err_msg=name)


CALLS: dict[str, tuple[Build, Callable[[Any, Any], Any]]] = {
    "self-attention": (
        lambda nn: nn.MultiheadAttention(8, 2, batch_first=True),
        lambda m, to: _to_itself(m, to(SOURCE)),
    ),
    "keys that are values": (
        lambda nn: nn.MultiheadAttention(8, 4),
        lambda m, to: _to_another(m, to(TARGET), to(SOURCE[:, :4])),
    ),
    "encoder": (_encoder, lambda m, to: m(to(SOURCE))),
    "encoder, norm first": (
        lambda nn: _encoder(nn, norm_first=True, activation="gelu"),
        lambda m, to: m(to(SOURCE), src_key_padding_mask=to(PADDED)),
    ),
    "encoder, causal": (
        lambda nn: _encoder(nn, norm=False),
        lambda m, to: m(to(SOURCE), mask=to(CAUSAL)),
    ),
    "encoder, said to be causal": (
        lambda nn: _encoder(nn, norm=False),
        lambda m, to: m(to(SOURCE), mask=to(CAUSAL), is_causal=True),
    ),
    "decoder": (
        _decoder,
        lambda m, to: m(
            to(TARGET), to(SOURCE), tgt_mask=to(CAUSAL[:4, :4]), memory_key_padding_mask=to(PADDED)
        ),
    ),
}


def _to_itself(m: Any, x: Any) -> Any:
    out, weights = m(x, x, x)
    return out * weights.sum()


def _to_another(m: Any, x: Any, y: Any) -> Any:
    return m(x, y, y, need_weights=False)[0]


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
@pytest.mark.parametrize("name", CALLS)
def test_outputs_and_gradients(name: str, backend: str) -> None:
    build, call = CALLS[name]
    _compare(*_pair(build), call, backend)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("mask_check", [True, False])
@pytest.mark.parametrize("padded", [PADDED, PADDED[:, ::-1].copy()], ids=["end", "start"])
def test_padded_positions_are_zero_where_pytorch_leaves_them_out(
    padded: np.ndarray, mask_check: bool
) -> None:
    def build(nn: Any) -> Any:
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True)
        return nn.TransformerEncoder(layer, 2, mask_check=mask_check).eval()

    if not mask_check and padded is not PADDED:
        pytest.skip("PyTorch trusts the caller here, and reads the wrong positions")
    ours, theirs = _pair(build)
    with torch.no_grad():
        wanted = theirs(to_torch(SOURCE), src_key_padding_mask=to_torch(padded))
    with ng.no_grad():
        _close(ours(to_ng(SOURCE), src_key_padding_mask=to_ng(padded)), wanted)
        step = ng.compile(lambda x, p: ours(x, src_key_padding_mask=p), backend="reference")
        _close(step(to_ng(SOURCE), to_ng(padded)), wanted)
    with_gradients = theirs(to_torch(SOURCE), src_key_padding_mask=to_torch(padded))
    _close(ours(to_ng(SOURCE), src_key_padding_mask=to_ng(padded)), with_gradients)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_first": False},
        {"norm_first": True},
        {"bias": False},
        {"activation": "gelu"},
        {"activation": torch.nn.functional.silu},
    ],
    ids=["sequence first", "norm first", "bias", "gelu", "silu"],
)
def test_what_an_encoder_says_when_it_is_made(options: dict[str, Any]) -> None:
    def said(nn: Any) -> list[str]:
        own = dict(options)
        if nn is ng.nn and callable(own.get("activation")):
            own["activation"] = ng.nn.functional.silu
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = _encoder(nn, **own)
        return [str(w.message) for w in caught] + [repr(made), made.use_nested_tensor]

    assert said(ng.nn) == said(torch.nn)


def test_static_keys_and_values() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype(np.float32) for s in ((3, 2, 8), (12, 8), (24, 8))]
    kept = [rng.standard_normal((4, 5, 4)).astype(np.float32) for _ in range(2)]
    out = rng.standard_normal((8, 8)).astype(np.float32)

    def call(library: Any, to: Any) -> Any:
        x, w = to(arrays[0]), to(arrays[2])
        static = {"static_k": to(kept[0]), "static_v": to(kept[1])}
        forward = library.nn.functional.multi_head_attention_forward
        options = (8, 2, w, None, None, None, False, 0.0, to(out), None)
        return forward(x, x, x, *options, **static)

    for ours, theirs in zip(call(ng, to_ng), call(torch, to_torch), strict=True):
        _close(ours, theirs)


def test_weights_are_dropped_in_training_only() -> None:
    ng.manual_seed(0)
    m = ng.nn.MultiheadAttention(8, 2, dropout=0.5)
    x = ng.ones(40, 2, 8)
    weights = m(x, x, x, average_attn_weights=False)[1]
    assert 0.4 < (weights == 0).float().mean().item() < 0.6
    m.eval()
    np.testing.assert_allclose(m(x, x, x)[1].detach().numpy(), 1 / 40, 1e-5)


def test_the_mask_of_what_follows() -> None:
    made = ng.nn.Transformer.generate_square_subsequent_mask(3)
    wanted = torch.nn.Transformer.generate_square_subsequent_mask(3)
    np.testing.assert_array_equal(made.numpy(), wanted.numpy())


def test_layers_of_a_stack_are_copies() -> None:
    layer = ng.nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
    stack = ng.nn.TransformerEncoder(layer, 2)
    first, second = (m.linear1.weight for m in stack.layers)
    assert first is not second and first is not layer.linear1.weight
    np.testing.assert_array_equal(first.detach().numpy(), layer.linear1.weight.detach().numpy())


KERNELS = ["MATH", "FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "ERROR"]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_choice_of_kernels_is_pytorchs_and_changes_no_result(kernel: str) -> None:
    def called(library: Any, to: Any) -> Any:
        attention = library.nn.attention
        x = to(SOURCE[:, None])
        with attention.sdpa_kernel([getattr(attention.SDPBackend, kernel)]):
            return library.nn.functional.scaled_dot_product_attention(x, x, x)

    try:
        wanted = called(torch, to_torch)
    except RuntimeError:
        with pytest.raises(RuntimeError, match="No available kernel"):
            called(ng, to_ng)
    else:
        _close(called(ng, to_ng), wanted)
    for wrong in (3, "MATH", [3]):
        with (
            pytest.raises(AssertionError, match="instance of SDPBackend"),
            ng.nn.attention.sdpa_kernel(wrong),
        ):
            pass
