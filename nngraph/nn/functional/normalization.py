"""Normalizations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from nngraph import ops
from nngraph.frontend.functional.creation import ones, zeros
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.functional.selection import where
from nngraph.frontend.limits import finfo
from nngraph.frontend.modes import no_grad
from nngraph.frontend.precision.casting import autocasts
from nngraph.frontend.promotion import result_type
from nngraph.frontend.symint import SymInt, dims_of, size_of, sym_max
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dims import Dim, SymDim, floordiv
from nngraph.ir.dtypes import DType, int64
from nngraph.nn.functional.convolution import pad
from nngraph.nn.functional.sizes import need_shape
from nngraph.ops.composite import wide, wide_dtype

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]


def _affine(
    weight: Tensor | None, bias: Tensor | None, shape: Any, dtype: DType
) -> tuple[Tensor, Tensor]:
    kind = next((t.dtype for t in (weight, bias) if t is not None), dtype)
    w = ones(tuple(shape), dtype=kind) if weight is None else weight
    b = zeros(tuple(shape), dtype=kind) if bias is None else bias
    return w, b


@autocasts
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[Dim],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalizes over the trailing axes ``normalized_shape``, then scales and shifts.

    Raises:
        RuntimeError: if the input does not end in ``normalized_shape``.
    """
    shape = _trailing(input, normalized_shape)
    if input.aval.size == 0:
        need_shape("the weight of layer_norm", weight, *shape)
        need_shape("the bias of layer_norm", bias, *shape)
        y = input.clone() if weight is None else input * weight
        return (y if bias is None else y + bias).to(input.dtype)
    w, b = _affine(weight, bias, shape, input.dtype)
    y, _, _ = ops.layer_norm(input, w, b, len(shape), eps)
    return y


def _trailing(input: Tensor, normalized_shape: Sequence[Dim]) -> tuple[Dim, ...]:
    shape = dims_of(normalized_shape)
    if not shape or tuple(input.aval.shape[-len(shape) :]) != shape:
        raise RuntimeError(
            f"Given normalized_shape=[{', '.join(map(str, shape))}], expected input with shape [*, "
            f"{', '.join(map(str, shape))}], but got input of size{list(input.shape)}"
        )
    return shape


@autocasts
def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[Dim],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Divides by the root of the mean square over the trailing axes.

    Half precision is computed in float32 and rounded once; ``eps`` None is the precision of the
    type that is computed in.

    Raises:
        RuntimeError: if the input does not end in ``normalized_shape``.
    """
    shape = _trailing(input, normalized_shape)
    need_floats("rms_norm", input)
    need_shape("the weight of rms_norm", weight, *shape)
    if input.aval.size == 0:
        return input.clone() if weight is None else input * weight
    axes = tuple(range(-len(shape), 0))
    x = wide(input)
    small = eps if eps is not None else finfo(x.dtype).eps
    y = x * (x.square().mean(axes, keepdim=True) + small).rsqrt()
    if weight is None:
        return y.to(input.dtype)
    return (y * wide(weight)).to(result_type(input, weight))


@autocasts
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalizes ``[N, C, ...]`` over groups of channels and all positions.

    Raises:
        RuntimeError: if the channels do not fall into ``num_groups`` equal groups.
        ValueError: if a group has one value only.
    """
    if input.ndim < 2:
        raise RuntimeError(
            "Expected at least 2 dimensions for input tensor but received "
            f"{input.ndim}: group_norm needs [N, C, ...], got {input.aval}"
        )
    batch, channels, *rest = input.aval.shape
    size = input.aval.size
    if isinstance(size, int) and size // num_groups == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}"
        )
    if channels % num_groups != 0:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, "
            f"but got input of shape {list(input.shape)} and num_groups={num_groups}"
        )
    need_shape("the weight of group_norm", weight, channels)
    need_shape("the bias of group_norm", bias, channels)
    width = channels // num_groups * math.prod(rest)
    rows = layer_norm(input.reshape(batch, num_groups, width), (width,), eps=eps)
    y = _scaled(rows.reshape(input.aval.shape), weight, bias)
    return y if isinstance(size, int) else y * _one_unless_single(size, num_groups, y)


def _one_unless_single(count: Dim, groups: int, like: Tensor) -> Tensor:
    """1, but for a run in which ``groups`` groups hold one value each: that fails.

    Where the count is known, PyTorch's error is raised while the code runs; a graph has no errors
    of its own but for an index that is out of range.
    """
    values = SymInt(cast("SymDim", floordiv(count, groups))).tensor()
    one = like.new_ones(1, dtype=like.dtype)
    return one.take(values.eq(1).to(int64))


