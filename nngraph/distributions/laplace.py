"""The Laplace distribution."""

from __future__ import annotations

from nngraph.distributions.distribution import Shape
from nngraph.distributions.location_scale import LocationScale
from nngraph.frontend.functional.random import rand
from nngraph.frontend.limits import finfo
from nngraph.frontend.tensor import Tensor

__all__ = ["Laplace"]


class Laplace(LocationScale):
    """Density ``exp(-|x - loc| / scale) / (2 scale)``."""

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return 2**0.5 * self.scale

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale.pow(2)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        kind = self.loc.dtype
        u = rand(self._extended_shape(sample_shape), dtype=kind) * 2 - 1
        u = u.clamp(min=finfo(kind).eps - 1)
        return self.loc - self.scale * u.sign() * (-u.abs()).log1p()

    def log_prob(self, value: Tensor) -> Tensor:
        return -(2 * self.scale).log() - (self._checked(value) - self.loc).abs() / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        distance = self._checked(value) - self.loc
        return 0.5 - 0.5 * distance.sign() * (-distance.abs() / self.scale).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        term = value - 0.5
        return self.loc - self.scale * term.sign() * (-2 * term.abs()).log1p()

    def entropy(self) -> Tensor:
        return 1 + (2 * self.scale).log()
