"""What both forms of weight and spectral norm compute."""

from __future__ import annotations

from typing import TypeVar

from nngraph.frontend.functional.random import randn
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional import normalize
from nngraph.nn.modules import conv

__all__ = ["as_matrix", "axis_of_outputs", "norm_except", "start", "weighted"]

M = TypeVar("M")


def norm_except(v: Tensor, dim: int) -> Tensor:
    """The norm along all axes but ``dim``, which keep size 1; with ``dim == -1`` of all of it."""
    if dim == -1:
        return v.norm(2.0)
    others = [axis for axis in range(v.ndim) if axis != dim]
    return v.norm(2.0, others, True) if others else v.abs()


def weighted(v: Tensor, g: Tensor, dim: int) -> Tensor:
    """``v`` with the norm ``g``."""
    return v * (g / norm_except(v, dim))


def axis_of_outputs(module: object) -> int:
    """The axis of a weight along which its outputs are."""
    transposed = (conv.ConvTranspose1d, conv.ConvTranspose2d, conv.ConvTranspose3d)
    return 1 if isinstance(module, transposed) else 0


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """A weight with axis ``dim`` first and all others as one."""
    if dim:
        weight = weight.permute(dim, *(axis for axis in range(weight.ndim) if axis != dim))
    return weight.flatten(1)


def start(matrix: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Random unit vectors for the power method: of the rows and of the columns of a matrix."""
    rows, columns = matrix.shape
    made = (normalize(randn(n, dtype=matrix.dtype), dim=0, eps=eps) for n in (rows, columns))
    u, v = made
    return u, v
