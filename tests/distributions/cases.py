"""Distributions that are built by both libraries, and values at which they are asked."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["CASES", "numbers"]


def numbers(t: Any, *shape: int, seed: int = 0, low: float = 0.2, high: float = 2.0) -> Any:
    values = np.random.default_rng(seed).uniform(low, high, shape)
    return t.tensor(values, requires_grad=True)


def simplex(t: Any, *shape: int, seed: int = 0) -> Any:
    values = np.random.default_rng(seed).uniform(0.1, 1, shape)
    return t.tensor(values / values.sum(-1, keepdims=True), requires_grad=True)


def factor(t: Any, seed: int = 0) -> Any:
    a = np.tril(np.random.default_rng(seed).uniform(0.3, 1, (3, 3)))
    return t.tensor(a, requires_grad=True)


#: Of each case: the distribution, and values at which it is asked.
CASES: dict[str, tuple[Any, Any]] = {
    "Normal": (lambda t, d: d.Normal(numbers(t, 3), numbers(t, 2, 3, seed=1)), [0.5, -1.0, 2.0]),
    "Normal_numbers": (lambda t, d: d.Normal(0.0, 2.0), [0.5, -1.0]),
    "LogNormal": (lambda t, d: d.LogNormal(numbers(t, 3), numbers(t, 3, seed=1)), [0.5, 1.0, 2.0]),
    "Uniform": (
        lambda t, d: d.Uniform(numbers(t, 3, high=0.4), numbers(t, 3, low=1)),
        [0.5, 0.6, 0.9],
    ),
    "Uniform_unit": (lambda t, d: d.Uniform(t.zeros(3, dtype=t.float64), 1.0), [0.5, 0.6, 0.9]),
    "Uniform_low": (
        lambda t, d: d.Uniform(t.tensor([-0.5, 0.1, 0.2], dtype=t.float64), numbers(t, 3, low=0.5)),
        [0.3, 0.3, 0.4],
    ),
    "Bernoulli": (lambda t, d: d.Bernoulli(numbers(t, 3, high=0.8)), [0.0, 1.0, 1.0]),
    "Bernoulli_logits": (lambda t, d: d.Bernoulli(logits=numbers(t, 3, low=-1)), [0.0, 1.0, 1.0]),
    "Geometric": (lambda t, d: d.Geometric(numbers(t, 3, high=0.8)), [0.0, 1.0, 4.0]),
    "Geometric_logits": (lambda t, d: d.Geometric(logits=numbers(t, 3, low=-1)), [0.0, 1.0, 4.0]),
    "Categorical": (lambda t, d: d.Categorical(numbers(t, 2, 3)), [0, 2]),
    "Categorical_logits": (lambda t, d: d.Categorical(logits=numbers(t, 2, 3)), [[0, 2], [1, 1]]),
    "OneHotCategorical": (
        lambda t, d: d.OneHotCategorical(numbers(t, 3)),
        [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
    ),
    "Exponential": (lambda t, d: d.Exponential(numbers(t, 3)), [0.0, 0.5, 3.0]),
    "Laplace": (lambda t, d: d.Laplace(numbers(t, 3), numbers(t, 3, seed=1)), [0.5, -1.0, 3.0]),
    "Cauchy": (lambda t, d: d.Cauchy(numbers(t, 3), numbers(t, 3, seed=1)), [0.5, -1.0, 3.0]),
    "HalfNormal": (lambda t, d: d.HalfNormal(numbers(t, 3)), [0.5, 1.0, 3.0]),
    "HalfCauchy": (lambda t, d: d.HalfCauchy(numbers(t, 3)), [0.5, 1.0, 3.0]),
    "Gumbel": (lambda t, d: d.Gumbel(numbers(t, 3), numbers(t, 3, seed=1)), [0.5, -1.0, 3.0]),
    "Independent": (
        lambda t, d: d.Independent(d.Normal(numbers(t, 2, 3), numbers(t, 2, 3, seed=1)), 1),
        [[0.5, 1.0, 2.0], [0.1, 0.2, 0.3]],
    ),
    "TransformedDistribution": (
        lambda t, d: d.TransformedDistribution(
            d.Normal(numbers(t, 3), numbers(t, 3, seed=1)),
            [d.AffineTransform(1.0, numbers(t, 3, seed=2)), d.SigmoidTransform()],
        ),
        [0.5, 0.1, 0.9],
    ),
    "Transformed_down": (
        lambda t, d: d.TransformedDistribution(
            d.Uniform(t.zeros(3, dtype=t.float64), 1.0), d.AffineTransform(1.0, -2.0)
        ),
        [0.5, 0.1, -0.9],
    ),
    "Squashed": (
        lambda t, d: d.Independent(
            d.TransformedDistribution(d.Normal(numbers(t, 3), 1.0), d.TanhTransform()), 1
        ),
        [0.5, 0.1, -0.9],
    ),
    "MixtureSameFamily": (
        lambda t, d: d.MixtureSameFamily(
            d.Categorical(numbers(t, 3)), d.Normal(numbers(t, 3, seed=1), numbers(t, 3, seed=2))
        ),
        [0.5, -1.0],
    ),
    "Mixture_vectors": (
        lambda t, d: d.MixtureSameFamily(
            d.Categorical(numbers(t, 4)),
            d.Independent(d.Normal(numbers(t, 4, 2, seed=1), numbers(t, 4, 2, seed=2)), 1),
        ),
        [[0.5, -1.0], [0.1, 0.2]],
    ),
    "MultivariateNormal": (
        lambda t, d: d.MultivariateNormal(numbers(t, 3), scale_tril=factor(t)),
        [[0.5, -1.0, 0.3], [1.0, 1.0, 1.0]],
    ),
    "MultivariateNormal_cov": (
        lambda t, d: d.MultivariateNormal(numbers(t, 2, 3), factor(t) @ factor(t).mT),
        [0.5, -1.0, 0.3],
    ),
    "MultivariateNormal_precision": (
        lambda t, d: d.MultivariateNormal(numbers(t, 3), precision_matrix=factor(t) @ factor(t).mT),
        [0.5, -1.0, 0.3],
    ),
    "Gamma": (lambda t, d: d.Gamma(numbers(t, 3), numbers(t, 3, seed=1)), [0.5, 1.0, 3.0]),
    "Chi2": (lambda t, d: d.Chi2(numbers(t, 3, high=5)), [0.5, 1.0, 3.0]),
    "Beta": (lambda t, d: d.Beta(numbers(t, 3), numbers(t, 3, seed=1)), [0.5, 0.1, 0.9]),
    "Dirichlet": (
        lambda t, d: d.Dirichlet(numbers(t, 2, 3, low=1.1)),
        [[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]],
    ),
    "Dirichlet_corner": (lambda t, d: d.Dirichlet(numbers(t, 3, high=0.9)), [0.5, 0.25, 0.25]),
    "StudentT": (
        lambda t, d: d.StudentT(
            t.tensor([4.5, 9.0, 5.0], dtype=t.float64, requires_grad=True),
            numbers(t, 3),
            numbers(t, 3, seed=1),
        ),
        [0.5, -1.0, 3.0],
    ),
    "StudentT_heavy": (
        lambda t, d: d.StudentT(t.tensor([0.5, 1.0, 1.5], dtype=t.float64, requires_grad=True)),
        [0.5, -1.0, 3.0],
    ),
    "Poisson": (lambda t, d: d.Poisson(numbers(t, 3, high=9)), [0.0, 1.0, 12.0]),
    "Binomial": (lambda t, d: d.Binomial(5, numbers(t, 3, high=0.9)), [0.0, 2.0, 5.0]),
    "Binomial_few": (
        lambda t, d: d.Binomial(t.tensor([5, 4, 2]), numbers(t, 3, high=0.9, seed=1)),
        [0.0, 2.0, 1.0],
    ),
    "Binomial_logits": (
        lambda t, d: d.Binomial(t.tensor([3, 4, 5]), logits=numbers(t, 2, 3, low=-1)),
        [0.0, 2.0, 5.0],
    ),
    "FisherSnedecor": (
        lambda t, d: d.FisherSnedecor(
            numbers(t, 3, low=1.0, high=6), t.tensor([9.0, 12.0, 19.0], dtype=t.float64)
        ),
        [0.5, 1.0, 3.0],
    ),
    "FisherSnedecor_heavy": (
        lambda t, d: d.FisherSnedecor(
            numbers(t, 3, low=1.0, high=6), numbers(t, 3, low=1, high=5, seed=1)
        ),
        [0.5, 1.0, 3.0],
    ),
    "InverseGamma": (
        lambda t, d: d.InverseGamma(numbers(t, 3, low=5.5, high=8), numbers(t, 3, seed=1)),
        [0.5, 1.0, 3.0],
    ),
    "InverseGamma_heavy": (
        lambda t, d: d.InverseGamma(numbers(t, 3, high=3), numbers(t, 3, seed=1)),
        [0.5, 1.0, 3.0],
    ),
    "NegativeBinomial": (
        lambda t, d: d.NegativeBinomial(t.tensor([2.5, 3.0, 7.0]), numbers(t, 3, high=0.7)),
        [0.0, 2.0, 5.0],
    ),
    "NegativeBinomial_logits": (
        lambda t, d: d.NegativeBinomial(t.tensor([0.0, 3.0, 7.0]), logits=numbers(t, 3, low=-1)),
        [0.0, 2.0, 5.0],
    ),
    "Multinomial": (
        lambda t, d: d.Multinomial(4, numbers(t, 3)),
        [[0.0, 3.0, 1.0], [4.0, 0.0, 0.0]],
    ),
    "Multinomial_logits": (
        lambda t, d: d.Multinomial(4, logits=numbers(t, 2, 3, low=-1)),
        [0.0, 3.0, 1.0],
    ),
    "Pareto": (
        lambda t, d: d.Pareto(numbers(t, 3, high=0.5), numbers(t, 3, low=4.5, high=6, seed=1)),
        [0.6, 1.0, 3.0],
    ),
    "Pareto_heavy": (
        lambda t, d: d.Pareto(numbers(t, 3, high=0.5), numbers(t, 3, high=2.5, seed=1)),
        [0.6, 1.0, 3.0],
    ),
    "Pareto_low_heavy": (
        lambda t, d: d.Pareto(t.full((3,), 0.01, dtype=t.float64), numbers(t, 3, seed=1)),
        [0.6, 1.0, 3.0],
    ),
    "Weibull": (
        lambda t, d: d.Weibull(numbers(t, 3), numbers(t, 3, low=1.1, seed=1)),
        [0.5, 1.0, 3.0],
    ),
    "Kumaraswamy": (
        lambda t, d: d.Kumaraswamy(numbers(t, 3, low=0.8), numbers(t, 3, low=1.1, seed=1)),
        [0.5, 0.1, 0.9],
    ),
    "ContinuousBernoulli": (
        lambda t, d: d.ContinuousBernoulli(
            t.tensor([0.1, 0.5, 0.8], dtype=t.float64, requires_grad=True)
        ),
        [0.0, 0.3, 1.0],
    ),
    "ContinuousBernoulli_logits": (
        lambda t, d: d.ContinuousBernoulli(logits=numbers(t, 3, low=-1)),
        [0.2, 0.3, 0.9],
    ),
    "LogitRelaxedBernoulli": (
        lambda t, d: d.relaxed_bernoulli.LogitRelaxedBernoulli(
            numbers(t, 1), numbers(t, 3, high=0.9, seed=1)
        ),
        [0.5, -1.0, 3.0],
    ),
    "RelaxedBernoulli": (
        lambda t, d: d.RelaxedBernoulli(numbers(t, 1), logits=numbers(t, 3, low=-1, seed=1)),
        [0.5, 0.1, 0.9],
    ),
    "RelaxedOneHotCategorical": (
        lambda t, d: d.RelaxedOneHotCategorical(numbers(t, 1), numbers(t, 2, 3, seed=1)),
        [0.5, 0.2, 0.3],
    ),
    "LogisticNormal": (
        lambda t, d: d.LogisticNormal(numbers(t, 2, 3), numbers(t, 3, seed=1)),
        [0.1, 0.4, 0.3, 0.2],
    ),
    "LowRankMultivariateNormal": (
        lambda t, d: d.LowRankMultivariateNormal(
            numbers(t, 2, 3), numbers(t, 3, 2, seed=1), numbers(t, 3, seed=2)
        ),
        [0.5, -1.0, 0.3],
    ),
    "VonMises": (
        lambda t, d: d.VonMises(numbers(t, 3), numbers(t, 3, high=9, seed=1)),
        [0.5, -1.0, 3.0],
    ),
    "LKJCholesky": (
        lambda t, d: d.LKJCholesky(3, numbers(t, 2)),
        [[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.6, 0.8]],
    ),
    "Wishart": (
        lambda t, d: d.Wishart(
            t.tensor([4.5, 6.0], dtype=t.float64, requires_grad=True), factor(t) @ factor(t).mT
        ),
        [[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 1.5]],
    ),
}
