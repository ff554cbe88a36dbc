"""What distributions with a location and a scale have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Distribution, Shape
from nngraph.distributions.utils import broadcast_all
from nngraph.frontend.tensor import Tensor

__all__ = ["LocationScale"]


class LocationScale(Distribution):
    """Base of the distributions of ``loc + scale X``, X with its most likely value at 0.

    Args:
        loc: where the most likely value is, a tensor or a number.
        scale: above 0; both broadcast.
        validate_args: see ``Distribution``.
    """

    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        return self._expanded(("loc", "scale"), batch_shape, _instance)

    @property
    def mode(self) -> Tensor:
        return self.loc
