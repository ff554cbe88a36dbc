"""Multivariate normal distributions whose covariance is of low rank and a diagonal."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.distribution import Distribution, Shape
from nngraph.distributions.multivariate_normal import broadcast
from nngraph.distributions.utils import lazy_property
from nngraph.frontend.functional.creation import eye
from nngraph.frontend.functional.random import randn
from nngraph.frontend.tensor import Tensor
from nngraph.linalg import cholesky, solve_triangular

__all__ = ["LowRankMultivariateNormal"]


class LowRankMultivariateNormal(Distribution):
    """Normal with the covariance ``W W^T + diag(d)``, of which only factors of W's rank are made.

    Args:
        loc: the mean, ``[..., n]``.
        cov_factor: W, ``[..., n, rank]``.
        cov_diag: d, ``[..., n]``, above 0.
        validate_args: see ``Distribution``.

    Raises:
        ValueError: for parameters without their axes, or of sizes that do not fit.
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None
    ) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        if cov_factor.ndim < 2:
            raise ValueError(
                "cov_factor must be at least two-dimensional, with optional leading batch "
                "dimensions"
            )
        size, rank = loc.shape[-1], cov_factor.shape[-1]
        if cov_factor.shape[-2:-1] != (size,):
            got = tuple(cov_factor.shape)
            raise ValueError(f"cov_factor must be a batch of matrices with shape {size} x m: {got}")
        if cov_diag.shape[-1:] != (size,):
            got = tuple(cov_diag.shape)
            raise ValueError(f"cov_diag must be a batch of vectors with shape {size}: got {got}")
        batch = broadcast(broadcast(loc.shape[:-1], cov_factor.shape[:-2]), cov_diag.shape[:-1])
        self.loc = loc.expand((*batch, size))
        self.cov_factor = cov_factor.expand((*batch, size, rank))
        self.cov_diag = cov_diag.expand((*batch, size))
        self._factor, self._diagonal = cov_factor, cov_diag
        scaled = cov_factor.mT / cov_diag.unsqueeze(-2)
        capacitance = scaled @ cov_factor + eye(rank, dtype=loc.dtype)
        self._capacitance_tril = cholesky(capacitance)
        super().__init__(batch, (size,), validate_args=validate_args)

    def _own_axes(self, name: str) -> int:
        return 2 if name == "cov_factor" else 1

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = self._expanded(("loc", "cov_factor", "cov_diag"), batch_shape, _instance)
        made._factor, made._diagonal = self._factor, self._diagonal
        made._capacitance_tril = self._capacitance_tril
        return made

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        found = self._factor.pow(2).sum(-1) + self._diagonal
        return found.expand((*self._batch_shape, *self._event_shape))

    def _whole(self, matrix: Tensor) -> Tensor:
        size = self._event_shape[0]
        return matrix.expand((*self._batch_shape, size, size))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The lower Cholesky factor of the covariance."""
        root = self._diagonal.sqrt().unsqueeze(-1)
        scaled = self._factor / root
        near_one = scaled @ scaled.mT + eye(self._event_shape[0], dtype=self.loc.dtype)
        return self._whole(root * cholesky(near_one))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        return self._whole(self._factor @ self._factor.mT + self._diagonal.diag_embed())

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance, by Woodbury's identity."""
        scaled = self._factor.mT / self._diagonal.unsqueeze(-2)
        half = solve_triangular(self._capacitance_tril, scaled, upper=False)
        return self._whole(self._diagonal.reciprocal().diag_embed() - half.mT @ half)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        shape, kind = self._extended_shape(sample_shape), self.loc.dtype
        common = randn((*shape[:-1], self.cov_factor.shape[-1]), dtype=kind)
        own = randn(shape, dtype=kind)
        moved = (self._factor @ common.unsqueeze(-1)).squeeze(-1)
        return self.loc + moved + self._diagonal.sqrt() * own

    def log_prob(self, value: Tensor) -> Tensor:
        away = self._checked(value) - self.loc
        scaled = self._factor.mT / self._diagonal.unsqueeze(-2)
        moved = scaled @ away.unsqueeze(-1)
        tril = self._capacitance_tril.expand(
            (*moved.shape[:-2], *self._capacitance_tril.shape[-2:])
        )
        half = solve_triangular(tril, moved, upper=False).squeeze(-1)
        square: Tensor = (away.pow(2) / self._diagonal).sum(-1) - half.pow(2).sum(-1)
        size = self._event_shape[0]
        found: Tensor = -0.5 * (size * math.log(2 * math.pi) + self._log_det() + square)
        return found

    def _log_det(self) -> Tensor:
        inner = self._capacitance_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        found: Tensor = 2 * inner + self._diagonal.log().sum(-1)
        return found

    def entropy(self) -> Tensor:
        whole = self._event_shape[0] * (1.0 + math.log(2 * math.pi))
        found: Tensor = (0.5 * (whole + self._log_det())).expand(self._batch_shape)
        return found
