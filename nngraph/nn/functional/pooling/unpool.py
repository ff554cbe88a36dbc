"""From maxima and their places back to planes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nngraph import ops
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.precision.casting import autocasts
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import int64
from nngraph.nn.functional.pooling.planes import flat
from nngraph.nn.functional.sizes import PerAxis, each

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]


def _unpool(
    count: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None,
    padding: PerAxis,
    output_size: Sequence[int] | None,
) -> Tensor:
    name = f"max_unpooling{count}d"
    kernel, pads = each(kernel_size, count, "kernel_size"), each(padding, count, "padding")
    strides = kernel if stride is None else each(stride, count, "stride")
    if input.ndim not in (count + 1, count + 2):
        raise RuntimeError(
            f"Input to {name} should be a {count + 1}d or {count + 2}d Tensor, "
            f"but got a tensor with {input.ndim} dimensions"
        )
    sizes = _sizes(input.shape[-count:], kernel, strides, pads, output_size)
    need_floats(name, input)
    _check(name, input, indices)
    lead = input.aval.shape[: input.ndim - count]
    values, places = (t.unsqueeze(0) if t.ndim == count + 1 else t for t in (input, indices))
    empty = ops.full(0, input.dtype, (*values.aval.shape[:2], math.prod(sizes)), input)
    filled = empty.scatter(2, flat(places), flat(values))
    return filled.reshape(*lead, *sizes)


def _check(name: str, input: Tensor, indices: Tensor) -> None:
    if indices.dtype is not int64:
        raise RuntimeError(
            f"elements in indices should be type int64 but got: {indices.dtype.name}"
        )
    if indices.aval.shape != input.aval.shape:
        raise RuntimeError(
            "Expected shape of indices to be same as that of the input tensor "
            f"({list(input.shape)}) but got indices tensor with shape: {list(indices.shape)}"
        )
    if any(size == 0 for size in input.aval.shape[1:]):
        raise RuntimeError(
            f"{name}: Expected input to have non-zero size for non-batch dimensions, "
            f"but got {list(input.shape)}"
        )


def _sizes(
    places: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    output_size: Sequence[int] | None,
) -> tuple[int, ...]:
    """The spatial sizes: what a pooling with these windows would take, or what is asked for."""
    rows = zip(places, stride, kernel, padding, strict=True)
    usual = tuple(int((n - 1) * s + k - 2 * p) for n, s, k, p in rows)
    if output_size is None:
        sizes = usual
    else:
        count = len(kernel)
        sizes = tuple(output_size)[2:] if len(output_size) == count + 2 else tuple(output_size)
        if len(sizes) != count:
            raise ValueError(
                f"output_size should be a sequence containing {count} or {count + 2} elements, "
                f"but it has a length of '{len(sizes)}'"
            )
        for axis, (size, middle, step) in enumerate(zip(sizes, usual, stride, strict=True)):
            if not middle - step < size < middle + step:
                raise ValueError(
                    f'invalid output_size "{list(sizes)}" (dim {axis} must be between '
                    f"{middle - step} and {middle + step})"
                )
    if min(sizes) < 0:
        raise ValueError(
            "max_unpooling: output_size must contain non-negative spatial dimensions, "
            f"but got {list(sizes)}"
        )
    return sizes


@autocasts
def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """``[N, C, *]`` maxima at their places in lines of zeros, ``[N, C, L]``."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


@autocasts
def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Maxima at their places in planes of zeros: what ``max_pool2d`` with indices came from.

    Args:
        input: the maxima, ``[N, C, *]`` or ``[C, *]``.
        indices: int64, of the same shape: flat places in the planes.
        kernel_size, stride, padding: of the pooling.
        output_size: ``[H, W]`` or the whole shape, where several sizes give the input's.

    Raises:
        ValueError: if no pooling with these windows takes ``output_size`` to the input's.
        RuntimeError: for other shapes, or a place outside of the plane.
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


@autocasts
def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Maxima at their places in volumes of zeros, ``[N, C, D, H, W]``."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
