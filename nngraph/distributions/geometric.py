"""The geometric distribution."""

from __future__ import annotations

from typing import Any

from nngraph.distributions import constraints
from nngraph.distributions.bernoulli import Coin
from nngraph.distributions.distribution import Shape
from nngraph.distributions.utils import broadcast_all, seen_false
from nngraph.frontend.functional.creation import zeros_like
from nngraph.frontend.functional.random import rand
from nngraph.frontend.functional.selection import where
from nngraph.frontend.limits import finfo
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional import binary_cross_entropy_with_logits

__all__ = ["Geometric"]


class Geometric(Coin):
    """How many trials fail before the first success: ``P(k) = (1 - p)^k p``, k = 0, 1, ...

    Raises:
        ValueError: also for a probability of 0.
    """

    support = constraints.nonnegative_integer

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(probs, logits, validate_args)
        if self._validate_args and probs is not None and seen_false(self.probs > 0):
            raise ValueError(
                f"Expected parameter probs of distribution {self!r} to be positive, but found "
                f"invalid values:\n{self.probs}"
            )

    @property
    def mean(self) -> Tensor:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        return zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        with no_grad():
            kind = self.probs.dtype
            drawn = rand(self._extended_shape(sample_shape), dtype=kind)
            return (drawn.clamp(min=finfo(kind).tiny).log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        value, probs = broadcast_all(self._checked(value), self.probs)
        probs = where((probs == 1) & (value == 0), 0.0, probs)
        return value * (-probs).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        loss = binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")
        return loss / self.probs
