"""The multivariate normal distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Distribution, Shape
from nngraph.distributions.utils import lazy_property
from nngraph.frontend.functional.creation import eye
from nngraph.frontend.functional.random import randn
from nngraph.frontend.tensor import Tensor
from nngraph.linalg import cholesky, solve_triangular

__all__ = ["MultivariateNormal", "broadcast", "factor_of_inverse"]


class MultivariateNormal(Distribution):
    """Density ``exp(-(x - loc)^T C^-1 (x - loc) / 2) / sqrt((2 pi)^k det C)``.

    Args:
        loc: the mean, with the axis of the event last.
        covariance_matrix, precision_matrix, scale_tril: exactly one of C, its inverse, and its
            lower Cholesky factor.

    Raises:
        ValueError: otherwise, or for matrices without their axes.
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        known = {name: value for name, value in given.items() if value is not None}
        if len(known) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be "
                "specified."
            )
        ((name, matrix),) = known.items()
        if matrix.ndim < 2:
            raise ValueError(f"{name} must be at least two-dimensional")
        size = loc.shape[-1]
        batch = broadcast(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand((*batch, size, size)))
        self.loc = loc.expand((*batch, size))
        super().__init__(batch, (size,), validate_args=validate_args)
        if name == "precision_matrix":
            self._factor = factor_of_inverse(matrix)
        else:
            self._factor = matrix if name == "scale_tril" else cholesky(matrix)

    def _own_axes(self, name: str) -> int:
        return 1 if name == "loc" else 2

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        names = ("loc", "covariance_matrix", "precision_matrix", "scale_tril")
        made = self._expanded(names, batch_shape, _instance)
        made._factor = self._factor
        return made

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The lower Cholesky factor of the covariance."""
        size = self._event_shape[0]
        return self._factor.expand((*self._batch_shape, size, size))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        return self.scale_tril @ self.scale_tril.mT

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        size = self._event_shape[0]
        half = solve_triangular(self.scale_tril, eye(size, dtype=self.loc.dtype), upper=False)
        return half.mT @ half

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        found = self._factor.pow(2).sum(-1)
        return found.expand((*self._batch_shape, *self._event_shape))

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        drawn = randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + (self._factor @ drawn.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        distance = self._checked(value) - self.loc
        shape = (*distance.shape[:-1], *self._factor.shape[-2:])
        factor = self._factor.expand(shape)
        scaled = solve_triangular(factor, distance.unsqueeze(-1), upper=False).squeeze(-1)
        half_log_det = self._factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        size = self._event_shape[0]
        square: Tensor = scaled.pow(2).sum(-1)
        found: Tensor = -0.5 * (size * math.log(2 * math.pi) + square) - half_log_det
        return found

    def entropy(self) -> Tensor:
        half_log_det = self._factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        whole = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + half_log_det
        found: Tensor = whole.expand(self._batch_shape)
        return found


def broadcast(one: Any, two: Any) -> tuple[int, ...]:
    """The shape to which two broadcast."""
    return np.broadcast_shapes(tuple(one), tuple(two))


def factor_of_inverse(precision: Tensor) -> Tensor:
    """The lower Cholesky factor of the inverse of a matrix."""
    flipped = cholesky(precision.flip((-2, -1))).flip((-2, -1)).mT
    size = eye(precision.shape[-1], dtype=precision.dtype)
    return solve_triangular(flipped, size, upper=False)
