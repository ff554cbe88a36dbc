"""The generalized Pareto distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Distribution, Shape
from nngraph.distributions.utils import broadcast_all
from nngraph.frontend.functional.comparison import isclose
from nngraph.frontend.functional.creation import zeros_like
from nngraph.frontend.functional.random import rand
from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """``P(X > x) = (1 + c z)^(-1 / c)`` with ``z = (x - loc) / scale`` and c the concentration.

    Exponential where c is 0, and ends at ``loc - scale / c`` where it is negative.
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(
        self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None
    ) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        return self._expanded(("loc", "scale", "concentration"), batch_shape, _instance)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        end = self.loc - self.scale / self.concentration
        return constraints.interval(self.loc, where(self.concentration < 0, end, math.inf))

    def _parts(self) -> tuple[Tensor, Tensor]:
        """Where the concentration is 0, and the concentration, 1 there."""
        is_zero = isclose(self.concentration, zeros_like(self.concentration))
        return is_zero, where(is_zero, 1.0, self.concentration)

    def _scaled(self, value: Tensor) -> Tensor:
        return (self._checked(value) - self.loc) / self.scale

    @property
    def mean(self) -> Tensor:
        known = self.concentration < 1
        found = self.loc + self.scale / (1 - where(known, self.concentration, 0.5))
        return where(known, found, math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        known = self.concentration < 0.5
        c = where(known, self.concentration, 0.25)
        return where(known, self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c)), math.nan)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        return self.icdf(rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        z = self._scaled(value)
        is_zero, c = self._parts()
        power = 1 / c + 1
        found = where(power == 0, power, power * (c * z).log1p())
        return -self.scale.log() - where(is_zero, z, found)

    def log_survival_function(self, value: Tensor) -> Tensor:
        """``log P(X > value)``."""
        z = self._scaled(value)
        is_zero, c = self._parts()
        return where(is_zero, -z, -(c * z).log1p() / c)

    def log_cdf(self, value: Tensor) -> Tensor:
        """``log cdf(value)``."""
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        return self.log_cdf(value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        log_rest = (-value).log1p()
        is_zero, c = self._parts()
        found = self.loc + self.scale / c * (-c * log_rest).expm1()
        return where(is_zero, self.loc - self.scale * log_rest, found)

    def entropy(self) -> Tensor:
        return self.scale.log() + self.concentration + 1
