"""Maps to shares that sum to 1."""

from __future__ import annotations

from typing import Any

from nngraph.distributions import constraints
from nngraph.distributions.transforms.base import Transform
from nngraph.frontend.functional.creation import arange
from nngraph.frontend.functional.joining import cat
from nngraph.frontend.limits import finfo
from nngraph.frontend.tensor import Size, Tensor
from nngraph.nn.functional import logsigmoid

__all__ = ["SoftmaxTransform", "StickBreakingTransform"]


def _changed(shape: Any, by: int) -> Any:
    """The shape with the last axis longer by that much."""
    if len(shape) < 1:
        raise ValueError("Too few dimensions on input")
    return Size((*shape[:-1], shape[-1] + by))


class SoftmaxTransform(Transform):
    """``y = softmax(x)``, which is not invertible; ``inv`` gives logarithms."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SoftmaxTransform)

    __hash__ = object.__hash__

    def _call(self, x: Tensor) -> Tensor:
        weights = (x - x.amax(-1, keepdim=True)).exp()
        return weights / weights.sum(-1, keepdim=True)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def forward_shape(self, shape: Any) -> Any:
        return _changed(shape, 0)

    def inverse_shape(self, shape: Any) -> Any:
        return _changed(shape, 0)


class StickBreakingTransform(Transform):
    """Numbers to shares, one more: each says which part of what is left is broken off.

    Numbers that are 0 give equal shares.
    """

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StickBreakingTransform)

    __hash__ = object.__hash__

    @staticmethod
    def _offsets(count: int, like: Tensor) -> Tensor:
        """``log`` of how many shares are left after each."""
        return arange(count, 0, -1, dtype=like.dtype).log()

    def _call(self, x: Tensor) -> Tensor:
        limits, one = finfo(x.dtype), x.new_ones((*x.shape[:-1], 1))
        share = (x - self._offsets(x.shape[-1], x)).sigmoid()
        share = share.clamp(min=limits.tiny, max=1.0 - limits.eps)
        left = (1 - share).cumprod(-1)
        return cat([share, one], -1) * cat([one, left], -1)

    def _inverse(self, y: Tensor) -> Tensor:
        taken = y[..., :-1]
        left = (1 - taken.cumsum(-1)).clamp(min=finfo(y.dtype).tiny)
        return taken.log() - left.log() + self._offsets(taken.shape[-1], y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        moved = x - self._offsets(x.shape[-1], x)
        found: Tensor = (logsigmoid(moved) - moved + y[..., :-1].log()).sum(-1)
        return found

    def forward_shape(self, shape: Any) -> Any:
        return _changed(shape, 1)

    def inverse_shape(self, shape: Any) -> Any:
        return _changed(shape, -1)
