"""Divergences of two distributions of one class."""

from __future__ import annotations

import math

from nngraph.distributions.bernoulli import Bernoulli
from nngraph.distributions.beta import Beta
from nngraph.distributions.binomial import Binomial
from nngraph.distributions.categorical import Categorical
from nngraph.distributions.cauchy import Cauchy
from nngraph.distributions.continuous_bernoulli import ContinuousBernoulli
from nngraph.distributions.dirichlet import Dirichlet
from nngraph.distributions.exp_family import ExponentialFamily, bregman
from nngraph.distributions.exponential import Exponential
from nngraph.distributions.gamma import Gamma
from nngraph.distributions.geometric import Geometric
from nngraph.distributions.gumbel import EULER, Gumbel
from nngraph.distributions.half import HalfNormal
from nngraph.distributions.kl_table import Table
from nngraph.distributions.laplace import Laplace
from nngraph.distributions.log_normal import LogNormal
from nngraph.distributions.lowrank_multivariate_normal import LowRankMultivariateNormal
from nngraph.distributions.multivariate_normal import MultivariateNormal, broadcast
from nngraph.distributions.normal import Normal
from nngraph.distributions.one_hot_categorical import OneHotCategorical
from nngraph.distributions.pareto import Pareto
from nngraph.distributions.poisson import Poisson
from nngraph.distributions.uniform import Uniform
from nngraph.distributions.utils import seen_false
from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor
from nngraph.linalg import solve_triangular
from nngraph.nn.functional import softplus

__all__ = ["SAME"]

SAME = Table()

Gaussian = MultivariateNormal | LowRankMultivariateNormal

SAME.of(ExponentialFamily, ExponentialFamily)(bregman)


@SAME.of(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    t1 = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    t1 = where(q.probs == 0, math.inf, t1)
    t1 = where(p.probs == 0, 0.0, t1)
    t2 = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    t2 = where(q.probs == 1, math.inf, t2)
    return t1 + where(p.probs == 1, 0.0, t2)


@SAME.of(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    t = p.probs * (p.logits - q.logits)
    t = where((q.probs == 0).expand(t.shape), math.inf, t)
    return where((p.probs == 0).expand(t.shape), 0.0, t).sum(-1)


@SAME.of(OneHotCategorical, OneHotCategorical)
def _one_hot(p: OneHotCategorical, q: OneHotCategorical) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@SAME.of(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@SAME.of(Geometric, Geometric)
def _geometric(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@SAME.of(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * (-distance / p.scale).exp() - 1


@SAME.of(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@SAME.of(HalfNormal, HalfNormal)
def _half_normal(p: HalfNormal, q: HalfNormal) -> Tensor:
    return _normal(p.base_dist, q.base_dist)


@SAME.of(LogNormal, LogNormal)
def _log_normal(p: LogNormal, q: LogNormal) -> Tensor:
    return _normal(p.base_dist, q.base_dist)


def _multivariate_normal(p: Gaussian, q: Gaussian) -> Tensor:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be "
            "computed"
        )
    one, two = (d.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1) for d in (q, p))
    shape = broadcast(p.batch_shape, q.batch_shape)
    size = p.event_shape[0]
    factor, other = (d.scale_tril.expand((*shape, size, size)) for d in (q, p))
    away = (q.loc - p.loc).expand((*shape, size)).unsqueeze(-1)
    spread = solve_triangular(factor, other, upper=False).pow(2).sum((-2, -1))
    moved = solve_triangular(factor, away, upper=False).pow(2).sum((-2, -1))
    square: Tensor = spread + moved - size
    return one - two + 0.5 * square


for _p in (MultivariateNormal, LowRankMultivariateNormal):
    for _q in (MultivariateNormal, LowRankMultivariateNormal):
        SAME.of(_p, _q)(_multivariate_normal)


@SAME.of(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    found = ((q.high - q.low) / (p.high - p.low)).log()
    return where((q.low > p.low) | (q.high < p.high), math.inf, found)


@SAME.of(Cauchy, Cauchy)
def _cauchy(p: Cauchy, q: Cauchy) -> Tensor:
    apart = (p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)
    return apart.log() - (4 * p.scale * q.scale).log()


@SAME.of(Gumbel, Gumbel)
def _gumbel(p: Gumbel, q: Gumbel) -> Tensor:
    ratio, away = p.scale / q.scale, (p.loc - q.loc) / q.scale
    return -ratio.log() + away + ratio * EULER + ((1 + ratio).lgamma() - away).exp() - (1 + EULER)


@SAME.of(Gamma, Gamma)
def _gamma(p: Gamma, q: Gamma) -> Tensor:
    one, two = p.concentration, q.concentration
    whole = two * (p.rate / q.rate).log() + two.lgamma() - one.lgamma()
    return whole + (one - two) * one.digamma() + (q.rate - p.rate) * (one / p.rate)


@SAME.of(Beta, Beta)
def _beta(p: Beta, q: Beta) -> Tensor:
    return _dirichlet(p._dirichlet, q._dirichlet)


@SAME.of(Dirichlet, Dirichlet)
def _dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    one, two = p.concentration, q.concentration
    total = one.sum(-1)
    whole = total.lgamma() - two.sum(-1).lgamma() + (two.lgamma() - one.lgamma()).sum(-1)
    moved = (one - two) * (one.digamma() - total.digamma().unsqueeze(-1))
    found: Tensor = whole + moved.sum(-1)
    return found


@SAME.of(Pareto, Pareto)
def _pareto(p: Pareto, q: Pareto) -> Tensor:
    ratio = q.alpha / p.alpha
    found = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return where(p.scale < q.scale, math.inf, found)


@SAME.of(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: ContinuousBernoulli, q: ContinuousBernoulli) -> Tensor:
    here = p._log_norm() + (-p.probs).log1p()
    return p.mean * (p.logits - q.logits) + here - (q._log_norm() + (-q.probs).log1p())


@SAME.of(Poisson, Poisson)
def _poisson(p: Poisson, q: Poisson) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@SAME.of(Binomial, Binomial)
def _binomial(p: Binomial, q: Binomial) -> Tensor:
    more = p.total_count > q.total_count
    if seen_false(p.total_count >= q.total_count):
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    trial = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return where(more, math.inf, p.total_count * trial)
