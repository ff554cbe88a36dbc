"""The negative binomial distribution."""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.binomial import Trials
from nngraph.distributions.distribution import Shape
from nngraph.distributions.gamma import Gamma
from nngraph.frontend.functional import counts
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional import logsigmoid

__all__ = ["NegativeBinomial"]


class NegativeBinomial(Trials):
    """How many trials, each with probability ``probs``, succeed before ``total_count`` fail.

    Args:
        total_count: from 0 on, not only whole numbers.
        probs: of a success, in [0, 1).
        logits: its log-odds, in place of it.
        validate_args: see ``Distribution``.
    """

    arg_constraints: ClassVar[Any] = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(
        self,
        total_count: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(total_count, probs, logits, validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        return super().expand(batch_shape, _instance)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Tensor:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        return self.mean / (-self.logits).sigmoid()

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Poisson numbers, whose rates are gamma numbers."""
        with no_grad():
            rates = Gamma(self.total_count, (-self.logits).exp(), validate_args=False)
            return counts.poisson(rates.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        value, count = self._checked(value), self.total_count
        powers = count * logsigmoid(-self.logits) + value * logsigmoid(self.logits)
        ways = (count + value).lgamma() - (1.0 + value).lgamma() - count.lgamma()
        # No failure is waited for, and nothing succeeds: that is sure, and lgamma(0) infinite.
        return powers + ways.masked_fill(count + value == 0.0, 0.0)
