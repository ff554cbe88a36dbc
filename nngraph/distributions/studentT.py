"""Student's t distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.chi2 import Chi2
from nngraph.distributions.distribution import Distribution, Shape
from nngraph.distributions.utils import broadcast_all
from nngraph.frontend.functional.random import randn
from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor

__all__ = ["StudentT"]


class StudentT(Distribution):
    """``loc + scale X / sqrt(Z / df)``, X standard normal and Z chi-square of ``df`` squares."""

    arg_constraints: ClassVar[Any] = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True

    def __init__(
        self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        super().__init__(self.df.shape, validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = self._expanded(("df", "loc", "scale"), batch_shape, _instance)
        made._chi2 = self._chi2.expand(batch_shape)
        return made

    @property
    def mean(self) -> Tensor:
        return where(self.df <= 1, math.nan, self.loc)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        df = where(self.df > 2, self.df, 3.0)
        found = where(self.df > 2, self.scale.pow(2) * df / (df - 2), math.inf)
        return where(self.df <= 1, math.nan, found)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        normal = randn(self._extended_shape(sample_shape), dtype=self.df.dtype)
        scaled = normal * (self._chi2.rsample(sample_shape) / self.df).rsqrt()
        return self.loc + self.scale * scaled

    def log_prob(self, value: Tensor) -> Tensor:
        y, df = (self._checked(value) - self.loc) / self.scale, self.df
        whole = self.scale.log() + 0.5 * df.log() + 0.5 * math.log(math.pi)
        whole = whole + (0.5 * df).lgamma() - (0.5 * (df + 1.0)).lgamma()
        return -0.5 * (df + 1.0) * (y**2.0 / df).log1p() - whole

    def entropy(self) -> Tensor:
        df, half, more = self.df, 0.5 * self.df, 0.5 * (self.df + 1)
        log_beta = half.lgamma() + math.lgamma(0.5) - more.lgamma()
        surprise = more * (more.digamma() - half.digamma())
        return self.scale.log() + surprise + 0.5 * df.log() + log_beta
