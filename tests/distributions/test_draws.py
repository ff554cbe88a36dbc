"""Gradients that go through draws; exponential families."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
import nngraph.distributions as ours
from nngraph.distributions.exponential_family import ExponentialFamily, bregman
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
