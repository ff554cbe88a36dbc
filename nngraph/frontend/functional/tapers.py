"""Window functions: how the ends of a signal are faded out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.functional.data import from_array
from nngraph.frontend.functional.variants import function
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType
from nngraph.ir.op import Array

# fmt: off
__all__ = [
    "bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window",
]
# fmt: on


def _window(
    name: str,
    length: int,
    periodic: bool,
    dtype: DType | None,
    requires_grad: bool,
    shape: Callable[[Array], Array],
) -> Tensor:
    """``shape`` of -1 to 1; a periodic one lacks its last element.

    Raises:
        RuntimeError: for a negative length, or integers.
    """
    kind = dtype or default_dtype()
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got {length}")
    if not kind.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {kind.name}")
    whole = length + int(periodic)
    line = np.linspace(-1, 1, whole) if length > 1 else np.zeros(length)
    found = np.asarray(shape(line[:length]), np.float64).astype(kind.numpy)
    return from_array(found).requires_grad_(requires_grad)


def _cosines(*factors: float) -> Callable[[Array], Array]:
    """``a0 + a1 cos(pi x) + a2 cos(2 pi x)``."""

    def shape(x: Array) -> Array:
        total: Array = np.zeros(x.shape)
        for k, factor in enumerate(factors):
            total = total + factor * np.cos(np.pi * k * x)
        return total

    return shape


@function
def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``(1 + cos(pi x)) / 2`` for x from -1 to 1."""
    shape = _cosines(0.5, 0.5)
    return _window("hann_window", window_length, periodic, dtype, requires_grad, shape)


@function
def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``alpha + beta cos(pi x)`` for x from -1 to 1."""
    shape = _cosines(alpha, beta)
    if window_length == 1:
        shape = _cosines(1.0)
    return _window("hamming_window", window_length, periodic, dtype, requires_grad, shape)


@function
def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``0.42 + 0.5 cos(pi x) + 0.08 cos(2 pi x)`` for x from -1 to 1."""
    shape = _cosines(0.42, 0.5, 0.08)
    return _window("blackman_window", window_length, periodic, dtype, requires_grad, shape)


@function
def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``1 - |x|`` for x from -1 to 1."""
    return _window(
        "bartlett_window", window_length, periodic, dtype, requires_grad, lambda x: 1 - np.abs(x)
    )


@function
def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``I0(beta sqrt(1 - x**2)) / I0(beta)`` for x from -1 to 1, I0 being Bessel's function."""

    def shape(x: Array) -> Array:
        inside = np.sqrt(np.maximum(1 - x * x, 0))
        found: Array = np.i0(beta * inside) / np.i0(np.float64(beta))
        return found

    return _window("kaiser_window", window_length, periodic, dtype, requires_grad, shape)
