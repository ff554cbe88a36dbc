"""The continuous Bernoulli distribution."""

from __future__ import annotations

import math
from typing import Any

from nngraph.distributions import constraints
from nngraph.distributions.bernoulli import Coin
from nngraph.distributions.distribution import Shape
from nngraph.distributions.exp_family import ExponentialFamily
from nngraph.distributions.utils import broadcast_all, clamp_probs, lazy_property, logits_to_probs
from nngraph.frontend.functional.random import rand
from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional import binary_cross_entropy_with_logits

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(Coin, ExponentialFamily):
    """Density proportional to ``probs^x (1 - probs)^(1 - x)`` on [0, 1].

    Args:
        probs: in (0, 1); those at its ends are moved inside by the dtype's epsilon.
        logits: the log-odds, in place of it.
        lims: between these, where the formulas of ``probs`` divide 0 by 0, series take their place.
        validate_args: see ``Distribution``.

    Source: Loaiza-Ganem and Cunningham, "The continuous Bernoulli" (2019).
    """

    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        self._lims = lims
        super().__init__(probs, logits, validate_args)
        if self._given == "probs":
            self.probs = clamp_probs(self.probs)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = super().expand(batch_shape, _instance)
        made._lims = self._lims
        return made

    @lazy_property
    def probs(self) -> Tensor:
        """The parameter, in (0, 1)."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _is_sure(self) -> Tensor:
        """Where the formulas hold."""
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut(self) -> tuple[Tensor, Tensor, Tensor]:
        """Where the formulas hold, the parameter (there), and its distance from 1/2."""
        sure = self._is_sure()
        return sure, where(sure, self.probs, self._lims[0]), self.probs - 0.5

    def _log_norm(self) -> Tensor:
        """The logarithm of what the density is multiplied with."""
        sure, p, away = self._cut()
        found = ((-p).log1p() - p.log()).abs().log() - (1 - 2 * p).abs().log()
        square = away.pow(2)
        return where(sure, found, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * square) * square)

    @property
    def mean(self) -> Tensor:
        sure, p, away = self._cut()
        found = p / (2.0 * p - 1.0) + 1.0 / ((-p).log1p() - p.log())
        return where(sure, found, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * away.pow(2)) * away)

    @property
    def mode(self) -> Tensor:
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self) -> Tensor:
        sure, p, away = self._cut()
        found = p * (p - 1.0) / (1.0 - 2.0 * p).pow(2) + ((-p).log1p() - p.log()).pow(-2)
        square = away.pow(2)
        return where(sure, found, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * square) * square)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        return self.icdf(rand(self._extended_shape(sample_shape), dtype=self.probs.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        logits, value = broadcast_all(self.logits, self._checked(value))
        powers = -binary_cross_entropy_with_logits(logits, value.to(logits.dtype), reduction="none")
        return powers + self._log_norm()

    def cdf(self, value: Tensor) -> Tensor:
        value = self._checked(value)
        sure, p, _ = self._cut()
        found = (p.pow(value) * (1.0 - p).pow(1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        inside = where(sure, found, value)
        return where(value <= 0.0, 0.0, where(value >= 1.0, 1.0, inside))

    def icdf(self, value: Tensor) -> Tensor:
        sure, p, _ = self._cut()
        log_rest = (-p).log1p()
        found = ((-p + value * (2.0 * p - 1.0)).log1p() - log_rest) / (p.log() - log_rest)
        return where(sure, found, value)

    def entropy(self) -> Tensor:
        log_rest, log = (-self.probs).log1p(), self.probs.log()
        return self.mean * (log_rest - log) - self._log_norm() - log_rest

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        (x,) = natural_params
        low, high = (limit - 0.5 for limit in self._lims)
        sure = (x <= low) | (x > high)
        kept = where(sure, x, low)
        found = kept.expm1().abs().log() - kept.abs().log()
        return where(sure, found, 0.5 * x + x.pow(2) / 24.0 - x.pow(4) / 2880.0)
