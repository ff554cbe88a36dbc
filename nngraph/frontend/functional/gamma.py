"""The gamma function: its logarithm, and the derivatives of that."""

from __future__ import annotations

import math

from nngraph import ops
from nngraph.frontend.functional.creation import arange
from nngraph.frontend.functional.variants import everywhere, function, methods
from nngraph.frontend.promotion import as_float
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import bool_

__all__ = ["digamma", "lgamma", "mvlgamma", "polygamma"]


@everywhere
def lgamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``log(abs(gamma(x)))``; infinite at zero and the negative integers."""
    return ops.lgamma(as_float(input))


@everywhere
def digamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The derivative of ``lgamma``; infinite at zero, NaN at the negative integers."""
    return ops.digamma(as_float(input))


@function
def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The n-th derivative of ``digamma``; infinite at zero and the negative integers.

    Raises:
        RuntimeError: if ``n`` is negative.
    """
    if not isinstance(n, int):
        raise TypeError(f"polygamma(): argument 'n' must be int, not {type(n).__name__}")
    if n < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, and n is {n}")
    return ops.polygamma(n, as_float(input))


@methods.named("polygamma")
def polygamma_of(input: Tensor, n: int) -> Tensor:
    """The n-th derivative of ``digamma``; infinite at zero and the negative integers."""
    return polygamma(n, input)


@everywhere
def mvlgamma(input: Tensor, p: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the multivariate gamma function of ``p`` dimensions.

    ``p (p - 1) / 4 log(pi)`` and the sum of ``lgamma(input - j / 2)`` over j = 0 to p - 1.

    Raises:
        RuntimeError: if ``p`` is below 1, or ``input`` bool.
    """
    if input.dtype is bool_:
        raise RuntimeError("mvlgamma: the input tensor may not be a boolean tensor; use .float()")
    if p < 1:
        raise RuntimeError(f"mvlgamma: p has to be greater than or equal to 1, and is {p}")
    x = as_float(input)
    shifts = arange(0, -p, -1, dtype=x.dtype) / 2
    return (x.unsqueeze(-1) + shifts).lgamma().sum(-1) + p * (p - 1) / 4 * math.log(math.pi)
