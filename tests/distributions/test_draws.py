"""Gradients that go through draws; exponential families."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
import nngraph.distributions as ours
from nngraph.distributions.exp_family import ExponentialFamily, bregman
from tests.support.tolerances import assert_close

COUNT = 20_000


def leaf(*values: float) -> Any:
    return ng.tensor(values, dtype=ng.float64, requires_grad=True)


def test_gamma_draws_move_as_pytorchs_do() -> None:
    shape, rate = leaf(0.3, 2.0, 50.0), leaf(1.0, 3.0, 0.5)
    ng.manual_seed(0)
    drawn = ours.Gamma(shape, rate).rsample((4,))
    drawn.sum().backward()
    standard = torch.tensor((drawn * rate).detach().numpy())
    each = torch._standard_gamma_grad(torch.tensor(shape.detach().numpy()).expand(4, 3), standard)
    np.testing.assert_allclose((shape.grad * rate).detach().numpy(), each.sum(0), rtol=2e-3)
    assert_close(rate.grad.numpy(), -(drawn / rate).sum(0).detach().numpy(), scale=10)


#: A distribution of two parameters, and the mean of its square by them.
SQUARES = {
    "Gamma": (lambda a, b: ours.Gamma(a, b), lambda a, b: a * (a + 1) / b**2),
    "Chi2": (lambda a, b: ours.Chi2(a + b), lambda a, b: (a + b) * (a + b + 2)),
    "Beta": (lambda a, b: ours.Beta(a, b), lambda a, b: a * (a + 1) / ((a + b) * (a + b + 1))),
    "Dirichlet": (
        lambda a, b: ours.Dirichlet(ng.stack([a, b, b], -1)),
        lambda a, b: a * (a + 1) / ((a + 2 * b) * (a + 2 * b + 1)),
    ),
    "StudentT": (
        lambda a, b: ours.StudentT(a + 12, 0.5, b),
        lambda a, b: 0.25 + b**2 * (a + 12) / (a + 10),
    ),
}


@pytest.mark.parametrize("name", SQUARES)
def test_gradients_of_draws_are_those_of_the_mean(name: str) -> None:
    build, mean = SQUARES[name]
    ng.manual_seed(1)
    a, b = (ng.full((COUNT,), v, dtype=ng.float64, requires_grad=True) for v in (0.7, 1.9))
    drawn = build(a, b).rsample()
    (drawn if name != "Dirichlet" else drawn[:, 0]).square().sum().backward()
    one, two = leaf(0.7), leaf(1.9)
    mean(one, two).sum().backward()
    for found, wanted in ((a.grad.numpy(), one.grad.item()), (b.grad.numpy(), two.grad.item())):
        assert abs(found.mean() - wanted) < 5 * found.std() / np.sqrt(COUNT)


FAMILIES = {
    "Gamma": lambda a, b: ours.Gamma(a, b),
    "Beta": lambda a, b: ours.Beta(a, b),
    "Dirichlet": lambda a, b: ours.Dirichlet(ng.stack([a, b], -1)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_entropies_and_divergences_of_the_family(name: str) -> None:
    a, b, c, d = leaf(0.7, 2.0), leaf(3.0, 0.5), leaf(2.0, 4.0), leaf(1.0, 1.5)
    p, q = FAMILIES[name](a, b), FAMILIES[name](c, d)
    assert isinstance(p, ExponentialFamily)
    assert_close(bregman(p, q).detach().numpy(), ours.kl_divergence(p, q).detach().numpy())
    wanted = p.entropy().detach().numpy()
    assert_close(ExponentialFamily.entropy(p).detach().numpy(), wanted, scale=10)


def test_families_of_pytorch() -> None:
    one, two = ours.Poisson(leaf(0.5, 3.0)), ours.Poisson(leaf(1.5, 2.0))
    wanted = ours.kl_divergence(one, two).detach().numpy()
    assert_close(bregman(one, two).detach().numpy(), wanted)
    with pytest.raises(NotImplementedError):
        one.entropy()
    with pytest.raises(NotImplementedError, match="different exponential families"):
        bregman(one, ours.Gamma(1.0, 1.0))
    for name in ("Normal", "Bernoulli", "Exponential"):
        made = getattr(ours, name)(*([0.5] * (2 if name == "Normal" else 1)))
        assert isinstance(made, ExponentialFamily)
        entropy = made.entropy().numpy()
        assert_close(ExponentialFamily.entropy(made).detach().numpy(), entropy)


def test_generalized_pareto() -> None:
    """In float32: PyTorch's refuses float64."""
    found = []
    for t, d in ((torch, torch.distributions), (ng, ours)):
        loc, scale = t.tensor([0.1, 0.2, 0.3, 0.0]), t.tensor([1.0, 2.0, 1.5, 1.0])
        shape = t.tensor([0.3, 0.0, -0.2, -1.0], requires_grad=True)
        made = d.GeneralizedPareto(loc, scale, shape)
        value = t.tensor([0.5, 1.0, 1.5, 0.7])
        log_prob = made.log_prob(value)
        log_prob.sum().backward()
        p = t.tensor([0.1, 0.9, 0.5, 0.3])
        asked = (made.cdf(value), made.log_survival_function(value), made.icdf(p), made.mean)
        both = (made.entropy(), made.variance, made.mode)
        found.append([x.detach().numpy() for x in (log_prob, shape.grad, *asked, *both)])
        drawn = made.expand((2, 4)).rsample((500,))
        assert made.has_rsample and tuple(drawn.shape) == (500, 2, 4) and drawn.requires_grad
        assert bool(made.support.check(drawn).all())
        with pytest.raises(ValueError):
            made.log_prob(t.tensor([0.0, 1.0, 1.5, 0.7]))
    for got, wanted in zip(*reversed(found), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=1e-6)


