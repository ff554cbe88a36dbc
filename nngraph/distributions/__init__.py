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
from nngraph.distributions.constraint_registry import biject_to, transform_to
from nngraph.distributions.continuous_bernoulli import ContinuousBernoulli
from nngraph.distributions.dirichlet import Dirichlet
from nngraph.distributions.distribution import Distribution
from nngraph.distributions.exp_family import ExponentialFamily
from nngraph.distributions.exponential import Exponential
from nngraph.distributions.fishersnedecor import FisherSnedecor
from nngraph.distributions.gamma import Gamma
from nngraph.distributions.generalized_pareto import GeneralizedPareto
from nngraph.distributions.geometric import Geometric
from nngraph.distributions.gumbel import Gumbel
from nngraph.distributions.half import HalfCauchy, HalfNormal
from nngraph.distributions.independent import Independent
from nngraph.distributions.inverse_gamma import InverseGamma
from nngraph.distributions.kl import kl_divergence, register_kl
from nngraph.distributions.kumaraswamy import Kumaraswamy
from nngraph.distributions.laplace import Laplace
from nngraph.distributions.lkj_cholesky import LKJCholesky
from nngraph.distributions.log_normal import LogNormal
from nngraph.distributions.logistic_normal import LogisticNormal
from nngraph.distributions.lowrank_multivariate_normal import LowRankMultivariateNormal
from nngraph.distributions.mixture_same_family import MixtureSameFamily
from nngraph.distributions.multinomial import Multinomial
from nngraph.distributions.multivariate_normal import MultivariateNormal
from nngraph.distributions.negative_binomial import NegativeBinomial
from nngraph.distributions.normal import Normal
from nngraph.distributions.one_hot_categorical import (
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
)
from nngraph.distributions.pareto import Pareto
from nngraph.distributions.poisson import Poisson
from nngraph.distributions.relaxed_bernoulli import RelaxedBernoulli
from nngraph.distributions.relaxed_categorical import RelaxedOneHotCategorical
from nngraph.distributions.studentT import StudentT
from nngraph.distributions.transformed_distribution import TransformedDistribution
from nngraph.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    CatTransform,
    ComposeTransform,
    CorrCholeskyTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    PowerTransform,
    ReshapeTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StackTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)
from nngraph.distributions.uniform import Uniform
from nngraph.distributions.von_mises import VonMises
from nngraph.distributions.weibull import Weibull
from nngraph.distributions.wishart import Wishart

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "CatTransform",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "ContinuousBernoulli",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "ExponentialFamily",
    "FisherSnedecor",
    "Gamma",
    "GeneralizedPareto",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "IndependentTransform",
    "InverseGamma",
    "Kumaraswamy",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LowRankMultivariateNormal",
    "LowerCholeskyTransform",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "VonMises",
    "Weibull",
    "Wishart",
    "biject_to",
    "constraints",
    "identity_transform",
    "kl_divergence",
    "register_kl",
    "transform_to",
    "transforms",
]
