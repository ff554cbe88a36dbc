"""Cholesky factors of random matrices of correlations."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from nngraph.distributions import constraints
from nngraph.distributions.beta import Beta
from nngraph.distributions.distribution import Distribution, Shape
from nngraph.distributions.utils import broadcast_all
from nngraph.frontend.functional.creation import arange
from nngraph.frontend.functional.gamma import mvlgamma
from nngraph.frontend.functional.random import randn
from nngraph.frontend.limits import finfo
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Lower factors of matrices of correlations, ``det^(concentration - 1)`` as likely.

    Args:
        dim: the size of the matrices, from 2 on.
        concentration: above 0; 1 makes all matrices equally likely.
        validate_args: see ``Distribution``.

    Raises:
        ValueError: for a smaller size.

    Source: Lewandowski, Kurowicka and Joe, "Generating random correlation matrices based on vines
    and extended onion method" (2009).
    """

    arg_constraints: ClassVar[Any] = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(
        self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        if dim < 2:
            raise ValueError(
                f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}."
            )
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        before = arange(-1, dim - 1, dtype=self.concentration.dtype).clamp(min=0)
        rest = (self.concentration + 0.5 * (dim - 2)).unsqueeze(-1) - 0.5 * before
        # (k + 1) / 2, where PyTorch has k + 1/2: its draws of three rows and more do not follow
        # their log_prob.
        self._beta = Beta(0.5 * before + 0.5, rest)
        super().__init__(self.concentration.shape, (dim, dim), validate_args=validate_args)

    def _own_axes(self, name: str) -> int:
        return 0

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        made = self._expanded(("concentration",), batch_shape, _instance)
        made.dim, made._beta = self.dim, self._beta.expand((*batch_shape, self.dim))
        return made

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """The onion method: of each row the share before the diagonal, in a random direction."""
        with no_grad():
            share = self._beta.sample(sample_shape).unsqueeze(-1)
            kind = share.dtype
            normal = randn(self._extended_shape(sample_shape), dtype=kind).tril(-1)
            length = normal.square().sum(-1, keepdim=True).sqrt().clamp(min=finfo(kind).tiny)
            rows = share.sqrt() * (normal / length)
            rest = (1 - rows.square().sum(-1)).clamp(min=finfo(kind).tiny)
            return rows + rest.sqrt().diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        diagonal = self._checked(value).diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = arange(self.dim - 2, -1, -1, dtype=self.concentration.dtype)
        order = 2 * (self.concentration - 1).unsqueeze(-1) + order
        powers = (order * diagonal.log()).sum(-1)
        less = self.dim - 1
        alpha = self.concentration + 0.5 * less
        whole = mvlgamma(alpha - 0.5, less) - alpha.lgamma() * less
        found: Tensor = powers - (0.5 * less * math.log(math.pi) + whole)
        return found
