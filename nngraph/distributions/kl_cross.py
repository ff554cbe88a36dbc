"""Divergences of distributions of different classes."""

from __future__ import annotations

import math

from nngraph.distributions.bernoulli import Bernoulli
from nngraph.distributions.beta import Beta
from nngraph.distributions.binomial import Binomial
from nngraph.distributions.continuous_bernoulli import ContinuousBernoulli
from nngraph.distributions.distribution import Distribution
from nngraph.distributions.exponential import Exponential
from nngraph.distributions.gamma import Gamma
from nngraph.distributions.gumbel import EULER, Gumbel
from nngraph.distributions.kl_table import Table
from nngraph.distributions.laplace import Laplace
from nngraph.distributions.normal import Normal
from nngraph.distributions.pareto import Pareto
from nngraph.distributions.poisson import Poisson
from nngraph.distributions.uniform import Uniform
from nngraph.frontend.functional.creation import full
from nngraph.frontend.functional.selection import where
from nngraph.frontend.functional.special import xlogy
from nngraph.frontend.tensor import Tensor

__all__ = ["CROSS"]

CROSS = Table()

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)

#: Of each class those whose support lacks values of it: the divergence is infinite.
_INFINITE: dict[type[Distribution], tuple[type[Distribution], ...]] = {
    Beta: (Pareto,),
    ContinuousBernoulli: (Pareto,),
    Exponential: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gamma: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gumbel: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Laplace: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Normal: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Pareto: (Beta, ContinuousBernoulli, Uniform),
    Poisson: (Bernoulli, Binomial),
}
#: Of each class a parameter, whose shape and dtype the divergence has.
_PARAMETER = {
    Beta: "concentration1",
    ContinuousBernoulli: "probs",
    Exponential: "rate",
    Gamma: "concentration",
    Gumbel: "loc",
    Laplace: "loc",
    Normal: "loc",
    Pareto: "scale",
    Poisson: "rate",
}


def _infinite(p: Distribution, q: Distribution) -> Tensor:
    names = [name for kind, name in _PARAMETER.items() if isinstance(p, kind)]
    parameter: Tensor = getattr(p, names[0])
    return full(parameter.shape, math.inf, dtype=parameter.dtype)


for _p, _others in _INFINITE.items():
    for _q in _others:
        CROSS.of(_p, _q)(_infinite)


def _squares(distance: Tensor, variance: Tensor, q: Normal) -> Tensor:
    """What a normal ``q`` charges for a mean that far away and a variance, without its scale's."""
    found: Tensor = 0.5 * (variance + distance.pow(2)) / q.scale.pow(2)
    return found


def _to_normal(p: Distribution, q: Normal) -> Tensor:
    """``-E_p[log q] - H(p)``, which takes the mean, the variance and the entropy of p."""
    charged = _squares(p.mean - q.loc, p.variance, q)
    return charged + q.scale.log() + _HALF_LOG_2PI - p.entropy()


for _p in (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Uniform):
    CROSS.of(_p, Normal)(_to_normal)


def _to_exponential(p: Distribution, q: Exponential) -> Tensor:
    return q.rate * p.mean - q.rate.log() - p.entropy()


for _p in (Beta, ContinuousBernoulli, Gamma):
    CROSS.of(_p, Exponential)(_to_exponential)


def _to_gamma(p: Distribution, q: Gamma, mean_log: Tensor) -> Tensor:
    """Of a p on positive numbers whose logarithm has this mean."""
    shape = q.concentration
    whole = shape.lgamma() - shape * q.rate.log()
    return whole - (shape - 1) * mean_log + q.rate * p.mean - p.entropy()


@CROSS.of(Beta, Gamma)
def _beta_gamma(p: Beta, q: Gamma) -> Tensor:
    total = p.concentration1 + p.concentration0
    return _to_gamma(p, q, p.concentration1.digamma() - total.digamma())


@CROSS.of(Exponential, Gamma)
def _exponential_gamma(p: Exponential, q: Gamma) -> Tensor:
    return _to_gamma(p, q, -p.rate.log() - EULER)


def _mean_log(p: Uniform, x: Tensor, y: Tensor) -> Tensor:
    """The mean of ``log`` between x and y, at a distance as p's ends."""
    return (xlogy(y, y) - xlogy(x, x)) / (p.high - p.low) - 1


@CROSS.of(Uniform, Gamma)
def _uniform_gamma(p: Uniform, q: Gamma) -> Tensor:
    return where(p.low < 0, math.inf, _to_gamma(p, q, _mean_log(p, p.low, p.high)))


@CROSS.of(Uniform, Exponential)
def _uniform_exponential(p: Uniform, q: Exponential) -> Tensor:
    return where(p.low < 0, math.inf, _to_exponential(p, q))