def _scaled(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    per_channel = (-1, *(1,) * (y.ndim - 2))
    y = y if weight is None else y * weight.reshape(per_channel)
    return y if bias is None else y + bias.reshape(per_channel)


def _update_running(
    running_mean: Tensor,
    running_var: Tensor,
    mean: Tensor,
    var: Tensor,
    momentum: Tensor | float,
    count: Dim,
) -> None:
    """Moves the kept statistics towards the batch's; the variance kept is the unbiased one."""
    with no_grad():
        mean, var = mean.detach().to(running_mean.dtype), var.detach().to(running_var.dtype)
        values = size_of(count)
        unbiased = momentum * (values / sym_max(values - 1, 1))
        mean = running_mean * (1 - momentum) + mean * momentum
        var = running_var * (1 - momentum) + var * unbiased
        if isinstance(count, SymDim):  # a batch of nothing has no statistics
            there = values.tensor().gt(0)
            mean, var = where(there, mean, running_mean), where(there, var, running_var)
        running_mean.copy_(mean)
        running_var.copy_(var)


def _values_per_channel(input: Tensor) -> Dim:
    """How many values a batch's statistics are made of; ValueError if only one."""
    count: Dim = math.prod((input.aval.shape[0], *input.aval.shape[2:]))
    if count == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}"
        )
    return count


def _check_eps(eps: float, training: bool) -> None:
    if training and eps <= 0.0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if eps < 0.0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: Tensor | float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalizes each channel of ``[N, C, ...]``, then scales and shifts it.

    Args:
        input: what to normalize.
        running_mean, running_var: ``[C]``, used unless training; while training they are moved
            towards the batch's statistics by ``momentum``.
        weight, bias: ``[C]``.
        training: normalize by the batch's own statistics.
        momentum: a number, or a tensor of one element.
        eps: added to the variance.

    Raises:
        ValueError: while training with one value per channel (if that is known only when the
            graph runs, the run fails); for an ``eps`` below 0, or of 0 while training.
        RuntimeError: for vectors of another size than ``[C]``.
    """
    _check_eps(eps, training)
    count = _values_per_channel(input) if training else 0
    _need_channels(input, training, running_mean=running_mean, running_var=running_var)
    _need_channels(input, True, weight=weight, bias=bias)
    if input.aval.size == 0:  # no statistics: those kept stay as they are
        return _scaled(input.clone(), weight, bias).to(input.dtype)
    w, b = _affine(weight, bias, (input.aval.shape[1],), input.dtype)
    if not training:
        assert running_mean is not None and running_var is not None
        return ops.batch_norm_inference(input, w, b, running_mean, running_var, eps)
    _need_kinds(input, running_mean, running_var, weight, bias)
    if isinstance(count, SymDim):
        b = b * _one_unless_single(count, 1, b)
    y, mean, var = (t for t in ops.batch_norm_training(input, w, b, eps))
    if running_mean is not None and running_var is not None:
        _update_running(running_mean, running_var, mean, var, momentum, count)
    return y


def _need_kinds(input: Tensor, *vectors: Tensor | None) -> None:
    """Refuses vectors of another dtype than the input's, but for float32 beside halves.

    Raises:
        RuntimeError: with both dtypes.
    """
    for vector in vectors:
        if vector is not None and vector.dtype not in (input.dtype, wide_dtype(input.dtype)):
            raise RuntimeError(
                f"batch_norm: all inputs must share same datatype, got {input.dtype.name} and "
                f"{vector.dtype.name}"
            )


def _need_channels(input: Tensor, optional: bool, **vectors: Tensor | None) -> None:
    """Refuses vectors that have not one element for each channel.

    Raises:
        RuntimeError: with what is there and what should be.
    """
    channels = input.aval.shape[1] if input.ndim > 1 else 0
    for name, vector in vectors.items():
        if vector is None and not optional:
            raise RuntimeError(f"Expected {name} to be defined when training=False")
        if vector is not None and vector.aval.shape != (channels,):
            raise RuntimeError(f"{name} should contain {channels} elements, but is {vector.aval}")


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalizes each channel of each sample of ``[N, C, ...]``."""
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    batch, channels, *rest = input.aval.shape
    need_shape("the weight of instance_norm", weight, channels)
    need_shape("the bias of instance_norm", bias, channels)
    count: Dim = math.prod(rest)
    if count == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {input.shape}"
        )
    rows = layer_norm(input.reshape(batch, channels, count), (count,), eps=eps)
    if running_mean is not None and running_var is not None and input.aval.size != 0:
        flat = input.detach().reshape(batch, channels, count)
        mean, var = flat.mean(-1).mean(0), flat.var(-1, correction=0).mean(0)
        _update_running(running_mean, running_var, mean, var, momentum, count)
    return _scaled(rows.reshape(input.aval.shape), weight, bias)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divides by a power of the mean square over ``size`` neighbouring channels.

    Raises:
        ValueError: for less than three axes.
    """
    if input.ndim < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)"
        )
    need_floats("local_response_norm", input)
    around = [0, 0] * (input.ndim - 2) + [size // 2, (size - 1) // 2]
    squares = pad(input.square(), around)
    channels = cast("int", input.shape[1])
    total = squares.narrow(1, 0, channels)
    for shift in range(1, size):
        total = total + squares.narrow(1, shift, channels)
    return input / (total * (alpha / size) + k).pow(beta)
