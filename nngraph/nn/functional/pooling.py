"""Pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nngraph import ops
from nngraph.frontend.functional.joining import cat
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional.sizes import PerAxis, batched, each, symmetric

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]


#: Windows along all axes or along each; None keeps an axis as it is.
WindowCounts = int | None | Sequence[int | None]


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


def _adaptive(name: str, count: int, input: Tensor, output_size: WindowCounts) -> Tensor:
    given = (
        (output_size,) * count
        if output_size is None or isinstance(output_size, int)
        else (tuple(output_size))
    )
    if len(given) != count:
        raise RuntimeError(f"{name}: output_size must be one int or {count} ints, got {given}")
    if any(size is not None and size < 0 for size in given):
        raise RuntimeError(f"{name}: elements of output_size must be greater than or equal to 0")
    return batched(name, input, count, lambda x: _adapted(x, given))


def _adapted(x: Tensor, wanted: tuple[int | None, ...]) -> Tensor:
    sizes = x.type.shape[2:]
    if all(w == 1 for w in wanted):
        return x.mean(tuple(range(2, x.ndim)), keepdim=True)
    pairs = [(s, w) for s, w in zip(sizes, wanted, strict=True) if isinstance(s, int) and w]
    if len(pairs) == len(sizes) and all(s % w == 0 for s, w in pairs):
        window = tuple(s // w for s, w in pairs)
        return ops.avg_pool(x, window, window, ((0, 0),) * len(window))
    for axis, size in enumerate(wanted, 2):
        if size is not None:
            x = _adapted_axis(x, axis, size)
    return x


def _adapted_axis(x: Tensor, axis: int, windows: int) -> Tensor:
    """Means over windows of unequal sizes: one axis after another, as windows are products."""
    size = x.shape[axis]
    edges = [(i * size // windows, -(-(i + 1) * size // windows)) for i in range(windows)]
    return cat([x.narrow(axis, a, b - a).mean(axis, keepdim=True) for a, b in edges], axis)


def adaptive_avg_pool1d(input: Tensor, output_size: WindowCounts) -> Tensor:
    """Means of ``[N, C, L]`` over as many windows as ``output_size`` says."""
    return _adaptive("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: WindowCounts) -> Tensor:
    """Means of ``[N, C, H, W]`` over a grid of windows; None keeps an axis as it is."""
    return _adaptive("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: WindowCounts) -> Tensor:
    """Means of ``[N, C, D, H, W]`` over a grid of windows."""
    return _adaptive("adaptive_avg_pool3d", 3, input, output_size)
