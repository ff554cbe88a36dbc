"""The categorical distribution."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Distribution, Shape
from nngraph.distributions.utils import lazy_property, logits_to_probs, probs_to_logits
from nngraph.frontend.functional.creation import arange, full
from nngraph.frontend.functional.drawing import exponentials
from nngraph.frontend.limits import finfo
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import int64

__all__ = ["Categorical"]


class Categorical(Distribution):
    """0, ..., K-1 with the probabilities of the last axis.

    Args:
        probs: not negative; they need not sum to 1.
        logits: unnormalised log-probabilities, in place of these.

    Raises:
        ValueError: unless exactly one of the two is given, with at least one axis.
    """

    arg_constraints: ClassVar[Any] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    has_enumerate_support = True

    def __init__(
        self,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        given = logits if probs is None else probs
        assert given is not None
        if given.ndim < 1:
            name = "logits" if probs is None else "probs"
            raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = given - given.logsumexp(dim=-1, keepdim=True)
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = self._expanded(("probs", "logits"), batch_shape, _instance)
        made._num_events = self._num_events
        return made

    def _own_axes(self, name: str) -> int:
        return 1

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    @lazy_property
    def logits(self) -> Tensor:
        """Log-probabilities."""
        return probs_to_logits(self.probs)

    @lazy_property
    def probs(self) -> Tensor:
        """Probabilities."""
        return logits_to_probs(self.logits)

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return (self.probs if "probs" in self.__dict__ else self.logits).shape

    @property
    def mean(self) -> Tensor:
        return full(self._batch_shape, float("nan"), dtype=self.probs.dtype)

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(dim=-1)

    @property
    def variance(self) -> Tensor:
        return full(self._batch_shape, float("nan"), dtype=self.probs.dtype)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Draws, int64: which of exponential clocks with these rates is the first."""
        with no_grad():
            shape = (*sample_shape, *self._batch_shape, self._num_events)
            return (exponentials(shape, None) / self.probs).argmin(dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(value).to(int64).unsqueeze(-1)
        shape = np.broadcast_shapes(tuple(value.shape[:-1]), tuple(self._batch_shape))
        logits = self.logits.expand((*shape, self._num_events))
        return logits.gather(-1, value.expand((*shape, 1))).squeeze(-1)

    def entropy(self) -> Tensor:
        logits = self.logits.clamp(min=finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        shape = (self._num_events, *([1] * len(self._batch_shape)))
        values = arange(self._num_events, dtype=int64).view(shape)
        return values.expand((self._num_events, *self._batch_shape)) if expand else values
