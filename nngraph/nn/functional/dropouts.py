"""Random zeroing."""

from __future__ import annotations

import warnings
from typing import Any

from nngraph.frontend.functional import random
from nngraph.frontend.functional.access import viewed, write_result
from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
]


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes elements with probability ``p`` and scales the rest by ``1 / (1 - p)``.

    Raises:
        ValueError: if ``p`` is not a probability.
    """
    return _dropped(input, p, training, inplace, input.aval.shape)


def _dropped(x: Tensor, p: float, training: bool, inplace: bool, mask: Any) -> Tensor:
    _check(p)
    if not training or p == 0:
        return x
    if p == 1:
        y = x * x.new_zeros(())
    else:
        y = x * ((random.rand(mask) >= p).to(x.dtype) * (1.0 / (1.0 - p)))
    return write_result(x, y) if inplace else y


def _check(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _by_channel(x: Tensor, p: float, training: bool, inplace: bool, batched: bool) -> Tensor:
    """Zeroes slices of the first two axes, or of the first if that is the channels'."""
    if training and 0 < p < 1 and x.ndim < 1 + batched:
        raise RuntimeError(
            "Feature dropout requires at least 2 dimensions in the input, "
            f"got {x.ndim + (not batched)}"
        )
    lead = 1 + batched
    return _dropped(x, p, training, inplace, (*x.aval.shape[:lead], *(1,) * (x.ndim - lead)))


def _warn(name: str, x: Tensor, spatial: int) -> None:
    if x.ndim not in (spatial + 1, spatial + 2):
        warnings.warn(
            f"{name}: Received a {x.ndim}-D input to {name}, which is deprecated and will result "
            "in an error in a future release. To retain the behavior and silence this warning, "
            f"please use dropout instead. Note that {name} exists to provide channel-wise dropout "
            f"on inputs with {spatial} spatial dimensions, a channel dimension, and an optional "
            f"batch dimension (i.e. {spatial + 1}D or {spatial + 2}D inputs).",
            stacklevel=3,
        )


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zeroes whole channels of ``[N, C, L]`` or ``[C, L]``.

    Raises:
        RuntimeError: for another rank.
    """
    _check(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. "
            "Note that dropout1d exists to provide channel-wise dropout on inputs with 1 spatial "
            "dimension, a channel dimension, and an optional batch dimension."
        )
    dropped = _by_channel(input, p, training, inplace, input.ndim == 3)
    return viewed(dropped, input) if input.ndim == 2 else dropped  # PyTorch adds an axis, and back


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zeroes whole channels of ``[N, C, H, W]``; as PyTorch takes it, also of ``[N, C, L]``."""
    _check(p)
    _warn("dropout2d", input, 2)
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
            "behavior is desired - input is interpreted as shape (N, C, L), where C is the channel "
            "dim. This behavior will change in a future release to interpret the input as one "
            "without a batch dimension, i.e. shape (C, H, W). To maintain the 1D channel-wise "
            "dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _by_channel(input, p, training, inplace, True)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zeroes whole channels of ``[N, C, D, H, W]`` or ``[C, D, H, W]``."""
    _check(p)
    _warn("dropout3d", input, 3)
    return _by_channel(input, p, training, inplace, input.ndim == 5)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout that keeps mean 0 and variance 1: dropped elements become ``selu``'s low end.

    Source: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """
    return _alpha_dropped(input, p, training, inplace, input.aval.shape)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """``alpha_dropout`` of whole channels of ``[N, C, *]``.

    Raises:
        RuntimeError: for less than two axes.
    """
    if training and 0 < p < 1 and input.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    shape = (*input.aval.shape[:2], *(1,) * (input.ndim - 2))
    return _alpha_dropped(input, p, training, inplace, shape)


def _alpha_dropped(x: Tensor, p: float, training: bool, inplace: bool, mask: Any) -> Tensor:
    _check(p)
    if not training or p == 0:
        return x
    if p == 1:
        y = x * 0
    else:
        low = -1.7580993408473766
        scale = ((1 - p) * (1 + p * low**2)) ** -0.5
        y = where(random.rand(mask) >= p, x, low) * scale + (-scale * p * low)
    return write_result(x, y) if inplace else y
