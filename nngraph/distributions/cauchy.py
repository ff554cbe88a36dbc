"""The Cauchy distribution."""

from __future__ import annotations

import math

from nngraph.distributions.distribution import Shape
from nngraph.distributions.location_scale import LocationScale
from nngraph.frontend.functional.creation import full
from nngraph.frontend.functional.random import rand
from nngraph.frontend.tensor import Tensor

__all__ = ["Cauchy"]


class Cauchy(LocationScale):
    """Density ``1 / (pi scale (1 + ((x - loc) / scale)^2))``; it has no mean."""

    @property
    def mean(self) -> Tensor:
        return full(self._extended_shape(), math.nan, dtype=self.loc.dtype)

    @property
    def variance(self) -> Tensor:
        return full(self._extended_shape(), math.inf, dtype=self.loc.dtype)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        return self.icdf(rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        scaled = (self._checked(value) - self.loc) / self.scale
        return -math.log(math.pi) - self.scale.log() - (scaled**2).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        return ((self._checked(value) - self.loc) / self.scale).atan() / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        return (math.pi * (value - 0.5)).tan() * self.scale + self.loc

    def entropy(self) -> Tensor:
        return math.log(4 * math.pi) + self.scale.log()
