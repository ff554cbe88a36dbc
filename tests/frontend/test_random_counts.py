"""Poisson, binomial and gamma numbers: how often each comes, its gradient, every backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.distributions as theirs

import nngraph as ng
from nngraph.frontend.functional.gammadraws import log_gamma_slope, sample_dirichlet, standard_gamma
from tests.support.backends import BACKENDS

COUNT = 20_000


def chi_square(drawn: np.ndarray, law: Any) -> float:
    """Standard deviations by which counts are off what the law expects."""
    mean, spread = law.mean.item(), law.stddev.item()
    edges = np.unique(np.floor(np.linspace(mean - 3 * spread, mean + 3 * spread, 24)))
    edges = edges[edges >= 0]
    start, end = int(max(mean - 12 * spread, 0)), int(mean + 12 * spread + 12)
    if law.support.__class__.__name__ == "_IntegerInterval":
        end = min(end, int(law.total_count.item()))
    values = torch.arange(start, end + 1, dtype=torch.float64)
    below = np.concatenate([[0.0], law.log_prob(values).exp().cumsum(0).numpy()])
    sums = below[np.clip(edges.astype(int) + 1 - start, 0, len(below) - 1)]
    expected = np.diff(np.concatenate([[0.0], sums, [1.0]])) * len(drawn)
    found = np.histogram(drawn, np.concatenate([[-np.inf], edges + 0.5, [np.inf]]))[0]
    kept = expected > 5
    total = ((found - expected)[kept] ** 2 / expected[kept]).sum()
    free = max(int(kept.sum()) - 1, 1)
    return float((total - free) / np.sqrt(2 * free))


def test_poisson_numbers_come_as_often_as_their_rates_say() -> None:
    ng.manual_seed(2)
    for rate in (0.01, 0.7, 9.9, 10.0, 14.0, 200.0, 1e5):
        drawn = ng.poisson(ng.full((COUNT,), rate, dtype=ng.float64)).numpy()
        assert abs(drawn.mean() - rate) < 5 * np.sqrt(rate / COUNT)
        assert abs(drawn.var() / rate - 1) < 5 * np.sqrt((2 + 1 / rate) / COUNT)
        assert chi_square(drawn, theirs.Poisson(torch.tensor(rate, dtype=torch.float64))) < 5


def test_binomial_numbers_come_as_often_as_their_probabilities_say() -> None:
    ng.manual_seed(2)
    for n, p in ((1, 0.3), (12, 0.9), (30, 0.4), (100, 0.02), (1000, 0.7), (10**6, 1e-6)):
        args = [torch.tensor(float(v), dtype=torch.float64) for v in (n, p)]
        given = (ng.full((COUNT,), float(v), dtype=ng.float64) for v in (n, p))
        drawn = ng.binomial(*given).numpy()
        law = theirs.Binomial(*args)
        assert abs(drawn.mean() - n * p) < 5 * law.stddev.item() / np.sqrt(COUNT)
        assert drawn.min() >= 0 and drawn.max() <= n and (drawn % 1 == 0).all()
        assert chi_square(drawn, law) < 5


def test_a_way_that_none_takes_counts_as_a_draw() -> None:
    """Draws do not depend on whether the others' means are on the same side."""
    for draw in (ng.poisson, lambda n: ng.binomial(n, n * 0 + 0.5)):
        found = []
        for values in ([4.0, 3.0], [4.0, 300.0], [400.0, 300.0]):
            ng.manual_seed(7)
            drawn = draw(ng.tensor(values, dtype=ng.float64)).tolist()
            found.append([*drawn, ng.rand(()).item()])
        assert found[0][0] == found[1][0] and found[1][1] == found[2][1]
        assert found[0][2] == found[1][2] == found[2][2]


def test_large_and_extreme_parameters() -> None:
    large = ng.poisson(ng.full((2000,), 1e13, dtype=ng.float64)).numpy()
    assert abs(large.mean() / 1e13 - 1) < 1e-7 and 0.8 < large.std() / np.sqrt(1e13) < 1.2
    rates = ng.tensor([0.0, float("inf"), 1e30])
    np.testing.assert_allclose(ng.poisson(rates).numpy(), rates.numpy())
    assert ng.poisson(ng.tensor(7e4).half()).isinf().all()
    shape = ng.binomial(ng.ones(2, 1), ng.ones(3)).shape
    assert tuple(shape) == (2, 3)
    half = ng.poisson(ng.full((COUNT,), 3.0, dtype=ng.float16))
    assert half.dtype is ng.float16 and abs(half.float().mean().item() - 3) < 0.08


