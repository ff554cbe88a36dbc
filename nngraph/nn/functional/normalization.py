"""Normalizations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from nngraph import ops
from nngraph.frontend.functional.creation import ones, zeros
from nngraph.frontend.limits import finfo
from nngraph.frontend.modes import no_grad
from nngraph.frontend.promotion import result_type
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType
from nngraph.nn.functional.convolution import pad
from nngraph.ops.composite import wide

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
    w = ones(tuple(shape), dtype=dtype) if weight is None else weight
    b = zeros(tuple(shape), dtype=dtype) if bias is None else bias
    return w, b


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalizes over the trailing axes ``normalized_shape``, then scales and shifts.

    Raises:
        RuntimeError: if the input does not end in ``normalized_shape``.
    """
    shape = _trailing(input, normalized_shape)
    if input.type.size == 0:
        y = input.clone() if weight is None else input * weight
        return (y if bias is None else y + bias).to(input.dtype)
    w, b = _affine(weight, bias, shape, input.dtype)
    y, _, _ = ops.layer_norm(input, w, b, len(shape), eps)
    return y


def _trailing(input: Tensor, normalized_shape: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(normalized_shape)
    if not shape or tuple(input.type.shape[-len(shape) :]) != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, "
            f"{', '.join(map(str, shape))}], but got input of size{list(input.shape)}"
        )
    return shape


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
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
    if input.type.size == 0:
        return input.clone() if weight is None else input * weight
    axes = tuple(range(-len(shape), 0))
    x = wide(input)
    small = eps if eps is not None else finfo(x.dtype).eps
    y = x * (x.square().mean(axes, keepdim=True) + small).rsqrt()
    if weight is None:
        return y.to(input.dtype)
    return (y * wide(weight)).to(result_type(input, weight))


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
            f"{input.ndim}: group_norm needs [N, C, ...], got {input.type}"
        )
    batch, channels, *rest = input.type.shape
    sizes = (batch, channels, *rest)
    if all(isinstance(n, int) for n in sizes) and math.prod(sizes) // num_groups == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}"
        )
    if cast("int", channels) % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, "
            f"but got input of shape {list(input.shape)} and num_groups={num_groups}"
        )
    width = cast("int", channels) // num_groups * math.prod(cast("list[int]", rest))
    rows = layer_norm(input.reshape(batch, num_groups, width), (width,), eps=eps)
    return _scaled(rows.reshape(input.type.shape), weight, bias)


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
    count: int,
) -> None:
    """Moves the kept statistics towards the batch's; the variance kept is the unbiased one."""
    with no_grad():
        mean, var = mean.detach().to(running_mean.dtype), var.detach().to(running_var.dtype)
        running_mean.copy_(running_mean * (1 - momentum) + mean * momentum)
        unbiased = momentum * (count / max(count - 1, 1))
        running_var.copy_(running_var * (1 - momentum) + var * unbiased)


def _values_per_channel(input: Tensor) -> int:
    """How many values a batch's statistics are made of; ValueError if unknown, or only one."""
    counts = [input.shape[0], *input.shape[2:]]
    if not all(isinstance(n, int) for n in counts):
        raise ValueError(
            f"batch_norm in training mode needs a batch of known size, got input {input.type}: "
            "call model.eval() first for inference, or give the sizes as numbers"
        )
    count = math.prod(cast("list[int]", counts))
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
        ValueError: while training with one value per channel, or with sizes that are not known
            (the kept variance depends on how many values there are); for an ``eps`` below 0, or
            of 0 while training.
    """
    _check_eps(eps, training)
    if input.type.size == 0:  # no statistics: those kept stay as they are
        return _scaled(input.clone(), weight, bias).to(input.dtype)
    w, b = _affine(weight, bias, (input.type.shape[1],), input.dtype)
    if not training:
        assert running_mean is not None and running_var is not None
        return ops.batch_norm_inference(input, w, b, running_mean, running_var, eps)
    count = _values_per_channel(input)
    y, mean, var = (t for t in ops.batch_norm_training(input, w, b, eps))
    if running_mean is not None and running_var is not None:
        _update_running(running_mean, running_var, mean, var, momentum, count)
    return y


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
    batch, channels, *rest = input.type.shape
    count = math.prod(cast("list[int]", rest))
    if count == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {input.shape}"
        )
    rows = layer_norm(input.reshape(batch, channels, count), (count,), eps=eps)
    if running_mean is not None and running_var is not None and input.type.size != 0:
        flat = input.detach().reshape(batch, channels, count)
        mean, var = flat.mean(-1).mean(0), flat.var(-1, correction=0).mean(0)
        _update_running(running_mean, running_var, mean, var, momentum, count)
    return _scaled(rows.reshape(input.type.shape), weight, bias)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divides by a power of the mean square over ``size`` neighbouring channels."""
    around = [0, 0] * (input.ndim - 2) + [size // 2, (size - 1) // 2]
    squares = pad(input.square(), around)
    channels = cast("int", input.shape[1])
    total = squares.narrow(1, 0, channels)
    for shift in range(1, size):
        total = total + squares.narrow(1, shift, channels)
    return input / (total * (alpha / size) + k).pow(beta)