@CROSS.of(Uniform, Beta)
def _uniform_beta(p: Uniform, q: Beta) -> Tensor:
    one, zero = q.concentration1, q.concentration0
    whole = one.lgamma() + zero.lgamma() - (one + zero).lgamma() - p.entropy()
    powers = (one - 1) * _mean_log(p, p.low, p.high)
    powers = powers + (zero - 1) * _mean_log(p, 1 - p.high, 1 - p.low)
    return where((p.high > 1) | (p.low < 0), math.inf, whole - powers)


@CROSS.of(Beta, Uniform)
def _beta_uniform(p: Beta, q: Uniform) -> Tensor:
    found = (q.high - q.low).log() - p.entropy()
    return where((q.low > 0) | (q.high < 1), math.inf, found)


@CROSS.of(ContinuousBernoulli, Uniform)
def _continuous_bernoulli_uniform(p: ContinuousBernoulli, q: Uniform) -> Tensor:
    found = (q.high - q.low).log() - p.entropy()
    return where((q.low > 0) | (q.high < 1), math.inf, found)


def _log_density(q: ContinuousBernoulli, mean: Tensor) -> Tensor:
    """The mean of ``q.log_prob``, which is linear, of values of that mean."""
    return mean * q.logits + (-q.probs).log1p() + q._log_norm()


@CROSS.of(Beta, ContinuousBernoulli)
def _beta_continuous_bernoulli(p: Beta, q: ContinuousBernoulli) -> Tensor:
    return -p.entropy() - _log_density(q, p.mean)


@CROSS.of(Uniform, ContinuousBernoulli)
def _uniform_continuous_bernoulli(p: Uniform, q: ContinuousBernoulli) -> Tensor:
    found = -p.entropy() - _log_density(q, p.mean)
    return where((p.high > 1) | (p.low < 0), math.inf, found)


@CROSS.of(Pareto, Exponential)
def _pareto_exponential(p: Pareto, q: Exponential) -> Tensor:
    return where(p.alpha <= 1, math.inf, _to_exponential(p, q))


@CROSS.of(Pareto, Gamma)
def _pareto_gamma(p: Pareto, q: Gamma) -> Tensor:
    found = _to_gamma(p, q, p.scale.log() + p.alpha.reciprocal())
    return where(p.alpha <= 1, math.inf, found)


@CROSS.of(Pareto, Normal)
def _pareto_normal(p: Pareto, q: Normal) -> Tensor:
    return where(p.alpha <= 2, math.inf, _to_normal(p, q))


@CROSS.of(Uniform, Pareto)
def _uniform_pareto(p: Uniform, q: Pareto) -> Tensor:
    powers = (q.alpha + 1) * _mean_log(p, p.low, p.high)
    found = powers - q.alpha.log() - q.alpha * q.scale.log() - p.entropy()
    return where(p.low < q.scale, math.inf, found)


@CROSS.of(Bernoulli, Poisson)
def _bernoulli_poisson(p: Bernoulli, q: Poisson) -> Tensor:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@CROSS.of(Exponential, Gumbel)
def _exponential_gumbel(p: Exponential, q: Gumbel) -> Tensor:
    product, centre = q.scale * p.rate, q.loc / q.scale
    charged = centre.exp() * product / (product + 1)
    return product.log() - 1 - centre + charged + product.reciprocal()


@CROSS.of(Gamma, Gumbel)
def _gamma_gumbel(p: Gamma, q: Gumbel) -> Tensor:
    shape, product, centre = p.concentration, p.rate * q.scale, q.loc / q.scale
    own = (shape - 1) * shape.digamma() - shape.lgamma() - shape
    charged = centre.exp() * (1 + product.reciprocal()).pow(-shape)
    return own + product.log() + shape / product + charged - centre


@CROSS.of(Normal, Gumbel)
def _normal_gumbel(p: Normal, q: Gumbel) -> Tensor:
    away, ratio = (p.loc - q.loc) / q.scale, p.scale / q.scale
    return -ratio.log() + away + (0.5 * ratio.pow(2) - away).exp() - 0.5 - _HALF_LOG_2PI


@CROSS.of(Normal, Laplace)
def _normal_laplace(p: Normal, q: Laplace) -> Tensor:
    away = p.loc - q.loc
    scaled = away / p.scale
    spread = math.sqrt(2 / math.pi) * p.scale * (-0.5 * scaled.pow(2)).exp()
    distance = spread + away * (math.sqrt(0.5) * scaled).erf()
    return (2 * q.scale).log() + distance / q.scale - p.entropy()


@CROSS.of(Uniform, Gumbel)
def _uniform_gumbel(p: Uniform, q: Gumbel) -> Tensor:
    width = p.high - p.low
    high, low = (p.high - q.loc) / q.scale, (p.low - q.loc) / q.scale
    return (
        (q.scale / width).log()
        + 0.5 * (high + low)
        - (q.scale / width * ((-high).exp() - (-low).exp()))
    )
