"""The normal distribution."""

from __future__ import annotations

import math

from nngraph.distributions.distribution import Shape
from nngraph.distributions.exp_family import ExponentialFamily
from nngraph.distributions.location_scale import LocationScale
from nngraph.frontend.functional.random import randn
from nngraph.frontend.functional.special import erfinv
from nngraph.frontend.tensor import Tensor

__all__ = ["Normal"]


class Normal(LocationScale, ExponentialFamily):
    """Density ``exp(-((x - loc) / scale)^2 / 2) / (scale sqrt(2 pi))``."""

    _mean_carrier_measure = 0

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        return self.scale.pow(2)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        drawn = randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + drawn * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        distance = self._checked(value) - self.loc
        log_scale = self.scale.log()
        return -(distance**2) / (2 * self.variance) - log_scale - math.log(math.sqrt(2 * math.pi))

    def cdf(self, value: Tensor) -> Tensor:
        scaled = (self._checked(value) - self.loc) * self.scale.reciprocal() / math.sqrt(2)
        return 0.5 * (1 + scaled.erf())

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> Tensor:
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.loc / self.scale.pow(2), -0.5 * self.scale.pow(2).reciprocal())

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x, y = natural_params
        return -0.25 * x.pow(2) / y + 0.5 * (-math.pi / y).log()
