"""Random zeroing."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.functional import random
from nngraph.frontend.functional.access import write_result
from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d"]


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes elements with probability ``p`` and scales the rest by ``1 / (1 - p)``.

    Raises:
        ValueError: if ``p`` is not a probability.
    """
    return _dropped(input, p, training, inplace, input.type.shape)


def _dropped(x: Tensor, p: float, training: bool, inplace: bool, mask: Any) -> Tensor:
    _check(p)
    if not training or p == 0:
        return x
    if p == 1:
        y = x * 0
    else:
        y = x * ((random.rand(mask) >= p).to(x.dtype) * (1.0 / (1.0 - p)))
    return write_result(x, y) if inplace else y


def _check(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _channels(x: Tensor, p: float, training: bool, inplace: bool, axes: int) -> Tensor:
    shape = x.type.shape[: x.ndim - axes]
    return _dropped(x, p, training, inplace, (*shape, *(1,) * axes))


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zeroes whole channels of ``[N, C, L]`` or ``[C, L]``."""
    return _channels(input, p, training, inplace, 1)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zeroes whole channels of ``[N, C, H, W]`` or ``[C, H, W]``."""
    return _channels(input, p, training, inplace, 2)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zeroes whole channels of ``[N, C, D, H, W]`` or ``[C, D, H, W]``."""
    return _channels(input, p, training, inplace, 3)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout that keeps mean 0 and variance 1: dropped elements become ``selu``'s low end.

    Source: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """
    _check(p)
    if not training or p == 0:
        return input
    if p == 1:
        return input * 0
    low = -1.7580993408473766
    scale = ((1 - p) * (1 + p * low**2)) ** -0.5
    kept = where(random.rand(input.type.shape) >= p, input, low)
    y = kept * scale + (-scale * p * low)
    return write_result(input, y) if inplace else y
