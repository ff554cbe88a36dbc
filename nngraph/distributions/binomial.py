"""The binomial distribution."""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Distribution, Shape
from nngraph.distributions.utils import (
    broadcast_all,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
)
from nngraph.frontend.errors import Need
from nngraph.frontend.functional import counts
from nngraph.frontend.functional.creation import arange
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor

__all__ = ["Binomial", "Trials"]


class Trials(Distribution):
    """Base of distributions of how trials end: a number of them, and a probability or log-odds.

    Raises:
        ValueError: unless exactly one of ``probs`` and ``logits`` is given.
    """

    arg_constraints: ClassVar[Any]

    def __init__(
        self, total_count: Any, probs: Any, logits: Any, validate_args: bool | None
    ) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        self._given = "logits" if probs is None else "probs"
        self._same = total_count if isinstance(total_count, int) else None
        count, value = broadcast_all(total_count, logits if probs is None else probs)
        self.total_count = count.to(value.dtype)
        setattr(self, self._given, value)
        super().__init__(value.shape, validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = self._expanded(("total_count", "probs", "logits"), batch_shape, _instance)
        made._given, made._same = self._given, self._same
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


class Binomial(Trials):
    """How many of ``total_count`` trials succeed, each with probability ``probs``."""

    arg_constraints: ClassVar[Any] = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(
        self,
        total_count: Any = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(total_count, probs, logits, validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        return super().expand(batch_shape, _instance)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        return ((self.total_count + 1) * self.probs).floor().minimum(self.total_count)

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return counts.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        value, n, logits = self._checked(value), self.total_count, self.logits
        ways = (n + 1).lgamma() - (value + 1).lgamma() - (n - value + 1).lgamma()
        # n log(1 + exp(logits)), whose gradient at 0 is half of each side's
        above = (logits.clamp(min=0) + logits - logits.clamp(max=0)) / 2
        return value * logits + ways - n * (above + (-logits.abs()).exp().log1p())

    def entropy(self) -> Tensor:
        count = self._count("entropy")
        if count is None:
            raise NotImplementedError("Inhomogeneous total count not supported by `entropy`.")
        log_prob = self.log_prob(self.enumerate_support(False))
        found: Tensor = -(log_prob.exp() * log_prob).sum(0)
        return found

    def enumerate_support(self, expand: bool = True) -> Tensor:
        count = self._count("enumerate_support")
        if count is None:
            raise NotImplementedError(
                "Inhomogeneous total count not supported by `enumerate_support`."
            )
        shape = (1 + count, *([1] * len(self._batch_shape)))
        values = arange(1 + count, dtype=getattr(self, self._given).dtype).view(shape)
        return values.expand((1 + count, *self._batch_shape)) if expand else values

    def _count(self, what: str) -> int | None:
        """The number of trials, if it is the same for all."""
        if self._same is not None:
            return self._same
        known = self.total_count._array(Need(f"Binomial.{what}()"))
        return int(known.max()) if known.min() == known.max() else None
