"""The Weibull distribution."""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Shape
from nngraph.distributions.exponential import Exponential
from nngraph.distributions.gumbel import EULER
from nngraph.distributions.transformed_distribution import TransformedDistribution
from nngraph.distributions.transforms import AffineTransform, PowerTransform
from nngraph.distributions.utils import broadcast_all
from nngraph.frontend.functional.creation import ones_like
from nngraph.frontend.tensor import Tensor

__all__ = ["Weibull"]


class Weibull(TransformedDistribution):
    """``P(X > x) = exp(-(x / scale)^concentration)`` for x > 0."""

    arg_constraints: ClassVar[Any] = {
        "scale": constraints.positive,
        "concentration": constraints.positive,
    }
    support = constraints.positive

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        base = Exponential(ones_like(self.scale), validate_args=validate_args)
        super().__init__(base, self._maps(), validate_args=validate_args)

    def _maps(self) -> list[Any]:
        power = PowerTransform(exponent=self.concentration_reciprocal)
        return [power, AffineTransform(loc=0, scale=self.scale)]

    @property
    def concentration_reciprocal(self) -> Tensor:
        """``1 / concentration``."""
        return self.concentration.reciprocal()

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = super().expand(batch_shape, _instance)
        made.scale = self.scale.expand(batch_shape)
        made.concentration = self.concentration.expand(batch_shape)
        made.transforms = made._maps()
        return made

    @property
    def mean(self) -> Tensor:
        return self.scale * (1 + self.concentration_reciprocal).lgamma().exp()

    @property
    def mode(self) -> Tensor:
        share = (self.concentration - 1) / self.concentration
        found: Tensor = self.scale * share**self.concentration_reciprocal
        return found

    @property
    def variance(self) -> Tensor:
        share = self.concentration_reciprocal
        squares = (1 + 2 * share).lgamma().exp() - (2 * (1 + share).lgamma()).exp()
        return self.scale.pow(2) * squares

    def entropy(self) -> Tensor:
        share = self.concentration_reciprocal
        return EULER * (1 - share) + (self.scale * share).log() + 1
