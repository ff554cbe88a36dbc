"""The Pareto distribution."""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Shape
from nngraph.distributions.exponential import Exponential
from nngraph.distributions.transformed_distribution import TransformedDistribution
from nngraph.distributions.transforms import AffineTransform, ExpTransform
from nngraph.distributions.utils import broadcast_all
from nngraph.frontend.tensor import Tensor

__all__ = ["Pareto"]


class Pareto(TransformedDistribution):
    """``P(X > x) = (scale / x)^alpha`` for x >= scale."""

    arg_constraints: ClassVar[Any] = {"alpha": constraints.positive, "scale": constraints.positive}

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self.scale, self.alpha = broadcast_all(scale, alpha)
        base = Exponential(self.alpha, validate_args=validate_args)
        super().__init__(base, self._maps(self.scale), validate_args=validate_args)

    @staticmethod
    def _maps(scale: Tensor) -> list[Any]:
        return [ExpTransform(), AffineTransform(loc=0, scale=scale)]

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = super().expand(batch_shape, _instance)
        made.scale, made.alpha = self.scale.expand(batch_shape), self.alpha.expand(batch_shape)
        made.transforms = self._maps(made.scale)
        return made

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Tensor:
        alpha = self.alpha.clamp(min=1)
        return alpha * self.scale / (alpha - 1)

    @property
    def mode(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        alpha = self.alpha.clamp(min=2)
        return self.scale.pow(2) * alpha / ((alpha - 1).pow(2) * (alpha - 2))

    def entropy(self) -> Tensor:
        return (self.scale / self.alpha).log() + (1 + self.alpha.reciprocal())
