"""The F distribution of Fisher and Snedecor."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Distribution, Shape
from nngraph.distributions.gamma import Gamma
from nngraph.distributions.utils import broadcast_all
from nngraph.frontend.functional.selection import where
from nngraph.frontend.limits import finfo
from nngraph.frontend.tensor import Tensor

__all__ = ["FisherSnedecor"]


class FisherSnedecor(Distribution):
    """``(X1 / df1) / (X2 / df2)`` of two chi-square numbers."""

    arg_constraints: ClassVar[Any] = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        self.df1, self.df2 = broadcast_all(df1, df2)
        self._above, self._below = (Gamma(df * 0.5, df) for df in (self.df1, self.df2))
        super().__init__(self.df1.shape, validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = self._expanded(("df1", "df2"), batch_shape, _instance)
        made._above, made._below = (d.expand(batch_shape) for d in (self._above, self._below))
        return made

    @property
    def mean(self) -> Tensor:
        df2 = where(self.df2 > 2, self.df2, math.nan)
        return df2 / (df2 - 2)

    @property
    def mode(self) -> Tensor:
        found = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return where(self.df1 > 2, found, math.nan)

    @property
    def variance(self) -> Tensor:
        df1, df2 = self.df1, where(self.df2 > 4, self.df2, math.nan)
        return 2 * df2.pow(2) * (df1 + df2 - 2) / (df1 * (df2 - 2).pow(2) * (df2 - 4))

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        above, below = self._above.rsample(sample_shape), self._below.rsample(sample_shape)
        return (above / below).clamp(min=finfo(above.dtype).tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        value, half1, half2 = self._checked(value), self.df1 * 0.5, self.df2 * 0.5
        ratio, total = self.df1 / self.df2, half1 + half2
        whole = total.lgamma() - half1.lgamma() - half2.lgamma() + half1 * ratio.log()
        return whole + (half1 - 1) * value.log() - total * (ratio * value).log1p()
