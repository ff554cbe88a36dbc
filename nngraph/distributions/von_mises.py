"""The von Mises distribution of angles."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Distribution, Shape
from nngraph.distributions.utils import broadcast_all
from nngraph.frontend.functional.counts import first_accepted
from nngraph.frontend.functional.creation import ones_like
from nngraph.frontend.functional.random import rand
from nngraph.frontend.functional.selection import where
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import float64
from nngraph.special.bessel import i0e, i1e

__all__ = ["VonMises"]

#: At a large concentration, where it is least, 65 of 100 proposals are accepted: 0.35**33 < 1e-15.
_PROPOSALS = 33


class VonMises(Distribution):
    """Density ``exp(concentration cos(x - loc)) / (2 pi I0(concentration))`` on a circle.

    Draws are angles from -pi to pi; mean and variance are the circular ones.
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real,
        "concentration": constraints.positive,
    }
    support = constraints.real

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        return self._expanded(("loc", "concentration"), batch_shape, _instance)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return 1 - i1e(self.concentration) / i0e(self.concentration)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """By the method of Best and Fisher (Applied Statistics, 1979), in float64."""
        with no_grad():
            k = self.concentration.to(float64)
            u = rand((3, _PROPOSALS, *self._extended_shape(sample_shape)), dtype=float64)
            z = (math.pi * u[0]).cos()
            r = _width(k)
            cosine = (1 + r * z) / (r + z)
            c = k * (r - cosine)
            accepted = (c / (1.0 - u[1])).log() + 1 - c >= 0
            angle = where(u[2] < 0.5, -1.0, 1.0) * cosine.clamp(min=-1, max=1).acos()
            drawn = first_accepted(angle, accepted, angle[0] * 0)
            turned = (drawn + math.pi + self.loc.to(float64)) % (2 * math.pi) - math.pi
            found: Tensor = turned.to(self.loc.dtype)
            return found

    def log_prob(self, value: Tensor) -> Tensor:
        k = self.concentration
        away = k * ((self._checked(value) - self.loc).cos() - 1)
        return away - math.log(2 * math.pi) - i0e(k).log()


def _width(k: Tensor) -> Tensor:
    """Of the wrapped Cauchy distribution that proposals come from; for small k its series."""
    is_small = k < 1e-5
    safe = where(is_small, ones_like(k), k)
    tau = 1 + (1 + 4 * safe.square()).sqrt()
    rho = (tau - (2 * tau).sqrt()) / (2 * safe)
    return where(is_small, 1 / k + k, (1 + rho.square()) / (2 * rho))
