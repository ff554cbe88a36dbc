"""What PyTorch spreads over devices, on one; what layers do beyond their tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph import nn
from tests.nn.modules.case import of
from tests.nn.modules.twins import pair


def test_data_parallel_calls_its_module() -> None:
    inner = nn.Linear(3, 2)
    model = nn.DataParallel(inner)
    x = ng.ones(4, 3)
    np.testing.assert_array_equal(model(x).detach().numpy(), inner(x).detach().numpy())
    assert list(model.state_dict()) == ["module.weight", "module.bias"]
    assert repr(model) == repr(torch.nn.DataParallel(torch.nn.Linear(3, 2)))
    with pytest.raises(NotImplementedError, match="one device"):
        nn.DataParallel(inner, [0, 1])


def test_batch_norms_become_synchronized_ones() -> None:
    def built(library: Any) -> Any:
        inner = library.Sequential(library.BatchNorm1d(3, affine=False), library.ReLU())
        return library.Sequential(library.BatchNorm2d(3, momentum=None), inner).eval()

    model = built(nn)
    weight = model[0].weight
    found = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert repr(found) == repr(torch.nn.SyncBatchNorm.convert_sync_batchnorm(built(torch.nn)))
    assert found[0].weight is weight and not found[0].training
    assert list(found.state_dict()) == list(built(nn).state_dict())


def test_adaptive_softmax_predicts_as_pytorch() -> None:
    ours, theirs = pair(of("AdaptiveLogSoftmaxWithLoss", 8, 12, [2, 5]))
    x = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32) * 3
    found, wanted = ours.log_prob(ng.tensor(x)), theirs.log_prob(torch.tensor(x))
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), 1e-5, 1e-5)
    best = theirs.predict(torch.tensor(x)).numpy()
    assert (best < 2).any() and (best >= 2).any()
    np.testing.assert_array_equal(ours.predict(ng.tensor(x)).numpy(), best)


def test_the_gradient_of_cross_map_normalization_is_its_derivative() -> None:
    x = np.random.default_rng(0).standard_normal((1, 6, 1, 2))
    layer = nn.CrossMapLRN2d(3, alpha=0.7)
    leaf = ng.tensor(x).requires_grad_()
    weights = np.cos(np.arange(x.size)).reshape(x.shape)
    (layer(leaf) * ng.tensor(weights)).sum().backward()
    step = np.random.default_rng(1).standard_normal(x.shape)

    def value(a: np.ndarray) -> float:
        return float((layer(ng.tensor(a)).numpy() * weights).sum())

    slope = (value(x + 1e-6 * step) - value(x - 1e-6 * step)) / 2e-6
    np.testing.assert_allclose((leaf.grad.numpy() * step).sum(), slope, rtol=1e-6)


def test_rows_longer_than_max_norm_are_scaled_in_place() -> None:
    table = nn.Embedding.from_pretrained(ng.tensor([[3.0, 4.0], [6.0, 8.0]]), max_norm=1.0)
    table(ng.tensor([1]))
    np.testing.assert_allclose(table.weight.numpy(), [[3, 4], [0.6, 0.8]], rtol=1e-5)


def test_bags_over_a_given_table() -> None:
    bags = nn.EmbeddingBag.from_pretrained(ng.ones(4, 2), mode="sum")
    assert not bags.weight.requires_grad
    assert bags(ng.tensor([[0, 1, 2]])).tolist() == [[3.0, 3.0]]
