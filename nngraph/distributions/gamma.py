"""The gamma distribution."""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Shape
from nngraph.distributions.exp_family import ExponentialFamily
from nngraph.distributions.utils import broadcast_all
from nngraph.frontend.functional.gamma import igamma
from nngraph.frontend.functional.gammadraws import standard_gamma
from nngraph.frontend.functional.special import xlogy
from nngraph.frontend.limits import finfo
from nngraph.frontend.tensor import Tensor

__all__ = ["Gamma"]


class Gamma(ExponentialFamily):
    """Density ``rate^c x^(c - 1) exp(-rate x) / gamma(c)``, c the concentration."""

    arg_constraints: ClassVar[Any] = {
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        return self._expanded(("concentration", "rate"), batch_shape, _instance)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate.pow(2)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        drawn = standard_gamma(self.concentration.expand(self._extended_shape(sample_shape)))
        return (drawn / self.rate).clamp(min=finfo(drawn.dtype).tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        value, shape = self._checked(value), self.concentration
        powers = xlogy(shape, self.rate) + xlogy(shape - 1, value)
        return powers - self.rate * value - shape.lgamma()

    def cdf(self, value: Tensor) -> Tensor:
        shape, scaled = broadcast_all(self.concentration, self.rate * self._checked(value))
        return igamma(shape, scaled)

    def entropy(self) -> Tensor:
        shape = self.concentration
        return shape - self.rate.log() + shape.lgamma() + (1.0 - shape) * shape.digamma()

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.concentration - 1, -self.rate)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x, y = natural_params
        return (x + 1).lgamma() - (x + 1) * (-y).log()
