"""What of ``torch.fft`` is real: frequencies, and the order that they are in.

Source: https://docs.pytorch.org/docs/stable/fft.html
"""

from __future__ import annotations

from typing import Any, NoReturn

from nngraph.frontend.absent import COMPLEX
from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.functional.axes import Dims, axes_of
from nngraph.frontend.functional.creation import arange
from nngraph.frontend.functional.joining import cat
from nngraph.frontend.functional.variants import function
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]


def _need_float(name: str, dtype: DType | None) -> DType:
    if dtype is not None and not dtype.is_floating_point:
        raise RuntimeError(
            f"{name} requires a floating point or complex dtype, but got dtype={dtype.name}"
        )
    return dtype or default_dtype()


@function
def fftfreq(
    n: int,
    d: float = 1.0,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The frequencies of a transform of ``n`` samples with ``d`` between them: 0, positive,
    negative.
    """
    kind = _need_float("fftfreq", dtype)
    found = cat([arange((n + 1) // 2), arange(-(n // 2), 0)]).to(kind) * (1.0 / (n * d))
    return found.requires_grad_(requires_grad)


@function
def rfftfreq(
    n: int,
    d: float = 1.0,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``fftfreq`` up to the middle, whose sign is positive."""
    kind = _need_float("rfftfreq", dtype)
    return (arange(n // 2 + 1).to(kind) * (1.0 / (n * d))).requires_grad_(requires_grad)


@function
def fftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """Frequency 0 to the middle, along some dimensions (None: all)."""
    axes = axes_of(input, dim)
    return input.roll([input.shape[a] // 2 for a in axes], list(axes)) if axes else input.clone()


@function
def ifftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """``fftshift`` undone."""
    axes = axes_of(input, dim)
    moves = [(input.shape[a] + 1) // 2 for a in axes]
    return input.roll(moves, list(axes)) if axes else input.clone()


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(f"module 'nngraph.fft' has no attribute {name!r}: {COMPLEX}")
