"""The half-normal and the half-Cauchy distribution: absolute values."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.cauchy import Cauchy
from nngraph.distributions.distribution import Distribution
from nngraph.distributions.normal import Normal
from nngraph.distributions.transformed_distribution import TransformedDistribution
from nngraph.distributions.transforms import AbsTransform
from nngraph.frontend.functional.creation import full_like, zeros_like
from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor

__all__ = ["HalfCauchy", "HalfNormal"]


class _Half(TransformedDistribution):
    """The absolute value of a symmetric distribution around 0."""

    arg_constraints: ClassVar[Any] = {"scale": constraints.positive}
    support = constraints.nonnegative
    _base: ClassVar[Any]
    base_dist: Any

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        base: Distribution = self._base(0, scale, validate_args=False)
        super().__init__(base, AbsTransform(), validate_args=validate_args)

    @property
    def scale(self) -> Tensor:
        """The scale of the whole distribution."""
        found: Tensor = self.base_dist.scale
        return found

    @property
    def mode(self) -> Tensor:
        return zeros_like(self.scale)

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(value)
        found = self.base_dist.log_prob(value) + math.log(2)
        return where(value >= 0, found, -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        found: Tensor = 2 * self.base_dist.cdf(self._checked(value)) - 1
        return found

    def icdf(self, value: Tensor) -> Tensor:
        found: Tensor = self.base_dist.icdf((value + 1) / 2)
        return found

    def entropy(self) -> Tensor:
        found: Tensor = self.base_dist.entropy() - math.log(2)
        return found


class HalfNormal(_Half):
    """``|X|`` of a normal X with mean 0."""

    _base = Normal

    @property
    def mean(self) -> Tensor:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Tensor:
        return self.scale.pow(2) * (1 - 2 / math.pi)


class HalfCauchy(_Half):
    """``|X|`` of a Cauchy X around 0; it has no mean."""

    _base = Cauchy

    @property
    def mean(self) -> Tensor:
        return full_like(self.scale, math.inf)

    @property
    def variance(self) -> Tensor:
        found: Tensor = self.base_dist.variance
        return found
