"""The multinomial distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.binomial import Binomial
from nngraph.distributions.categorical import Categorical
from nngraph.distributions.distribution import Distribution, Shape
from nngraph.distributions.utils import broadcast_all
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional import one_hot

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """How often each category comes among ``total_count`` draws.

    Args:
        total_count: one number for all.
        probs: along the last axis, not negative; they need not sum to 1.
        logits: unnormalised log-probabilities, in place of these.
        validate_args: see ``Distribution``.

    Raises:
        NotImplementedError: for a ``total_count`` that is no integer.
    """

    arg_constraints: ClassVar[Any] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }

    def __init__(
        self,
        total_count: int = 1,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = self._expanded((), batch_shape, _instance)
        made.total_count = self.total_count
        made._categorical = self._categorical.expand(batch_shape)
        return made

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    @property
    def logits(self) -> Tensor:
        """Log-probabilities."""
        return self._categorical.logits

    @property
    def probs(self) -> Tensor:
        """Probabilities."""
        return self._categorical.probs

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._categorical.param_shape

    @property
    def mean(self) -> Tensor:
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        with no_grad():
            drawn = self._categorical.sample((self.total_count, *sample_shape))
            return one_hot(drawn, self._event_shape[0]).sum(0).to(self.probs.dtype)

    def entropy(self) -> Tensor:
        one = Binomial(self.total_count, self.probs)
        support = one.enumerate_support(expand=False)[1:]
        each: Tensor = (one.log_prob(support).exp() * (support + 1).lgamma()).sum((0, -1))
        ways = math.lgamma(self.total_count + 1)
        return self.total_count * self._categorical.entropy() - ways + each

    def log_prob(self, value: Tensor) -> Tensor:
        logits, value = broadcast_all(self.logits, self._checked(value))
        ways = (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1)
        sure = logits.masked_fill((value == 0) & (logits == -math.inf), 0.0)
        found: Tensor = ways + (sure * value).sum(-1)
        return found
