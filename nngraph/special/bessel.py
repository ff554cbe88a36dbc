"""Bessel functions of the orders 0 and 1, and Airy's.

Of those that PyTorch has no derivatives of - all but ``i0``, ``i0e``, ``i1`` and ``i1e`` - results
require no gradient.
"""

from __future__ import annotations

from nngraph import ops
from nngraph.frontend.functional.variants import function
from nngraph.frontend.promotion import as_float
from nngraph.frontend.tensor import Tensor

# fmt: off
__all__ = [
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "i0e", "i1", "i1e",
    "modified_bessel_i0", "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1",
    "scaled_modified_bessel_k0", "scaled_modified_bessel_k1", "spherical_bessel_j0",
]
# fmt: on


@function
def i0e(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``exp(-abs(x)) * i0(x)``."""
    return ops.bessel_i(0, True, as_float(input))


@function
def i1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The modified Bessel function of the first kind and order 1."""
    return ops.bessel_i(1, False, as_float(input))


@function
def i1e(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``exp(-abs(x)) * i1(x)``."""
    return ops.bessel_i(1, True, as_float(input))


@function
def modified_bessel_i0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``i0``, without a gradient."""
    return ops.bessel_i(0, False, as_float(input).detach())


@function
def modified_bessel_i1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``i1``, without a gradient."""
    return ops.bessel_i(1, False, as_float(input).detach())


@function
def modified_bessel_k0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The modified Bessel function of the second kind and order 0; NaN below 0."""
    return ops.bessel_k(0, False, as_float(input))


@function
def modified_bessel_k1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The modified Bessel function of the second kind and order 1; NaN below 0."""
    return ops.bessel_k(1, False, as_float(input))


@function
def scaled_modified_bessel_k0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``exp(x) * modified_bessel_k0(x)``."""
    return ops.bessel_k(0, True, as_float(input))


@function
def scaled_modified_bessel_k1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``exp(x) * modified_bessel_k1(x)``."""
    return ops.bessel_k(1, True, as_float(input))


@function
def bessel_j0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Bessel function of the first kind and order 0."""
    return ops.bessel_j(0, as_float(input))


@function
def bessel_j1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Bessel function of the first kind and order 1."""
    return ops.bessel_j(1, as_float(input))


@function
def bessel_y0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Bessel function of the second kind and order 0; NaN below 0."""
    return ops.bessel_y(0, as_float(input))


@function
def bessel_y1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Bessel function of the second kind and order 1; NaN below 0."""
    return ops.bessel_y(1, as_float(input))


@function
def airy_ai(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Airy's function Ai."""
    return ops.airy_ai(as_float(input))


@function
def spherical_bessel_j0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``sin(x) / x``; 1 at 0, 0 at infinity."""
    x = as_float(input).detach()
    value = (x.sin() / x).masked_fill(x.eq(0), 1.0)
    return value.masked_fill(x.isinf(), 0.0)
