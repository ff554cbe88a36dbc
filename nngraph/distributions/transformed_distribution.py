"""Distributions of transformed values."""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Distribution, Shape
from nngraph.distributions.independent import Independent, sum_rightmost
from nngraph.distributions.transforms import ComposeTransform, Transform
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Size, Tensor

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """The distribution of ``transforms(X)`` where X has the base distribution.

    Raises:
        ValueError: for what is no ``Transform``, or a base with fewer axes than these take.
    """

    arg_constraints: ClassVar[Any] = {}

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Transform | list[Transform],
        validate_args: bool | None = None,
    ) -> None:
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        if not all(isinstance(t, Transform) for t in self.transforms):
            raise ValueError(f"transforms must be a Transform or list, but was {self.transforms}")
        whole = ComposeTransform(self.transforms)
        shape = base_distribution.batch_shape + base_distribution.event_shape
        axes, needed = len(base_distribution.event_shape), whole.domain.event_dim
        if len(shape) < needed:
            raise ValueError(
                f"base_distribution needs to have shape with size at least {needed}, but got "
                f"{tuple(shape)}."
            )
        result = whole.forward_shape(shape)
        wanted = whole.inverse_shape(result)
        if tuple(wanted) != tuple(shape):  # a parameter of a transform has more axes
            base_distribution = base_distribution.expand(wanted[: len(wanted) - axes])
        if needed > axes:
            base_distribution = Independent(base_distribution, needed - axes)
        self.base_dist = base_distribution
        cut = len(result) - whole.codomain.event_dim - max(axes - needed, 0)
        super().__init__(result[:cut], result[cut:], validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = self._expanded((), batch_shape, _instance)
        shape: Any = Size(batch_shape) + self._event_shape
        for transform in reversed(self.transforms):
            shape = transform.inverse_shape(shape)
        base = self.base_dist
        made.base_dist = base.expand(shape[: len(shape) - len(base.event_shape)])
        made.transforms = self.transforms
        return made

    @constraints.dependent_property
    def support(self) -> Any:
        if not self.transforms:
            return self.base_dist.support
        found = self.transforms[-1].codomain
        lacking = len(self._event_shape) - found.event_dim
        return constraints.independent(found, lacking) if lacking > 0 else found

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        with no_grad():
            return self._through(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        return self._through(self.base_dist.rsample(sample_shape))

    def _through(self, x: Tensor) -> Tensor:
        for transform in self.transforms:
            x = transform(x)
        return x

    def log_prob(self, value: Tensor) -> Tensor:
        y, total = self._checked(value), 0.0
        axes = len(self._event_shape)
        lost: Any = total
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            axes += transform.domain.event_dim - transform.codomain.event_dim
            term = transform.log_abs_det_jacobian(x, y)
            lost = lost - sum_rightmost(term, axes - transform.domain.event_dim)
            y = x
        base = self.base_dist.log_prob(y)
        found: Tensor = lost + sum_rightmost(base, axes - len(self.base_dist.event_shape))
        return found

    def cdf(self, value: Tensor) -> Tensor:
        sign: Any = 1
        value = self._checked(value)
        for transform in reversed(self.transforms):
            value = transform.inv(value)
            sign = sign * transform.sign
        return self._monotone(sign, self.base_dist.cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        sign: Any = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        return self._through(self.base_dist.icdf(self._monotone(sign, value)))

    @staticmethod
    def _monotone(sign: Any, value: Tensor) -> Tensor:
        """The probability from the other side where a map turns numbers round."""
        if isinstance(sign, int | float) and sign == 1:
            return value
        found: Tensor = sign * (value - 0.5) + 0.5
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_dist}, {self.transforms})"
