"""The Gumbel distribution."""

from __future__ import annotations

import math

from nngraph.distributions.distribution import Shape
from nngraph.distributions.location_scale import LocationScale
from nngraph.frontend.functional.random import rand
from nngraph.frontend.limits import finfo
from nngraph.frontend.tensor import Tensor

__all__ = ["EULER", "Gumbel"]

#: Euler's constant.
EULER = 0.57721566490153286060


class Gumbel(LocationScale):
    """``F(x) = exp(-exp(-(x - loc) / scale))``."""

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * EULER

    @property
    def stddev(self) -> Tensor:
        return (math.pi / math.sqrt(6)) * self.scale

    @property
    def variance(self) -> Tensor:
        return self.stddev.pow(2)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        limits = finfo(self.loc.dtype)
        drawn = rand(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.icdf(drawn.clamp(min=limits.tiny, max=1 - limits.eps))

    def log_prob(self, value: Tensor) -> Tensor:
        y = (self.loc - self._checked(value)) / self.scale
        return (y - y.exp()) - self.scale.log()

    def cdf(self, value: Tensor) -> Tensor:
        return (-((self.loc - self._checked(value)) / self.scale).exp()).exp()

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc - self.scale * (-value.log()).log()

    def entropy(self) -> Tensor:
        return self.scale.log() + (1 + EULER)
