"""The error function's relatives, entropy, and zeta."""

from __future__ import annotations

import math

from nngraph import ops
from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.functional.second import by_second
from nngraph.frontend.functional.variants import function
from nngraph.frontend.promotion import as_float, promoted
from nngraph.frontend.tensor import Operand, Tensor

__all__ = ["entr", "erfcx", "log_ndtr", "ndtr", "ndtri", "xlog1py", "zeta"]


@function
def entr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``-x * log(x)``; 0 at 0, minus infinity below."""
    return ops.entr(as_float(input))


@function
def erfcx(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``exp(x * x) * erfc(x)``."""
    return ops.erfcx(as_float(input))


@function
def ndtr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The share of a standard normal distribution that lies below ``input``."""
    return (as_float(input) * -math.sqrt(0.5)).erfc() * 0.5


@function
def log_ndtr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of ``ndtr``, where that is too small for a number, too."""
    return ops.log_ndtr(as_float(input))


@function
def ndtri(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The number whose ``ndtr`` is ``input``; NaN outside of [0, 1]."""
    return ops.ndtri(as_float(input))


@function
def xlog1py(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input * log1p(other)``; 0 where ``input`` is 0, unless ``other`` is NaN."""
    x, y = promoted(input, other, at_least=default_dtype())
    return ops.xlog1py(x, y)


@function
def zeta(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Hurwitz' zeta function: the sum of ``(other + k) ** -input`` over k = 0, 1, 2, ...

    Infinite where ``input`` is 1 and where ``other`` is 0 or a negative integer; NaN where
    ``input`` is below 1. It has a derivative by ``other`` only.
    """
    s, q = promoted(input, other, at_least=default_dtype())
    return by_second("zeta", ops.zeta, lambda s, q: -s * zeta(s + 1, q), s, q)