def test_angles_lie_around_their_mean() -> None:
    ng.manual_seed(0)
    where = ng.tensor([0.5, -2.0, 3.0], dtype=ng.float64)
    made = ours.VonMises(where, ng.tensor([1e-7, 2.0, 40.0], dtype=ng.float64))
    drawn = made.sample((4000,))
    assert bool((drawn.abs() <= np.pi).all())
    along = (drawn - where).cos().mean(0).numpy()
    assert np.abs(along - (1 - made.variance.numpy())).max() < 5 / np.sqrt(4000)
    across = (drawn - where).sin().mean(0).numpy()
    assert np.abs(across).max() < 5 / np.sqrt(4000)


def test_matrices_of_correlations() -> None:
    ng.manual_seed(0)
    made = ours.LKJCholesky(3, ng.tensor([1.0, 4.0], dtype=ng.float64))
    factors = made.sample((5000,))
    assert bool(made.support.check(factors).all())
    off = (factors @ factors.mT)[..., [1, 2, 2], [0, 0, 1]].numpy()
    # Correlations are 2 Beta(a, a) - 1 with a = concentration + (dim - 2) / 2.
    spread = 1 / np.sqrt(2 * (np.array([1.0, 4.0]) + 0.5) + 1)
    assert np.abs(off.mean(0)).max() < 0.05
    assert np.abs(off.std(0) - spread[:, None]).max() < 0.03
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        ours.LKJCholesky(1)


REFUSED = {
    "none": lambda t, d: d.Wishart(3.0),
    "both": lambda t, d: d.Wishart(3.0, t.eye(2), scale_tril=t.eye(2)),
    "axes": lambda t, d: d.Wishart(3.0, t.ones(2)),
    "few": lambda t, d: d.Wishart(1.0, t.eye(2)),
    "low_rank": lambda t, d: d.LowRankMultivariateNormal(t.zeros(2), t.ones(3, 1), t.ones(2)),
    "diagonal": lambda t, d: d.LowRankMultivariateNormal(t.zeros(2), t.ones(2, 1), t.ones(3)),
    "trials": lambda t, d: d.Multinomial(t.tensor([2, 3]), t.ones(2)),
    "counts": lambda t, d: d.Binomial(t.tensor([2, 3]), t.tensor([0.5, 0.5])).entropy(),
    "half": lambda t, d: d.Gamma(t.ones(2).half(), 1.0).sample(),
    "scalar": lambda t, d: d.Dirichlet(t.tensor(1.0)),
    "rate": lambda t, d: d.Poisson(-1.0),
    "count": lambda t, d: d.Binomial(3, 0.5).log_prob(t.tensor(4.0)),
    "share": lambda t, d: d.Dirichlet(t.ones(2)).log_prob(t.tensor([0.5, 0.6])),
    "ends": lambda t, d: d.NegativeBinomial(3, 1.0),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_of_pytorchs_kind(name: str) -> None:
    with pytest.raises(Exception) as wanted:
        REFUSED[name](torch, torch.distributions)
    with pytest.raises(wanted.type):
        REFUSED[name](ng, ours)
