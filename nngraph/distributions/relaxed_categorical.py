"""One-hot vectors relaxed to shares, through which gradients pass."""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.categorical import Categorical
from nngraph.distributions.distribution import Distribution, Shape
from nngraph.distributions.transformed_distribution import TransformedDistribution
from nngraph.distributions.transforms import ExpTransform
from nngraph.distributions.utils import broadcast_all, clamp_probs
from nngraph.frontend.functional.creation import full_like
from nngraph.frontend.functional.random import rand
from nngraph.frontend.tensor import Tensor

__all__ = ["ExpRelaxedCategorical", "RelaxedOneHotCategorical"]


class ExpRelaxedCategorical(Distribution):
    """Logarithms of ``RelaxedOneHotCategorical`` vectors; its arguments."""

    arg_constraints: ClassVar[Any] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        temperature: Tensor,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self._categorical = Categorical(probs, logits)
        self.temperature = temperature
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = self._expanded((), batch_shape, _instance)
        made.temperature = self.temperature
        made._categorical = self._categorical.expand(batch_shape)
        return made

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._categorical.param_shape

    @property
    def logits(self) -> Tensor:
        """Log-probabilities."""
        return self._categorical.logits

    @property
    def probs(self) -> Tensor:
        """Probabilities."""
        return self._categorical.probs

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        u = clamp_probs(rand(self._extended_shape(sample_shape), dtype=self.logits.dtype))
        scores = (self.logits - (-u.log()).log()) / self.temperature
        return scores - scores.logsumexp(dim=-1, keepdim=True)

    def log_prob(self, value: Tensor) -> Tensor:
        logits, value = broadcast_all(self.logits, self._checked(value))
        count = float(self._event_shape[0])
        whole = full_like(self.temperature, count).lgamma()
        whole = whole + self.temperature.log() * (count - 1)
        score = logits - value * self.temperature
        return (score - score.logsumexp(dim=-1, keepdim=True)).sum(-1) + whole


class RelaxedOneHotCategorical(TransformedDistribution):
    """Shares that come closer to one-hot vectors the lower the temperature is.

    Args:
        temperature: above 0.
        probs: along the last axis, not negative; they need not sum to 1.
        logits: unnormalised log-probabilities, in place of these.
        validate_args: see ``Distribution``.

    Source: Maddison, Mnih and Teh, "The concrete distribution" (2017).
    """

    arg_constraints: ClassVar[Any] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    support = constraints.simplex
    base_dist: ExpRelaxedCategorical

    def __init__(
        self,
        temperature: Tensor,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        return super().expand(batch_shape, _instance)

    @property
    def temperature(self) -> Tensor:
        """How far the shares are from 0 and 1."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Tensor:
        """Log-probabilities."""
        return self.base_dist.logits

    @property
    def probs(self) -> Tensor:
        """Probabilities."""
        return self.base_dist.probs
