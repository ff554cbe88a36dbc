"""The error function and its complement for NumPy arrays, to the last digits of their type.

float64: W. J. Cody, "Rational Chebyshev approximation for the error function", Mathematics of
Computation 23 (1969), 631-637: three ranges, one quotient of polynomials each. float32: one
quotient for all, fitted to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from nngraph.ir.op import Array

__all__ = ["erf", "erfc"]

# |x| <= 0.46875: erf(x) = x * P(x*x) / Q(x*x)
_SMALL: Final = 0.46875
_SMALL_P: Final = (
    1.85777706184603153e-1,
    3.16112374387056560e00,
    1.13864154151050156e02,
    3.77485237685302021e02,
    3.20937758913846947e03,
)
_SMALL_Q: Final = (
    1.0,
    2.36012909523441209e01,
    2.44024637934444173e02,
    1.28261652607737228e03,
    2.84423683343917062e03,
)
# |x| <= 4: erfc(x) = exp(-x*x) * P(x) / Q(x)
_MIDDLE: Final = 4.0
_MIDDLE_P: Final = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e00,
    6.61191906371416295e01,
    2.98635138197400131e02,
    8.81952221241769090e02,
    1.71204761263407058e03,
    2.05107837782607147e03,
    1.23033935479799725e03,
)
_MIDDLE_Q: Final = (
    1.0,
    1.57449261107098347e01,
    1.17693950891312499e02,
    5.37181101862009858e02,
    1.62138957456669019e03,
    3.29079923573345963e03,
    4.36261909014324716e03,
    3.43936767414372164e03,
    1.23033935480374942e03,
)
# beyond: erfc(x) = exp(-x*x) / x * (1/sqrt(pi) - s * P(s) / Q(s)), s = 1 / (x*x)
_LARGE_P: Final = (
    1.63153871373020978e-2,
    3.05326634961232344e-1,
    3.60344899949804439e-1,
    1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4,
)
_LARGE_Q: Final = (
    1.0,
    2.56852019228982242e00,
    1.87295284992346047e00,
    5.27905102951428412e-1,
    6.05183413124413191e-2,
    2.33520497626869185e-3,
)
# float32, |x| <= 4: erf(x) = x * P(x*x) / Q(x*x), fitted by weighted least squares on Chebyshev
# nodes (error 2.5e-8, 3.6e-7 with rounding in float32)
_SINGLE_P: Final = (
    1.9867748245412692e-06,
    0.00028456741097877017,
    0.003883402729102924,
    0.053101929429171794,
    0.19354640323061426,
    1.1283791393059777,
)
_SINGLE_Q: Final = (
    3.742017530413894e-05,
    0.001185585699088583,
    0.015207369271167935,
    0.1153505597831476,
    0.5048585892818536,
    1.0,
)
_ROOT: Final = 0.56418958354775628695  # 1 / sqrt(pi)

_BLOCK: Final = 1 << 14  # elements at a time: the temporaries stay in the cache


def _polynomial(coefficients: Sequence[float], x: Array) -> Array:
    total = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        total *= x
        total += x.dtype.type(c)
    return total


def _small(x: Array) -> Array:
    square = x * x
    out: Array = x * (_polynomial(_SMALL_P, square) / _polynomial(_SMALL_Q, square))
    return out


def _middle_tail(size: Array) -> Array:
    """Erfc between the two bounds."""
    quotient = _polynomial(_MIDDLE_P, size) / _polynomial(_MIDDLE_Q, size)
    out: Array = np.exp(-size * size) * quotient
    return out


def _far_tail(size: Array) -> Array:
    """Erfc beyond them."""
    s = 1.0 / (size * size)
    series = _ROOT - s * (_polynomial(_LARGE_P, s) / _polynomial(_LARGE_Q, s))
    out: Array = np.exp(-size * size) / size * series
    return out


def _middle(x: Array) -> Array:
    out: Array = np.copysign(1.0 - _middle_tail(np.abs(x)), x)
    return out


def _large(x: Array) -> Array:
    size = np.minimum(np.abs(x), 9.0)  # 1 - erf(6) is below half an ulp of 1 already
    out: Array = np.copysign(1.0 - _far_tail(size), x)
    return out


def _fill(out: Array, x: Array, where: Array, rule: Callable[[Array], Array]) -> None:
    if where.all():
        out[...] = rule(x)
    elif where.any():
        out[where] = rule(x[where])


def _single(x: Array) -> Array:
    x = np.minimum(np.maximum(x, np.float32(-4)), np.float32(4))  # both keep NaN
    square = x * x
    x *= _polynomial(_SINGLE_P, square)
    x /= _polynomial(_SINGLE_Q, square)
    return np.minimum(np.maximum(x, np.float32(-1)), np.float32(1))


def _double(x: Array) -> Array:
    out = np.empty_like(x)
    size = np.abs(x)
    _fill(out, x, size <= _SMALL, _small)
    _fill(out, x, (size > _SMALL) & (size <= _MIDDLE), _middle)
    _fill(out, x, ~(size <= _MIDDLE), _large)
    return out


def _complement(x: Array) -> Array:
    out, size = np.empty(x.shape), np.abs(x.astype(np.float64))
    _fill(out, size, size <= _SMALL, lambda part: 1.0 - _small(part))
    _fill(out, size, (size > _SMALL) & (size <= _MIDDLE), _middle_tail)
    _fill(out, size, ~(size <= _MIDDLE), _far_tail)
    return np.where(x < 0, 2.0 - out, out)


def _in_blocks(x: Array, rule: Callable[[Array], Array]) -> Array:
    flat = np.asarray(x).reshape(-1)
    out = np.empty_like(flat)
    for start in range(0, flat.size, _BLOCK):
        out[start : start + _BLOCK] = rule(flat[start : start + _BLOCK])
    return out.reshape(np.shape(x))


def erf(x: Array) -> Array:
    """The error function of a float32 or float64 array, in its own type; NaN stays NaN."""
    return _in_blocks(x, _single if np.asarray(x).dtype == np.float32 else _double)


def erfc(x: Array) -> Array:
    """``1 - erf(x)`` without cancellation, of a float32 or float64 array, in its own type."""
    return _in_blocks(x, _complement)
