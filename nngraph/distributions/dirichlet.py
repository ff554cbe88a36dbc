"""The Dirichlet distribution."""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Shape
from nngraph.distributions.exp_family import ExponentialFamily
from nngraph.frontend.functional.gammadraws import sample_dirichlet
from nngraph.frontend.functional.selection import where
from nngraph.frontend.functional.special import xlogy
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional import one_hot

__all__ = ["Dirichlet"]


class Dirichlet(ExponentialFamily):
    """Shares that sum to 1, with a density proportional to ``prod x_i^(c_i - 1)``.

    Gradients of draws go through the gamma numbers of which these are the shares.

    Raises:
        ValueError: for a concentration without axes.
    """

    arg_constraints: ClassVar[Any] = {
        "concentration": constraints.independent(constraints.positive, 1)
    }
    support = constraints.simplex
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        shape = concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        return self._expanded(("concentration",), batch_shape, _instance)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def mode(self) -> Tensor:
        above = (self.concentration - 1).clamp(min=0.0)
        found = above / above.sum(-1, keepdim=True)
        # Without one above 1 it is a corner: of equals, all NaN here, the first.
        corner = one_hot(found.argmax(-1), found.shape[-1]).to(found.dtype)
        return where((self.concentration < 1).all(-1, keepdim=True), corner, found)

    @property
    def variance(self) -> Tensor:
        total = self.concentration.sum(-1, keepdim=True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        return sample_dirichlet(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        c = self.concentration
        powers = xlogy(c - 1.0, self._checked(value)).sum(-1)
        found: Tensor = powers + c.sum(-1).lgamma() - c.lgamma().sum(-1)
        return found

    def entropy(self) -> Tensor:
        c, size = self.concentration, self.concentration.shape[-1]
        total = c.sum(-1)
        spread = (size - total) * total.digamma() + ((c - 1.0) * c.digamma()).sum(-1)
        found: Tensor = c.lgamma().sum(-1) - total.lgamma() - spread
        return found

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.concentration - 1,)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x = natural_params[0] + 1
        found: Tensor = x.lgamma().sum(-1) - x.sum(-1).lgamma()
        return found
