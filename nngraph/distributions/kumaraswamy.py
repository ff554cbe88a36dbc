"""The Kumaraswamy distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Shape
from nngraph.distributions.gumbel import EULER
from nngraph.distributions.transformed_distribution import TransformedDistribution
from nngraph.distributions.transforms import AffineTransform, PowerTransform
from nngraph.distributions.uniform import Uniform
from nngraph.distributions.utils import broadcast_all
from nngraph.frontend.functional.creation import ones_like, zeros_like
from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor

__all__ = ["Kumaraswamy"]


class Kumaraswamy(TransformedDistribution):
    """``P(X > x) = (1 - x^concentration1)^concentration0`` on (0, 1)."""

    arg_constraints: ClassVar[Any] = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval

    def __init__(
        self, concentration1: Any, concentration0: Any, validate_args: bool | None = None
    ) -> None:
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        low, high = zeros_like(self.concentration0), ones_like(self.concentration0)
        base = Uniform(low, high, validate_args=validate_args)
        super().__init__(base, self._maps(), validate_args=validate_args)

    def _maps(self) -> list[Any]:
        return [
            PowerTransform(exponent=self.concentration0.reciprocal()),
            AffineTransform(loc=1.0, scale=-1.0),
            PowerTransform(exponent=self.concentration1.reciprocal()),
        ]

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = super().expand(batch_shape, _instance)
        made.concentration1 = self.concentration1.expand(batch_shape)
        made.concentration0 = self.concentration0.expand(batch_shape)
        made.transforms = made._maps()
        return made

    def _moment(self, n: int) -> Tensor:
        """The mean of the n-th power."""
        one, zero = 1 + n / self.concentration1, self.concentration0
        return (one.lgamma() + zero.lgamma() - (one + zero).lgamma()).exp() * zero

    @property
    def mean(self) -> Tensor:
        return self._moment(1)

    @property
    def mode(self) -> Tensor:
        one, zero = self.concentration1, self.concentration0
        log = zero.reciprocal() * (-zero).log1p() - (-zero * one).log1p()
        return where((zero < 1) | (one < 1), math.nan, log).exp()

    @property
    def variance(self) -> Tensor:
        return self._moment(2) - self.mean.pow(2)

    def entropy(self) -> Tensor:
        one, zero = self.concentration1, self.concentration0
        harmonic = (zero + 1).digamma() + EULER
        whole = (1 - zero.reciprocal()) + (1 - one.reciprocal()) * harmonic
        return whole - one.log() - zero.log()
