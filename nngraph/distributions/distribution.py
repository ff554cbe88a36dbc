"""``Distribution``: the base of all."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

from nngraph.distributions.constraints import Constraint, is_dependent
from nngraph.distributions.utils import lazy_property, seen_false
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Size, Tensor
from nngraph.frontend.world import world

__all__ = ["Distribution", "Shape"]

Shape = Sequence[int]


class Distribution:
    """A probability distribution of tensors.

    Args:
        batch_shape: the shape of the parameters: one distribution each.
        event_shape: the shape of a value of one distribution.
        validate_args: check parameters and values; None is the default that
            ``set_default_validate_args`` chose, at first True. What only a compiled call will know
            is not checked.

    Raises:
        ValueError: for parameters that break their constraints.

    Source: https://docs.pytorch.org/docs/stable/distributions.html
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args: bool = __debug__
    arg_constraints: ClassVar[Any]
    support: Any

    def __init__(
        self, batch_shape: Shape = (), event_shape: Shape = (), validate_args: bool | None = None
    ) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_arguments()

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions that are not told check their arguments.

        Raises:
            ValueError: if it is no bool.
        """
        if value not in (True, False):
            raise ValueError(f"validate_args is True or False, and not {value!r}")
        Distribution._validate_args = value

    def _check_arguments(self) -> None:
        try:
            constraints = self.arg_constraints
        except (NotImplementedError, AttributeError):
            warnings.warn(
                f"{type(self)} does not define `arg_constraints`. Please set `arg_constraints = "
                "{}` or initialize the distribution with `validate_args=False` to turn off "
                "validation.",
                stacklevel=3,
            )
            return
        for name, constraint in constraints.items():
            is_lazy = isinstance(getattr(type(self), name, None), lazy_property)
            if is_dependent(constraint) or (name not in self.__dict__ and is_lazy):
                continue
            value = getattr(self, name)
            if seen_false(constraint.check(value)):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape "
                    f"{tuple(value.shape)}) of distribution {self!r} to satisfy the constraint "
                    f"{constraint!r}, but found invalid values:\n{value}"
                )

    # -- shapes ----------------------------------------------------------------------------
    @property
    def batch_shape(self) -> Size:
        """The shape of the parameters."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of a value, without that."""
        return self._event_shape

    def _extended_shape(self, sample_shape: Shape = ()) -> Size:
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        """The same distributions with parameters of another shape, to which these broadcast."""
        raise NotImplementedError

    def _expanded(self, names: Sequence[str], shape: Shape, instance: Any) -> Any:
        """A distribution of this class with these parameters expanded; unchecked: this one is."""
        made = type(self).__new__(type(self)) if instance is None else instance
        for name in names:
            if name in self.__dict__:
                value = getattr(self, name)
                own = value.shape[value.ndim - self._own_axes(name) :]
                setattr(made, name, value.expand((*shape, *own)))
        made._batch_shape, made._event_shape = Size(shape), self._event_shape
        made._validate_args = self._validate_args
        return made

    def _own_axes(self, name: str) -> int:
        """How many of a parameter's axes are of one distribution."""
        return len(self._event_shape)

    # -- numbers ---------------------------------------------------------------------------
    @property
    def mean(self) -> Tensor:
        """The expected value."""
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        """The most likely value."""
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """The expected square of the distance from the mean."""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """The root of the variance."""
        return self.variance.sqrt()

    # -- draws -----------------------------------------------------------------------------
    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Draws: ``sample_shape`` of them for each distribution."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        """Draws through which gradients reach the parameters.

        Raises:
            NotImplementedError: where there is no such way.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no rsample: gradients do not go through its draws. Use "
            "sample() and log_prob()"
        )

    def sample_n(self, n: int) -> Tensor:
        """``sample((n,))``, as PyTorch once had it."""
        warnings.warn(
            "sample_n(n) will be deprecated. Use .sample((n,)) instead.", UserWarning, stacklevel=2
        )
        return self.sample((n,))

    # -- probabilities ---------------------------------------------------------------------
    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, at a value."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of what is not above a value."""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of ``cdf``."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """The expected value of ``-log_prob``."""
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """``exp(entropy)``."""
        return self.entropy().exp()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution, along a first axis."""
        raise NotImplementedError

    def _validate_sample(self, value: Any) -> None:
        """Raises ``ValueError`` for a value of another shape, or outside of the support."""
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        axes = len(self._event_shape)
        if value.ndim < axes or tuple(value.shape[value.ndim - axes :]) != self._event_shape:
            raise ValueError(
                "The right-most size of value must match event_shape: "
                f"{tuple(value.shape)} vs {tuple(self._event_shape)}."
            )
        wanted = self._batch_shape + self._event_shape
        for i, j in zip(reversed(value.shape), reversed(wanted), strict=False):
            if 1 not in (i, j) and i != j:
                raise ValueError(
                    "Value is not broadcastable with batch_shape+event_shape: "
                    f"{tuple(value.shape)} vs {tuple(wanted)}."
                )
        support: Constraint | None = getattr(self, "support", None)
        if support is not None and seen_false(support.check(value)):
            raise ValueError(
                f"Expected value argument (Tensor of shape {tuple(value.shape)}) to be within the "
                f"support ({support!r}) of the distribution {self!r}, but found invalid values:\n"
                f"{value}"
            )

    def _checked(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        found: Tensor = value
        return found

    def __repr__(self) -> str:
        names = [name for name in self.arg_constraints if name in self.__dict__]
        shown = []
        for name in names:
            value = self.__dict__[name]
            text = value.shape if value.numel() != 1 else value if value.ndim else _number(value)
            shown.append(f"{name}: {text}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _number(value: Tensor) -> Any:
    """The element, or what stands for it while tracing."""
    return value if world().peek(value._storage, value._path) is None else value.item()
