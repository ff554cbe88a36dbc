"""The Wishart distribution of positive definite matrices."""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.chi2 import Chi2
from nngraph.distributions.distribution import Shape
from nngraph.distributions.exp_family import ExponentialFamily
from nngraph.distributions.multivariate_normal import broadcast, factor_of_inverse
from nngraph.distributions.utils import lazy_property, seen_false
from nngraph.frontend.functional.creation import arange, eye
from nngraph.frontend.functional.data import as_tensor
from nngraph.frontend.functional.gamma import mvlgamma
from nngraph.frontend.functional.random import randn
from nngraph.frontend.functional.selection import where
from nngraph.frontend.functional.systems import cholesky_solve
from nngraph.frontend.limits import finfo
from nngraph.frontend.tensor import Tensor
from nngraph.linalg import cholesky, slogdet

__all__ = ["Wishart"]

_MATRICES = ("covariance_matrix", "precision_matrix", "scale_tril")


class Wishart(ExponentialFamily):
    """``sum x x^T`` of ``df`` normal vectors with mean 0 and this covariance.

    Args:
        df: above n - 1, for matrices of n rows.
        covariance_matrix, precision_matrix, scale_tril: exactly one of the covariance, its inverse,
            and its lower Cholesky factor.
        validate_args: see ``Distribution``.

    Raises:
        AssertionError: for none or several of these.
        ValueError: for one without its axes, or a smaller ``df``.
    """

    arg_constraints: ClassVar[Any] = {
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
        "df": constraints.greater_than(0),
    }
    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        df: Any,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = zip(_MATRICES, (covariance_matrix, precision_matrix, scale_tril), strict=True)
        known = {name: value for name, value in given if value is not None}
        if len(known) != 1:
            raise AssertionError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be "
                "specified."
            )
        ((name, matrix),) = known.items()
        if matrix.ndim < 2:
            raise ValueError(
                f"{name} must be at least two-dimensional, with optional leading batch dimensions"
            )
        size = matrix.shape[-1]
        degrees = df if isinstance(df, Tensor) else as_tensor(df, dtype=matrix.dtype)
        batch = broadcast(matrix.shape[:-2], degrees.shape)
        self.df = degrees.expand(batch)
        if seen_false(self.df > size - 1):
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {size - 1}.")
        if seen_false(self.df >= size):
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for "
                "ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        setattr(self, name, matrix.expand((*batch, size, size)))
        super().__init__(batch, (size, size), validate_args=validate_args)
        if name == "precision_matrix":
            self._factor = factor_of_inverse(matrix)
        else:
            self._factor = matrix if name == "scale_tril" else cholesky(matrix)

    def _own_axes(self, name: str) -> int:
        return 0 if name == "df" else 2

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = self._expanded(("df", *_MATRICES), batch_shape, _instance)
        made._factor = self._factor
        return made

    @property
    def _size(self) -> int:
        size: int = self._event_shape[-1]
        return size

    def _whole(self, matrix: Tensor) -> Tensor:
        return matrix.expand((*self._batch_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The lower Cholesky factor of the covariance."""
        return self._whole(self._factor)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        return self._whole(self._factor @ self._factor.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        return self._whole(cholesky_solve(eye(self._size, dtype=self._factor.dtype), self._factor))

    @property
    def mean(self) -> Tensor:
        return self.df[..., None, None] * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        above = self.df - self._size - 1
        return where(above > 0, above, math.nan)[..., None, None] * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        matrix = self.covariance_matrix
        diagonal = matrix.diagonal(dim1=-2, dim2=-1)
        outer = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self.df[..., None, None] * (matrix.pow(2) + outer)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        """By Bartlett's decomposition."""
        kind = self._factor.dtype
        squares = Chi2(self.df.unsqueeze(-1) - arange(self._size, dtype=kind)).rsample(sample_shape)
        diagonal = squares.sqrt().clamp(min=finfo(kind).eps)
        below = randn(self._extended_shape(sample_shape), dtype=kind).tril(-1)
        factor = self._factor @ (below + diagonal.diag_embed())
        return factor @ factor.mT

    def _log_scale(self) -> Tensor:
        """``log(2^n det C) / 2``."""
        half = self._factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        found: Tensor = half + self._size * math.log(2) / 2
        return found

    def log_prob(self, value: Tensor) -> Tensor:
        value, df, size = self._checked(value), self.df, self._size
        factor = self._factor.expand((*value.shape[:-2], size, size))
        trace = cholesky_solve(value, factor).diagonal(dim1=-2, dim2=-1).sum(-1)
        whole = df * self._log_scale() + mvlgamma(df / 2, size)
        found: Tensor = (df - size - 1) / 2 * slogdet(value).logabsdet - trace / 2 - whole
        return found

    def entropy(self) -> Tensor:
        df, size = self.df, self._size
        steps = arange(size, dtype=df.dtype) / 2
        slopes = (df.unsqueeze(-1) / 2 - steps).digamma().sum(-1)
        whole = (size + 1) * self._log_scale() + mvlgamma(df / 2, size)
        found: Tensor = whole - (df - size - 1) / 2 * slopes + df * size / 2
        return found

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (-self.precision_matrix / 2, (self.df - self._size - 1) / 2)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x, y = natural_params
        half = y + (self._size + 1) / 2
        found: Tensor = half * -slogdet(-x).logabsdet + mvlgamma(half, self._size)
        return found
