"""What functions do beyond the tables of cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as TF

import nngraph as ng
import nngraph.nn.functional as F
from tests.support.backends import BACKENDS

RNG = np.random.default_rng(4)


def x(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def test_dropout_keeps_the_mean_and_drops_its_part() -> None:
    ng.manual_seed(0)
    y = F.dropout(ng.ones(400, 500), 0.3).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs((y == 0).mean() - 0.3) < 0.01
    channels = F.dropout2d(ng.ones(50, 40, 3, 3), 0.3).numpy()
    assert np.all(channels == channels[:, :, :1, :1]) and abs((channels == 0).mean() - 0.3) < 0.03


def test_attention_drops_weights() -> None:
    ng.manual_seed(0)
    q = ng.tensor(x(2, 6, 4).astype(np.float32))
    v = ng.ones(2, 6, 4)
    plain = F.scaled_dot_product_attention(q, q, v, is_causal=True)
    dropped = F.scaled_dot_product_attention(q, q, v, dropout_p=0.5, is_causal=True)
    np.testing.assert_allclose(plain.numpy(), 1.0, rtol=1e-6)
    assert dropped.numpy().std() > 0.1
    ng.manual_seed(0)
    again = F.scaled_dot_product_attention(q, q, v, dropout_p=0.5, is_causal=True)
    np.testing.assert_array_equal(again.numpy(), dropped.numpy())


@pytest.mark.parametrize("causal", [True, False])
def test_attention_with_dropout_masks_as_without(causal: bool) -> None:
    q = ng.tensor(x(2, 6, 4))
    mask = None if causal else ng.tensor(np.tri(6).astype(bool))
    plain = F.scaled_dot_product_attention(q, q, q, mask, is_causal=causal)
    # Dropout that drops next to nothing goes the other way and gives the same.
    other = F.scaled_dot_product_attention(q, q, q, mask, 1e-9, is_causal=causal)
    np.testing.assert_allclose(other.numpy(), plain.numpy(), rtol=1e-6)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
def test_norms_of_halves_are_rounded_once(backend: str, kind: str) -> None:
    """Squares of 300 overflow float16, those of 1e-3 are next to nothing in it."""
    rows = [[3e2, -2e2, 1e2], [1e-3, 2e-3, -5e-4], [0.7, -1.1, 0.3]]

    def norms(library: Any, function: Any, given: Any) -> Any:
        weight = library.tensor([0.5, 2.0, -1.0], dtype=getattr(library, kind))
        plain, scaled = function.rms_norm(given, (3,)), function.rms_norm(given, (3,), weight, 1e-6)
        return [y.float() for y in (plain, scaled, function.layer_norm(given, (3,)))]

    def run(given: Any) -> Any:
        return norms(ng, F, given)

    wanted = norms(torch, TF, torch.tensor(rows, dtype=getattr(torch, kind)))
    step = run if backend == "eager" else ng.compile(run, backend=backend)
    for got, want in zip(step(ng.tensor(rows, dtype=getattr(ng, kind))), wanted, strict=True):
        relative = {"float16": 1e-3, "bfloat16": 8e-3}[kind]
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=relative)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_one_target_of_one_row(name: str, reduction: str) -> None:
    """PyTorch takes a target of shape (1,) (and then fails in backward)."""
    row, target = x(7).astype(np.float32), np.array([2])
    wanted = getattr(TF, name)(torch.tensor(row), torch.tensor(target), reduction=reduction)
    got = getattr(F, name)(ng.tensor(row), ng.tensor(target), reduction=reduction)
    np.testing.assert_allclose(got.numpy(), wanted.numpy(), rtol=1e-6)


def test_instance_norm_refuses_other_channels() -> None:
    with pytest.raises(ValueError, match=r"dim=1 to match num_features \(2\), but got: 3"):
        ng.nn.InstanceNorm1d(2, affine=True)(ng.ones(2, 3, 2))


def test_the_names_are_pytorchs() -> None:
    missing = [name for name in F.__all__ if not hasattr(TF, name)]
    assert not missing
    assert len(set(F.__all__)) == len(F.__all__)


def test_torch_sees_the_same_tensor() -> None:
    assert torch.from_dlpack(F.relu(ng.ones(2))).tolist() == [1.0, 1.0]


def test_a_scale_of_zero_is_one_with_dropout_too():
    q = ng.tensor(np.random.default_rng(0).normal(size=(2, 3, 4)))
    v = ng.ones(2, 3, 4, dtype=ng.float64)
    for p in (0.0, 1e-9):
        weights = F.scaled_dot_product_attention(q, q, v, dropout_p=p, scale=0.0)
        np.testing.assert_allclose(weights.numpy(), 1.0, rtol=1e-6)
        equal = F.scaled_dot_product_attention(q, q, q, dropout_p=p, scale=0.0)
        np.testing.assert_allclose(equal.numpy(), np.repeat(q.numpy().mean(1, keepdims=True), 3, 1))
