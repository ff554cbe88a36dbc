"""The logistic normal distribution."""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Shape
from nngraph.distributions.independent import Independent
from nngraph.distributions.normal import Normal
from nngraph.distributions.transformed_distribution import TransformedDistribution
from nngraph.distributions.transforms import StickBreakingTransform
from nngraph.frontend.tensor import Tensor

__all__ = ["LogisticNormal"]


class LogisticNormal(TransformedDistribution):
    """Shares, one more than the normal numbers along the last axis whose sticks they break."""

    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex
    base_dist: Independent

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand((1,))
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        return super().expand(batch_shape, _instance)

    @property
    def loc(self) -> Tensor:
        """The normal numbers' mean."""
        found: Tensor = self.base_dist.base_dist.loc  # type: ignore[attr-defined]
        return found

    @property
    def scale(self) -> Tensor:
        """The normal numbers' standard deviation."""
        found: Tensor = self.base_dist.base_dist.scale  # type: ignore[attr-defined]
        return found
