"""Probability distributions (``torch.distributions``).

Source: https://docs.pytorch.org/docs/stable/distributions.html
"""

from __future__ import annotations

from nngraph.distributions import constraints, transforms
from nngraph.distributions.bernoulli import Bernoulli
from nngraph.distributions.beta import Beta
from nngraph.distributions.binomial import Binomial
from nngraph.distributions.categorical import Categorical
from nngraph.distributions.cauchy import Cauchy
from nngraph.distributions.chi2 import Chi2
from nngraph.distributions.dirichlet import Dirichlet
from nngraph.distributions.distribution import Distribution
from nngraph.distributions.exponential import Exponential
from nngraph.distributions.exponential_family import ExponentialFamily
from nngraph.distributions.gamma import Gamma
from nngraph.distributions.geometric import Geometric
from nngraph.distributions.gumbel import Gumbel
from nngraph.distributions.half import HalfCauchy, HalfNormal
from nngraph.distributions.independent import Independent
from nngraph.distributions.kl import kl_divergence, register_kl
from nngraph.distributions.laplace import Laplace
from nngraph.distributions.log_normal import LogNormal
from nngraph.distributions.mixture_same_family import MixtureSameFamily
from nngraph.distributions.multivariate_normal import MultivariateNormal
from nngraph.distributions.normal import Normal
from nngraph.distributions.one_hot_categorical import (
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
)
from nngraph.distributions.poisson import Poisson
from nngraph.distributions.student_t import StudentT
from nngraph.distributions.transformed_distribution import TransformedDistribution
from nngraph.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    ComposeTransform,
    ExpTransform,
    IndependentTransform,
    PowerTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    TanhTransform,
    Transform,
    identity_transform,
)
from nngraph.distributions.uniform import Uniform

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "ExponentialFamily",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "IndependentTransform",
    "Laplace",
    "LogNormal",
    "MixtureSameFamily",
    "MultivariateNormal",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Poisson",
    "PowerTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "constraints",
    "identity_transform",
    "kl_divergence",
    "register_kl",
    "transforms",
]
