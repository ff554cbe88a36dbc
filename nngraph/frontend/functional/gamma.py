"""The gamma function: its logarithm, the derivatives of that, and its parts."""

from __future__ import annotations

import math

from nngraph import ops
from nngraph.frontend.functional.creation import arange
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.functional.second import by_second
from nngraph.frontend.functional.variants import everywhere, function, methods
from nngraph.frontend.promotion import as_float, promoted
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import bool_
from nngraph.ops.composite import wide

__all__ = ["digamma", "igamma", "igammac", "lgamma", "mvlgamma", "polygamma"]


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


@everywhere
def igamma(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The share of gamma(``input``) that lies before ``other``; NaN of negative numbers.

    1 / gamma(a) times the integral of ``t**(a - 1) * exp(-t)`` from 0 to x. It has a derivative by
    ``other`` only.
    """
    return _share("igamma", False, input, other)


@everywhere
def igammac(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``1 - igamma(input, other)``, without cancellation."""
    return _share("igammac", True, input, other)


def _share(name: str, upper: bool, input: Tensor, other: Tensor) -> Tensor:
    if not isinstance(other, Tensor):
        raise TypeError(f"{name}(): argument 'other' must be Tensor, not {type(other).__name__}")
    a, x = promoted(input, other)
    need_floats(name, a)
    kind = a.dtype

    def slope(a: Tensor, x: Tensor) -> Tensor:
        a, x = wide(a), wide(x)
        density = ((a - 1) * x.log() - x - a.lgamma()).exp()
        return (-density if upper else density).to(kind)

    return by_second(name, lambda a, x: ops.igamma(upper, a, x), slope, a, x)
