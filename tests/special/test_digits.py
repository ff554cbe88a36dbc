"""Special functions have the last digits of their type: compared with exact values, in NumPy.

``docs/special-functions.md`` states these bounds. All backends compute the same formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import nngraph as ng
from nngraph.frontend.tensor import Tensor
from tests.support.tolerances import LAST_DIGITS

s = ng.special


@dataclass(frozen=True)
class Row:
    """A function, its exact value, where it is tried, and what errors are relative to.

    Attributes:
        scale: an error is in units of the last place of the value, or of this if that is larger.
        ulps: the bound.
    """

    function: Callable[[Tensor], Tensor]
    exact: Callable[[Any], Any]
    low: float
    high: float
    scale: float = 0.0
    ulps: float = LAST_DIGITS


def _erfcx(x: Any) -> Any:
    return mp.exp(x * x) * mp.erfc(x)


def _quantile(p: Any) -> Any:
    return mp.findroot(lambda z: mp.log(mp.ncdf(z) / p), -mp.sqrt(-2 * mp.log(p)) + 0.5)


def _share(a: float, upper: bool, x: Any) -> Any:
    ends = (x, mp.inf) if upper else (0, x)
    return mp.gammainc(mp.mpf(a), *ends, regularized=True)


ROWS = {
    "lgamma": Row(s.gammaln, mp.loggamma, 1e-6, 30),
    "lgamma below 0": Row(s.gammaln, lambda x: mp.log(abs(mp.gamma(x))), -20, 0, 1),
    "digamma": Row(s.psi, mp.digamma, -20, 20, 1),
    "trigamma": Row(lambda x: s.polygamma(1, x), lambda x: mp.psi(1, x), 0.01, 50),
    "polygamma 4": Row(lambda x: s.polygamma(4, x), lambda x: mp.psi(4, x), 0.01, 50),
    "erfinv": Row(s.erfinv, mp.erfinv, -0.99999, 0.99999, 0, 2),
    "ndtri": Row(s.ndtri, _quantile, 1e-30, 0.1, 0, 2),
    "erfcx": Row(s.erfcx, _erfcx, 0, 15, 0, 3),
    "log_ndtr": Row(s.log_ndtr, lambda x: mp.log(mp.ncdf(x)), -15, 3, 1),
    "sinc": Row(s.sinc, mp.sincpi, -9, 9, 1, 2),
    "i0e": Row(s.i0e, lambda x: mp.besseli(0, x) * mp.exp(-abs(x)), -30, 30, 0),
    "i1e": Row(s.i1e, lambda x: mp.besseli(1, x) * mp.exp(-abs(x)), -30, 30, 0),
    "j0": Row(s.bessel_j0, lambda x: mp.besselj(0, x), -50, 50, 1),
    "j1": Row(s.bessel_j1, lambda x: mp.besselj(1, x), -50, 50, 1),
    "y0": Row(s.bessel_y0, lambda x: mp.bessely(0, x), 1e-3, 50, 1),
    "y1": Row(s.bessel_y1, lambda x: mp.bessely(1, x), 1e-3, 50, 1),
    "k0": Row(s.scaled_modified_bessel_k0, lambda x: mp.besselk(0, x) * mp.exp(x), 1e-3, 50),
    "k1": Row(s.scaled_modified_bessel_k1, lambda x: mp.besselk(1, x) * mp.exp(x), 1e-3, 50),
    "airy": Row(s.airy_ai, mp.airyai, -9, 5, 1),
    "zeta": Row(lambda q: s.zeta(3.5, q), lambda q: mp.zeta(3.5, q), 0.1, 30),
    "zeta below 0": Row(
        lambda q: s.zeta(3, q), lambda q: (mp.psi(2, q) if q > 0 else _below(q)) / -2, -9, 9, 1, 24
    ),
}
ROWS |= {
    f"{'gammaincc' if upper else 'gammainc'} {a}": Row(
        partial(s.gammaincc if upper else s.gammainc, ng.tensor(a)),
        partial(_share, a, upper),
        low,
        high,
        ulps=ulps,
    )
    for a, upper, low, high, ulps in (
        (0.25, True, 0.1, 40, 8),
        (2.0**-20, True, 1e-6, 10, 8),
        (7.5, False, 0.1, 40, 24),
        (7.5, True, 0.1, 40, 24),
        (5000.0, False, 4800, 5200, 24),
    )
}


def _below(q: Any) -> Any:
    """The second derivative of digamma by the terms that pass 0."""
    steps = int(mp.ceil(-q)) + 1
    return mp.psi(2, q + steps) - 2 * mp.fsum((q + k) ** -3 for k in range(steps))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ROWS)
def test_last_digits(name: str, dtype: str) -> None:
    row = ROWS[name]
    rng = np.random.default_rng(len(name))
    x = rng.uniform(row.low, row.high, 24)
    if 0 < row.low < 0.01 * row.high:
        x[:12] = np.exp(rng.uniform(np.log(row.low), np.log(row.high), 12))
    x = x.astype(dtype)
    got = row.function(ng.tensor(x)).numpy()
    assert got.dtype == dtype
    with mp.workdps(25):
        for number, value in zip(x.tolist(), got.tolist(), strict=True):
            exact = row.exact(mp.mpf(number))
            unit = max(abs(exact), row.scale) * float(np.finfo(dtype).eps)
            error = abs(value - exact) / unit
            assert error <= row.ulps, f"{name}({number}) is {value}, not {exact}: {error} units"
