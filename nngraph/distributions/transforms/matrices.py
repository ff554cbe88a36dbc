"""Maps to matrices: Cholesky factors, positive definite ones; other shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nngraph.distributions import constraints
from nngraph.distributions.transforms.base import Transform
from nngraph.frontend.functional.creation import eye
from nngraph.frontend.functional.data import as_tensor
from nngraph.frontend.functional.joining import cat
from nngraph.frontend.limits import finfo
from nngraph.frontend.tensor import Size, Tensor
from nngraph.linalg import cholesky
from nngraph.nn.functional import softplus

__all__ = [
    "CorrCholeskyTransform",
    "LowerCholeskyTransform",
    "PositiveDefiniteTransform",
    "ReshapeTransform",
]


class LowerCholeskyTransform(Transform):
    """A matrix to a lower triangle whose diagonal is above 0: the exponential of its own."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LowerCholeskyTransform)

    __hash__ = object.__hash__

    def _call(self, x: Tensor) -> Tensor:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(Transform):
    """A matrix to a positive definite one: ``L L^T`` of ``LowerCholeskyTransform``'s L."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PositiveDefiniteTransform)

    __hash__ = object.__hash__

    def _call(self, x: Tensor) -> Tensor:
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y: Tensor) -> Tensor:
        return LowerCholeskyTransform().inv(cholesky(y))


def _as_rows(vector: Tensor) -> Tensor:
    """Numbers as the part of a square matrix below its diagonal, row by row."""
    size = _side(vector.shape)
    places = np.full((size, size), vector.shape[-1])
    places[np.tril_indices(size, -1)] = np.arange(vector.shape[-1])
    with_zero = cat([vector, vector.new_zeros((*vector.shape[:-1], 1))], -1)
    rows = with_zero.index_select(-1, as_tensor(places.reshape(-1)))
    return rows.reshape((*vector.shape[:-1], size, size))


def _as_vector(matrix: Tensor, diagonal: int = -1) -> Tensor:
    """What ``_as_rows`` makes a matrix of; from a lower diagonal on, if so."""
    size = matrix.shape[-1]
    rows, columns = np.tril_indices(size, diagonal)
    places = as_tensor(rows * size + columns)
    return matrix.reshape((*matrix.shape[:-2], size * size)).index_select(-1, places)


def _side(shape: Any) -> int:
    """The size of a square matrix with so many places below its diagonal."""
    if len(shape) < 1:
        raise ValueError("Too few dimensions on input")
    size: int = round((0.25 + 2 * shape[-1]) ** 0.5 + 0.5)
    if size * (size - 1) // 2 != shape[-1]:
        raise ValueError("Input is not a flattened lower-diagonal number")
    return size


class CorrCholeskyTransform(Transform):
    """``n (n - 1) / 2`` numbers to the Cholesky factor of a matrix of correlations.

    In each row of the triangle, tanh of a number is the share of what is left of the row's length.

    Source: the Stan reference manual, "Cholesky factors of correlation matrices".
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x: Tensor) -> Tensor:
        eps = finfo(x.dtype).eps
        rows = _as_rows(x.tanh().clamp(min=-1 + eps, max=1 - eps))
        left = (1 - rows.square()).sqrt().cumprod(-1)
        one = left.new_ones((*left.shape[:-1], 1))
        return (rows + eye(rows.shape[-1], dtype=x.dtype)) * cat([one, left[..., :-1]], -1)

    def _inverse(self, y: Tensor) -> Tensor:
        left = 1 - y.square().cumsum(-1)
        before = cat([left.new_ones((*left.shape[:-1], 1)), left[..., :-1]], -1)
        return (_as_vector(y) / _as_vector(before).sqrt()).atanh()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        left = _as_vector(1 - y.square().cumsum(-1), -2)
        slopes = -2 * (x + softplus(-2 * x) - math.log(2.0)).sum(-1)
        found: Tensor = 0.5 * left.log().sum(-1) + slopes
        return found

    def forward_shape(self, shape: Any) -> Any:
        size = _side(shape)
        return Size((*shape[:-1], size, size))

    def inverse_shape(self, shape: Any) -> Any:
        if len(shape) < 2:
            raise ValueError("Too few dimensions on input")
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return Size((*shape[:-2], shape[-1] * (shape[-1] - 1) // 2))


class ReshapeTransform(Transform):
    """The last axes in another shape of as many elements.

    Raises:
        ValueError: for another number of elements.
    """

    bijective = True

    def __init__(self, in_shape: Sequence[int], out_shape: Sequence[int], cache_size: int = 0):
        self.in_shape, self.out_shape = Size(in_shape), Size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            raise ValueError("in_shape, out_shape have different numbers of elements")
        super().__init__(cache_size=cache_size)
        self.domain = constraints.independent(constraints.real, len(self.in_shape))
        self.codomain = constraints.independent(constraints.real, len(self.out_shape))

    def _cached(self, cache_size: int) -> Transform:
        return ReshapeTransform(self.in_shape, self.out_shape, cache_size)

    def _call(self, x: Tensor) -> Tensor:
        return x.reshape((*x.shape[: x.ndim - len(self.in_shape)], *self.out_shape))

    def _inverse(self, y: Tensor) -> Tensor:
        return y.reshape((*y.shape[: y.ndim - len(self.out_shape)], *self.in_shape))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x.new_zeros(x.shape[: x.ndim - len(self.in_shape)])

    def forward_shape(self, shape: Any) -> Any:
        return self._changed(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self._changed(shape, self.out_shape, self.in_shape)

    @staticmethod
    def _changed(shape: Any, old: Any, new: Any) -> Any:
        if len(shape) < len(old):
            raise ValueError("Too few dimensions on input")
        cut = len(shape) - len(old)
        if tuple(shape[cut:]) != tuple(old):
            raise ValueError(f"Shape mismatch: expected {shape[cut:]} but got {old}")
        return Size((*shape[:cut], *new))
