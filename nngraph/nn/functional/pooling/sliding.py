"""Pooling by windows that slide: maxima, means, norms."""

from __future__ import annotations

import math
from typing import Any

from nngraph import ops
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.precision.casting import autocasts, cast_as
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional.pooling.planes import need_elements
from nngraph.nn.functional.sizes import PerAxis, batched, each, symmetric

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
]


def _window(
    kernel: PerAxis, stride: PerAxis | None, padding: PerAxis, count: int
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, int], ...]]:
    sizes, pads = each(kernel, count, "kernel_size"), each(padding, count, "padding")
    unset = stride is None or stride == [] or stride == ()
    strides = sizes if unset else each(stride, count, "stride")
    for k, p in zip(sizes, pads, strict=True):
        if p * 2 > k:
            raise RuntimeError(
                "pad should be at most half of effective kernel size, but got "
                f"pad={p}, kernel_size={k}"
            )
    return sizes, strides, symmetric(pads)


def _max_pool(
    name: str,
    count: int,
    input: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None,
    padding: PerAxis,
    dilation: PerAxis,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    sizes, strides, pairs = _window(kernel_size, stride, padding, count)
    need_elements(name, input, max(input.ndim - count - 1, 0))
    op: Any = ops.max_pool_indices if return_indices else ops.max_pool
    spread = each(dilation, count, "dilation")
    return batched(name, input, count, lambda x: op(x, sizes, strides, pairs, spread, ceil_mode))


def max_pool1d(
    input: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of ``[N, C, L]``; with indices, a pair."""
    if not return_indices:
        need_floats("max_pool1d", input)
    return _max_pool(
        "max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def max_pool2d(
    input: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of ``[N, C, H, W]`` or ``[C, H, W]``.

    Args:
        input: the planes.
        kernel_size, stride, padding, dilation: one number or one for each axis; the stride is the
            window's size if None; padding never wins.
        ceil_mode: round the number of windows up.
        return_indices: also give the place of each maximum in its flattened plane.

    Raises:
        RuntimeError: if the padding is more than half of the window.
    """
    return _max_pool(
        "max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def max_pool3d(
    input: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of ``[N, C, D, H, W]``; with indices, a pair."""
    if not return_indices:
        (input,) = cast_as("max_pool3d", input)
    return _max_pool(
        "max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def _avg_pool(
    name: str,
    count: int,
    input: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None,
    padding: PerAxis,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Tensor:
    sizes, strides, pairs = _window(kernel_size, stride, padding, count)
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    need_elements(name, input, max(input.ndim - count - 1, 0))
    return batched(
        name,
        input,
        count,
        lambda x: ops.avg_pool(x, sizes, strides, pairs, ceil_mode, count_include_pad, divisor),
    )


def avg_pool1d(
    input: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of ``[N, C, L]``."""
    return _avg_pool(
        "avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None
    )


def avg_pool2d(
    input: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of ``[N, C, H, W]``.

    Args:
        input: the planes.
        kernel_size, stride, padding: one number or one for each axis.
        ceil_mode: round the number of windows up.
        count_include_pad: padding counts as zeros.
        divisor_override: divide by this instead of the number of elements.
    """
    return _avg_pool(
        "avg_pool2d",
        2,
        input,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


@autocasts
def avg_pool3d(
    input: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of ``[N, C, D, H, W]``."""
    return _avg_pool(
        "avg_pool3d",
        3,
        input,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """The maximum of each window of ``[N, C, L]`` and its place in the flattened plane."""
    values, places = max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)
    return values, places


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """The maximum of each window of ``[N, C, H, W]`` and its place in the flattened plane."""
    values, places = max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)
    return values, places


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """The maximum of each window of ``[N, C, D, H, W]`` and its place in the flattened plane."""
    values, places = max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)
    return values, places


def _lp_pool(
    count: int,
    input: Tensor,
    norm_type: float,
    kernel_size: PerAxis,
    stride: PerAxis | None,
    ceil_mode: bool,
) -> Tensor:
    maxima: Any = (max_pool1d, max_pool2d, max_pool3d)[count - 1]
    means: Any = (avg_pool1d, avg_pool2d, avg_pool3d)[count - 1]
    if math.isinf(norm_type):
        sign = math.copysign(1.0, norm_type)
        found: Tensor = maxima(input.abs() * sign, kernel_size, stride, 0, 1, ceil_mode) * sign
        return found
    mean = means(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    size = math.prod(each(kernel_size, count, "kernel_size"))
    total: Tensor = mean.sign() * mean.abs().relu() * size
    return total.pow(1.0 / norm_type)


def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The norm ``sum(x^p)^(1/p)`` of each window of ``[N, C, L]``."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The norm ``sum(x^p)^(1/p)`` of each window of ``[N, C, H, W]``.

    Args:
        input: the planes.
        norm_type: the order of the norm; infinities take the maximum or the minimum of the sizes.
        kernel_size, stride: one number or one for each axis.
        ceil_mode: round the number of windows up.
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The norm ``sum(x^p)^(1/p)`` of each window of ``[N, C, D, H, W]``."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)
