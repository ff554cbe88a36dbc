"""Fills tensors in place with initial values, drawn from ``generator`` or the default one."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from nngraph.frontend.functional import random
from nngraph.frontend.functional.data import from_array
from nngraph.frontend.generator import Generator
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import float64

__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]

_T = TypeVar("_T", bound=Tensor)
_LINEAR = {
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
}


def _filled(tensor: _T, values: Any) -> _T:
    with no_grad():
        tensor.copy_(values)
    return tensor


def _sizes(tensor: Tensor) -> list[int]:
    return [cast("int", d) for d in tensor.aval.shape]


def uniform_(tensor: _T, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> _T:
    """Uniform on [a, b)."""
    with no_grad():
        tensor.uniform_(a, b, generator=generator)
    return tensor


def normal_(
    tensor: _T, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> _T:
    """Normal with this mean and standard deviation."""
    with no_grad():
        tensor.normal_(mean, std, generator=generator)
    return tensor


def trunc_normal_(
    tensor: _T,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> _T:
    """Normal, conditioned on [a, b]: drawn again where it falls outside."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The "
            "distribution of values may be incorrect.",
            stacklevel=2,
        )
    count, window = math.prod(_sizes(tensor)), ((a - mean) / std, (b - mean) / std)
    values = np.empty(0)
    while len(values) < count:
        drawn = _truncated_draw(max(count - len(values), 64), *window, generator)
        values = np.concatenate([values, drawn])
    return _filled(tensor, from_array(values[:count] * std + mean).reshape(tensor.aval.shape))


def _truncated_draw(
    count: int, low: float, high: float, generator: Generator | None
) -> NDArray[np.float64]:
    """Standard normal numbers within [low, high], at most ``count``, by rejection."""
    inside = 0.5 * (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2)))
    if inside > 0.3:
        x = random.randn(count, generator=generator, dtype=float64).numpy()
        return x[(x >= low) & (x <= high)]
    # A window with little of the mass: uniform proposals around the likeliest point.
    peak = min(max(0.0, low), high)
    low, high = max(low, peak - 10.0), min(high, peak + 10.0)
    x, chance = random.rand(2, count, generator=generator, dtype=float64).numpy()
    x = x * (high - low) + low
    kept: NDArray[np.float64] = x[chance < np.exp((peak * peak - x * x) / 2)]
    return kept


def constant_(tensor: _T, val: float) -> _T:
    """Every element is ``val``."""
    return _filled(tensor, val)


def ones_(tensor: _T) -> _T:
    """Every element is 1."""
    return _filled(tensor, 1.0)


def zeros_(tensor: _T) -> _T:
    """Every element is 0."""
    return _filled(tensor, 0.0)


def eye_(tensor: _T) -> _T:
    """The identity matrix.

    Raises:
        ValueError: unless the tensor has 2 dimensions.
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = _sizes(tensor)
    return _filled(tensor, from_array(np.eye(rows, columns)))


def dirac_(tensor: _T, groups: int = 1) -> _T:
    """Weights of a convolution that passes its input through, in each group.

    Raises:
        ValueError: unless there are 3, 4 or 5 dimensions and ``groups`` divides the first.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    sizes = _sizes(tensor)
    if sizes[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    array = np.zeros(sizes)
    each = sizes[0] // groups
    centre = tuple(s // 2 for s in sizes[2:])
    for group in range(groups):
        for channel in range(min(each, sizes[1])):
            array[(group * each + channel, channel, *centre)] = 1
    return _filled(tensor, from_array(array))


def xavier_uniform_(tensor: _T, gain: float = 1.0, generator: Generator | None = None) -> _T:
    """Uniform with variance ``2 gain^2 / (fan_in + fan_out)`` (Glorot and Bengio, 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = gain * math.sqrt(6.0 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: _T, gain: float = 1.0, generator: Generator | None = None) -> _T:
    """Normal with variance ``2 gain^2 / (fan_in + fan_out)`` (Glorot and Bengio, 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def kaiming_uniform_(
    tensor: _T,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> _T:
    """Uniform with variance ``gain^2 / fan`` (He et al., 2015)."""
    if 0 in tensor.aval.shape:
        return _empty(tensor)
    bound = math.sqrt(3.0) * calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: _T,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> _T:
    """Normal with variance ``gain^2 / fan`` (He et al., 2015)."""
    if 0 in tensor.aval.shape:
        return _empty(tensor)
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: _T, gain: float = 1, generator: Generator | None = None) -> _T:
    """A (semi-)orthogonal matrix, the axes after the first taken as one (Saxe et al., 2013).

    Raises:
        ValueError: for fewer than 2 dimensions.
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if 0 in tensor.aval.shape:
        return tensor
    rows, *rest = _sizes(tensor)
    columns = math.prod(rest)
    flat = random.randn(rows, columns, generator=generator, dtype=float64).numpy()
    q, r = np.linalg.qr(flat.T if rows < columns else flat)
    q = q * np.sign(np.diag(r))  # makes the distribution uniform (Mezzadri, 2006)
    matrix = from_array(q.T if rows < columns else q)
    return _filled(tensor, (matrix * gain).reshape(tensor.aval.shape))


def sparse_(
    tensor: _T, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> _T:
    """Normal, with this part of each column set to zero.

    Raises:
        ValueError: unless the tensor has 2 dimensions.
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, _ = _sizes(tensor)
    zeroed = math.ceil(sparsity * rows)
    with no_grad():
        ranks = random.rand_like(tensor, generator=generator).argsort(0).argsort(0)
        values = random.randn_like(tensor, generator=generator) * std
        return _filled(tensor, values.masked_fill(ranks < zeroed, 0.0))


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """How much a nonlinearity shrinks the variance, as a factor for weights.

    Raises:
        ValueError: for an unknown nonlinearity or a slope that is no number.
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    gains = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
    if nonlinearity not in gains:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return gains[nonlinearity]


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    outputs, inputs, *window = _sizes(tensor)
    area = math.prod(window)
    return inputs * area, outputs * area


def _fan(tensor: Tensor, mode: str) -> int:
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _calculate_fan_in_and_fan_out(tensor)[mode.lower() == "fan_out"]


def _empty(tensor: _T) -> _T:
    warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
    return tensor


# -- names that PyTorch deprecated ---------------------------------------------------------------
_F = TypeVar("_F", bound=Callable[..., Any])


def _deprecated(method: _F) -> _F:
    new = cast("Any", method).__name__

    @wraps(method)
    def old(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"`nn.init.{new[:-1]}` is now deprecated in favor of `nn.init.{new}`.",
            FutureWarning,
            stacklevel=2,
        )
        return method(*args, **kwargs)

    old.__name__ = old.__qualname__ = new[:-1]
    return cast("_F", old)


constant = _deprecated(constant_)
dirac = _deprecated(dirac_)
eye = _deprecated(eye_)
kaiming_normal = _deprecated(kaiming_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
normal = _deprecated(normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
uniform = _deprecated(uniform_)
xavier_normal = _deprecated(xavier_normal_)
xavier_uniform = _deprecated(xavier_uniform_)
