"""What random layers draw: its range, its statistics, the same for a seed on every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nngraph as ng
import nngraph.nn.functional as F
from tests.support.backends import BACKENDS

LAYERS: dict[str, Callable[[Any], Any]] = {
    "rrelu": lambda x: F.rrelu(x, training=True),
    "dropout": lambda x: F.dropout(x, 0.4),
    "dropout2d": lambda x: F.dropout2d(x, 0.4),
    "alpha_dropout": lambda x: F.alpha_dropout(x, 0.4, training=True),
    "feature_alpha_dropout": lambda x: F.feature_alpha_dropout(x, 0.4, training=True),
    "fractional_max_pool2d": lambda x: F.fractional_max_pool2d(x, 2, (2, 3)),
}
X = np.random.default_rng(0).standard_normal((4, 5, 6, 7)).astype(np.float32)


def test_the_same_seed_draws_the_same_everywhere() -> None:
    def every(x: Any) -> Any:
        return [layer(x) for layer in LAYERS.values()]

    ng.manual_seed(7)
    eager = every(ng.tensor(X))
    for backend in BACKENDS:
        step = ng.compile(every, backend=backend)
        ng.manual_seed(7)
        for name, ours, wanted in zip(LAYERS, step(X), eager, strict=True):
            changed = wanted.numpy() != X if wanted.shape == X.shape else wanted.numpy()
            found = ours.numpy() != X if wanted.shape == X.shape else ours.numpy()
            np.testing.assert_array_equal(found, changed, f"{backend}: {name}")
            np.testing.assert_allclose(ours.numpy(), wanted.numpy(), 1e-5, 1e-6)


def test_slopes_of_rrelu() -> None:
    ng.manual_seed(0)
    slopes = -ng.nn.RReLU(0.2, 0.6)(-ng.ones(200, 300)).numpy()
    assert slopes.min() >= 0.2 and slopes.max() <= 0.6
    assert abs(slopes.mean() - 0.4) < 0.01 and abs(slopes.std() - 0.4 / 12**0.5) < 0.01
    kept = ng.nn.RReLU(0.2, 0.6)(ng.ones(20)).numpy()
    np.testing.assert_array_equal(kept, 1)
    np.testing.assert_allclose(ng.nn.RReLU(0.2, 0.6).eval()(-ng.ones(3)).numpy(), -0.4, rtol=1e-6)


@pytest.mark.parametrize("name", ["AlphaDropout", "FeatureAlphaDropout"])
def test_alpha_dropout_keeps_mean_and_variance(name: str) -> None:
    ng.manual_seed(0)
    layer = getattr(ng.nn, name)(0.3)
    y = layer(ng.randn(200, 300, 4)).numpy()
    assert abs(y.mean()) < 0.02 and abs(y.var() - 1) < 0.05
    whole = (y == y[..., :1]).all(-1).mean()  # of channels of one value: those that are dropped
    assert abs(whole - (0.3 if name.startswith("F") else 0.3**4)) < 0.02
    assert layer.eval()(ng.ones(3)).tolist() == [1, 1, 1]


def test_gumbel_softmax_draws_classes_by_their_probabilities() -> None:
    ng.manual_seed(0)
    shares = np.array([0.1, 0.2, 0.7], np.float32)
    logits = ng.tensor(np.broadcast_to(np.log(shares), (20000, 3)).copy()).requires_grad_()
    hard = F.gumbel_softmax(logits, hard=True)
    assert set(np.unique(np.round(hard.detach().numpy(), 5))) == {0, 1}
    np.testing.assert_allclose(hard.detach().numpy().mean(0), shares, atol=0.015)
    (hard * ng.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert np.abs(logits.grad.numpy()).max() > 0.01
    soft = F.gumbel_softmax(logits.detach(), tau=0.5).numpy()
    np.testing.assert_allclose(soft.sum(1), 1, rtol=1e-5)
    with pytest.warns(UserWarning, match="eps"):
        F.gumbel_softmax(logits, eps=1e-3)


def test_fractional_windows_start_anywhere() -> None:
    ng.manual_seed(0)
    layer = ng.nn.FractionalMaxPool2d(2, output_ratio=0.5, return_indices=True)
    values, places = layer(ng.tensor(X))
    assert values.shape == (4, 5, 3, 3)
    flat = X.reshape(4, 5, -1)
    read = np.take_along_axis(flat, places.numpy().reshape(4, 5, -1), 2)
    np.testing.assert_array_equal(read.reshape(values.shape), values.numpy())
    assert not np.array_equal(layer(ng.tensor(X))[1].numpy(), places.numpy())
