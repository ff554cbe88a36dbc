"""The Bernoulli and the geometric distribution: coins, and how often they fail first."""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Distribution, Shape
from nngraph.distributions.exp_family import ExponentialFamily
from nngraph.distributions.utils import (
    broadcast_all,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
)
from nngraph.frontend.functional.creation import arange
from nngraph.frontend.functional.random import rand
from nngraph.frontend.functional.selection import where
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional import binary_cross_entropy_with_logits, softplus

__all__ = ["Bernoulli", "Coin"]


class Coin(Distribution):
    """Base of distributions of one probability, given as such or as log-odds.

    Raises:
        ValueError: unless exactly one of the two is given.
    """

    arg_constraints: ClassVar[Any] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        name = "logits" if probs is None else "probs"
        (value,) = broadcast_all(logits if probs is None else probs)
        setattr(self, name, value)
        self._given = name
        super().__init__(value.shape, validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = self._expanded(("probs", "logits"), batch_shape, _instance)
        made._given = self._given
        return made

    @lazy_property
    def logits(self) -> Tensor:
        """The log-odds."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Tensor:
        """The probability."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return getattr(self, self._given).shape


class Bernoulli(Coin, ExponentialFamily):
    """1 with probability ``probs``, and 0 otherwise."""

    support = constraints.boolean
    has_enumerate_support = True
    _mean_carrier_measure = 0

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        likely = (self.probs >= 0.5).to(self.probs.dtype)
        return where(self.probs == 0.5, float("nan"), likely)

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        with no_grad():
            drawn = rand(self._extended_shape(sample_shape), dtype=self.probs.dtype)
            return (drawn < self.probs).to(self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        logits, value = broadcast_all(self.logits, self._checked(value))
        return -binary_cross_entropy_with_logits(logits, value.to(logits.dtype), reduction="none")

    def entropy(self) -> Tensor:
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        shape = (2, *([1] * len(self._batch_shape)))
        values = arange(2, dtype=getattr(self, self._given).dtype).view(shape)
        return values.expand((2, *self._batch_shape)) if expand else values

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        return softplus(natural_params[0])