def test_gamma_numbers_lie_as_their_shapes_say() -> None:
    ng.manual_seed(2)
    for shape in (0.05, 0.6, 1.0, 2.5, 40.0, 1e4):
        drawn = standard_gamma(ng.full((COUNT,), shape, dtype=ng.float64)).numpy()
        x = torch.tensor(np.sort(drawn))
        below = torch.special.gammainc(torch.full_like(x, shape), x).numpy()
        steps = np.arange(COUNT + 1) / COUNT
        distance = max((steps[1:] - below).max(), (below - steps[:-1]).max())
        assert distance * np.sqrt(COUNT) < 2.2  # Kolmogorov: 1.3e-4 of all seeds
    tiny = standard_gamma(ng.tensor([1e-6, 0.0, float("nan")]))
    assert (tiny == ng.finfo(ng.float32).tiny).all()
    assert standard_gamma(ng.tensor(float("inf"))).isinf().all()
    few = sample_dirichlet(ng.tensor([[1e-6, 1e-6], [0.0, 0.0]]))
    assert few.gt(0).all() and few.sum(-1).sub(1).abs().max() < 1e-6
    assert np.abs(few[1].numpy() - 0.5).max() == 0
    for refused in (ng.ones(2).half(), ng.ones(2).long()):
        with pytest.raises(NotImplementedError, match="gamma is not implemented"):
            standard_gamma(refused)


def test_gamma_numbers_move_as_their_quantiles_do() -> None:
    """By finite differences: along dF = 0, and against PyTorch's approximation."""
    shapes = np.repeat([1e-3, 0.3, 1.0, 2.9, 8.0, 300.0], 5)
    u = np.tile([0.02, 0.3, 0.5, 0.8, 0.99], 6)
    rng = np.random.default_rng(0)
    draws = np.array(
        [np.quantile(rng.gamma(a, size=400), q) for a, q in zip(shapes, u, strict=True)]
    )
    draws = np.maximum(draws, 1e-250)
    a, x = (torch.tensor(v, dtype=torch.float64) for v in (shapes, draws))
    step = 1e-5 * a
    rise = torch.special.gammainc(a + step, x) - torch.special.gammainc(a - step, x)
    density = ((a - 1) * x.log() - x - a.lgamma()).exp()
    wanted = (-rise / (2 * step) / density / x).numpy()
    got = log_gamma_slope(ng.tensor(shapes), ng.tensor(np.log(draws))).numpy()
    known = density.numpy() * draws > 1e-3
    np.testing.assert_allclose(got[known], wanted[known], rtol=2e-6)
    assert known.sum() > 20
    approximate = (torch.ops.aten._standard_gamma_grad(a, x) / x).numpy()
    np.testing.assert_allclose(got, approximate, rtol=2e-3)


def test_the_movement_has_derivatives_itself() -> None:
    shapes = ng.tensor([0.02, 0.7, 3.0, 40.0, 2.0], dtype=ng.float64, requires_grad=True)
    logs = ng.tensor([-30.0, 1.5, 0.2, 3.9, -3.0], dtype=ng.float64, requires_grad=True)
    assert ng.autograd.gradcheck(log_gamma_slope, (shapes, logs))


def drawn(shape: Any, rate: Any, count: Any, p: Any, g: Any) -> Any:
    gamma, share = standard_gamma(shape, g), sample_dirichlet(shape, g)
    (slope,) = ng.autograd.grad((gamma + share * rate[: len(shape), None]).sum(), [shape])
    counts = ng.poisson(rate, g), ng.binomial(count, p, g), ng.poisson(rate.half(), g)
    return gamma.detach(), share.detach(), slope, *(c.detach() for c in counts)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_same_draws_compiled(backend: str) -> None:
    rng = np.random.default_rng(0)
    shape = ng.tensor(rng.uniform(0.05, 9, (40, 3)), dtype=ng.float32).requires_grad_()
    rate, n = ng.tensor(rng.uniform(0, 40, 300)), ng.tensor(rng.integers(0, 90, 300) * 1.0)
    p, g = ng.tensor(rng.uniform(0, 1, 300)), ng.Generator()
    compiled = ng.compile(drawn, backend=backend)
    found = []
    for run in (drawn, compiled):
        g.manual_seed(3)
        found.append([x.numpy() for _ in range(2) for x in run(shape, rate, n, p, g)])
    for i, (a, b) in enumerate(zip(*found, strict=True)):
        if i % 6 < 3:
            np.testing.assert_allclose(b, a, rtol=1e-6)
        else:
            np.testing.assert_array_equal(b, a)
    assert (found[0][3] != found[0][9]).any()


def test_the_same_draws_from_a_file(tmp_path: Any) -> None:
    def step(rate: Any, shape: Any) -> Any:
        return ng.poisson(rate), standard_gamma(shape), ng.binomial(rate.floor(), shape / 9)

    args = ng.tensor([0.5, 30.0, 8.0]), ng.tensor([0.1, 1.0, 5.0])
    ng.manual_seed(4)
    ng.export(step, tmp_path / "draws", *args)
    loaded = ng.load_step(tmp_path / "draws")
    ng.manual_seed(4)
    for _ in range(2):
        for got, wanted in zip(loaded(*args), step(*args), strict=True):
            np.testing.assert_allclose(got.numpy(), wanted.numpy(), rtol=1e-6)
