"""Mixtures of distributions of one class."""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.categorical import Categorical
from nngraph.distributions.distribution import Distribution, Shape
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional import log_softmax

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """Draws a component, and then from it.

    Args:
        mixture_distribution: which component, along the last axis of the others' batch.
        component_distribution: the components.

    Raises:
        ValueError: if the one is no ``Categorical``, or the shapes don't fit.
    """

    arg_constraints: ClassVar[Any] = {}

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                " The Mixture distribution needs to be an instance of "
                "nngraph.distributions.Categorical"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "The Component distribution need to be an instance of "
                "nngraph.distributions.Distribution"
            )
        mixed, parts = mixture_distribution.batch_shape, component_distribution.batch_shape
        for one, other in zip(reversed(mixed), reversed(parts[:-1]), strict=False):
            if 1 not in (one, other) and one != other:
                raise ValueError(
                    f"`mixture_distribution.batch_shape` ({tuple(mixed)}) is not compatible with "
                    f"`component_distribution.batch_shape` ({tuple(parts)})"
                )
        count = mixture_distribution.param_shape[-1]
        if not parts or parts[-1] != count:
            raise ValueError(
                f"`mixture_distribution component` ({count}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({parts[-1:]})"
            )
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        self._num_component = count
        event = component_distribution.event_shape
        self._event_ndims = len(event)
        super().__init__(parts[:-1], event, validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = self._expanded((), batch_shape, _instance)
        made._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        shape = (*batch_shape, self._num_component)
        made._component_distribution = self._component_distribution.expand(shape)
        made._num_component, made._event_ndims = self._num_component, self._event_ndims
        return made

    @property
    def mixture_distribution(self) -> Categorical:
        """Which component."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """The components."""
        return self._component_distribution

    @constraints.dependent_property
    def support(self) -> Any:
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    def _weights(self) -> Tensor:
        probs = self._mixture_distribution.probs
        return probs.reshape((*probs.shape, *([1] * self._event_ndims)))

    @property
    def mean(self) -> Tensor:
        axis = -1 - self._event_ndims
        return (self._weights() * self._component_distribution.mean).sum(axis)

    @property
    def variance(self) -> Tensor:
        axis, weights, parts = -1 - self._event_ndims, self._weights(), self._component_distribution
        within = (weights * parts.variance).sum(axis)
        between = (weights * (parts.mean - self.mean.unsqueeze(axis)).pow(2)).sum(axis)
        return within + between

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        with no_grad():
            axis = -1 - self._event_ndims
            drawn = self._component_distribution.sample(sample_shape)
            chosen = self._mixture_distribution.sample(sample_shape)
            index = chosen.reshape((*chosen.shape, *([1] * (self._event_ndims + 1))))
            shape = list(drawn.shape)
            shape[axis] = 1
            return drawn.gather(axis, index.expand(shape)).squeeze(axis)

    def log_prob(self, value: Tensor) -> Tensor:
        padded = self._checked(value).unsqueeze(-1 - self._event_ndims)
        weights = log_softmax(self._mixture_distribution.logits, dim=-1)
        return (self._component_distribution.log_prob(padded) + weights).logsumexp(dim=-1)

    def cdf(self, value: Tensor) -> Tensor:
        parts = self._component_distribution.cdf(self._checked(value).unsqueeze(-1))
        return (parts * self._mixture_distribution.probs).sum(dim=-1)

    def __repr__(self) -> str:
        return (
            f"MixtureSameFamily(\n  {self._mixture_distribution},\n  "
            f"{self._component_distribution})"
        )
