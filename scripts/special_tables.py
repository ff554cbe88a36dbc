"""Writes the tables of special functions: Chebyshev series, found with 40 digits.

``python scripts/special_tables.py`` (it needs mpmath) writes ``nngraph/ops/special/tables.py``.
Each row is a function on an interval: the values at Chebyshev's nodes give the coefficients of the
polynomial through them, as many as float64 can tell apart (L. N. Trefethen, "Approximation Theory
and Approximation Practice", SIAM 2013, chapters 3 and 8). What a function is a quotient or a
difference of is said here, in mpmath's words, and once more in the formulas that read the table.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mpmath as mp

PATH = Path(__file__).resolve().parents[1] / "nngraph" / "ops" / "special" / "tables.py"
HALF = 0.5
LEAST = 2.0**-57  # of the largest coefficient

Function = Callable[[Any], Any]


def coefficients(f: Function, low: Any, high: Any, nodes: int = 48) -> list[Any]:
    """Chebyshev coefficients of ``f`` between two bounds, but those that float64 rounds away."""
    low, high = mp.mpf(low), mp.mpf(high)
    angles = [mp.pi * (k + HALF) / nodes for k in range(nodes)]
    values = [f((low + high) / 2 + (high - low) / 2 * mp.cos(a)) for a in angles]
    found = []
    for j in range(nodes):
        total = mp.fsum(v * mp.cos(j * a) for v, a in zip(values, angles, strict=True))
        found.append(total * (2 if j else 1) / nodes)
    bound = LEAST * max(map(abs, found))
    while abs(found[-1]) < bound:
        found.pop()
    if len(found) > nodes - 4:
        raise ValueError(f"{len(found)} coefficients of {nodes} nodes: take more, or parts")
    return found


def _stirling(v: Any) -> Any:
    """What Stirling's formula leaves of log gamma, times x, with v = 1/(x*x)."""
    x = 1 / mp.sqrt(v)
    return (mp.loggamma(x) - (x - HALF) * mp.log(x) + x - mp.log(2 * mp.pi) / 2) * x


def _digamma(v: Any) -> Any:
    """What log(x) - 1/(2x) leaves of digamma, times -x*x, with v = 1/(x*x)."""
    x = 1 / mp.sqrt(v)
    return (mp.log(x) - 1 / (2 * x) - mp.digamma(x)) / v


def _erfc_inverse(w: Any) -> Any:
    """What r leaves of z, where erfc(z) = exp(-r*r) and w = 1 / (r + 4)."""
    r = 1 / w - 4
    return mp.findroot(lambda z: mp.log(mp.erfc(z)) + r * r, (0.9 * r, r)) - r


def _from(x: Any, middle: float) -> Any:
    """The number from 0 on that is -1 at 0, 0 in the middle and 1 at infinity."""
    return middle * (1 + x) / (1 - x)


def _erfcx(t: Any) -> Any:
    x = _from(t, 3.75)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


def _sinc_slope(v: Any) -> Any:
    angle = mp.pi * mp.sqrt(v)
    return (mp.cos(angle) - mp.sin(angle) / angle) / v


def _modified(order: int) -> Function:
    """I(x) / exp(x), of the first order over x."""
    return lambda x: mp.besseli(order, x) * mp.exp(-x) / x**order


def _modified_far(order: int) -> Function:
    """I(x) * sqrt(x) / exp(x) of 1/x."""
    return lambda w: mp.besseli(order, 1 / w) * mp.exp(-1 / w) / mp.sqrt(w)


def _second(order: int) -> Function:
    """What the logarithm leaves of K, of the first order times x, of x*x."""

    def rest(v: Any) -> Any:
        x = mp.sqrt(v)
        logarithm = (-1) ** order * mp.log(x / 2) * mp.besseli(order, x)
        return (mp.besselk(order, x) + logarithm) * x**order

    return rest


def _second_far(order: int) -> Function:
    """K(x) * sqrt(x) * exp(x) of 1/x."""
    return lambda w: mp.besselk(order, 1 / w) * mp.exp(1 / w) / mp.sqrt(w)


def _wave(order: int) -> Function:
    """J of x*x, of the first order over x."""
    return lambda v: mp.besselj(order, mp.sqrt(v)) / mp.sqrt(v) ** order


def _wave_second(order: int) -> Function:
    """What logarithm and pole leave of Y, of the first order over x, of x*x."""

    def rest(v: Any) -> Any:
        x = mp.sqrt(v)
        known = 2 / mp.pi * (mp.log(x) * mp.besselj(order, x) - (1 / x if order else 0))
        return (mp.bessely(order, x) - known) / x**order

    return rest


def _wave_far(order: int, is_sine: bool) -> Function:
    """What multiplies cosine or sine (times x) in Hankel's expansion, of 1/(x*x)."""

    def part(v: Any) -> Any:
        x = 1 / mp.sqrt(v)
        angle = x - mp.pi / 4 - order * mp.pi / 2
        j, y = (f(order, x) * mp.sqrt(mp.pi * x / 2) for f in (mp.besselj, mp.bessely))
        c, s = mp.cos(angle), mp.sin(angle)
        return (y * c - j * s) * x if is_sine else j * c + y * s

    return part


def _airy_far(w: Any) -> Any:
    """Ai(x) * exp(s) * x**(1/4) with s = 2/3 * x**(3/2), of 1/s."""
    x = (1.5 / w) ** (mp.mpf(2) / 3)
    return mp.airyai(x) * mp.exp(1 / w) * mp.root(x, 4)


def _airy_wave(is_sine: bool) -> Function:
    """What multiplies cosine or sine (times s) in Ai(-x) * sqrt(pi) * x**(1/4), of 1/(s*s)."""

    def part(v: Any) -> Any:
        s = 1 / mp.sqrt(v)
        x = (1.5 * s) ** (mp.mpf(2) / 3)
        a, b = (f(-x) * mp.sqrt(mp.pi) * mp.root(x, 4) for f in (mp.airyai, mp.airybi))
        angle = s - mp.pi / 4
        if is_sine:
            return (a * mp.sin(angle) + b * mp.cos(angle)) * s
        return a * mp.cos(angle) - b * mp.sin(angle)

    return part


#: Name: the function, its bounds, and what the row is.
ROWS: dict[str, tuple[Function, Any, Any, str]] = {
    "log_gamma": (lambda d: mp.loggamma(2 + d) / d, -HALF, HALF, "log gamma(2 + d) / d"),
    "stirling": (_stirling, 0, 0.16, "x * (log gamma(x) - Stirling's formula) of 1/(x*x)"),
    "digamma": (lambda d: mp.digamma(2 + d), -HALF, HALF, "digamma(2 + d)"),
    "digamma_far": (_digamma, 0, 0.16, "x*x * (log(x) - 1/(2x) - digamma(x)) of 1/(x*x)"),
    "sine": (lambda v: mp.sinpi(mp.sqrt(v)) / mp.sqrt(v), 0, 0.25, "sin(pi * x) / x of x*x"),
    "cosine": (lambda v: mp.cospi(mp.sqrt(v)), 0, 0.25, "cos(pi * x) of x*x"),
    "erfinv": (lambda v: mp.erfinv(mp.sqrt(v)) / mp.sqrt(v), 0, HALF, "erfinv(y) / y of y*y"),
    "erfc_inverse": (_erfc_inverse, 1 / 31.5, 1 / 5.1, "z - r, erfc(z) = exp(-r*r), of 1/(r + 4)"),
    "erfcx": (_erfcx, -1, 1, "(1 + 2x) * erfcx(x) of (x - 3.75) / (x + 3.75)"),
    "sinc_slope": (_sinc_slope, 0, 1, "the derivative of sinc, over x, of x*x"),
    **{
        row: entry
        for n in (0, 1)
        for row, entry in {
            f"i{n}": (_modified(n), 0, 8, f"I{n}(x) / exp(x) / x**{n}"),
            f"i{n}_far": (_modified_far(n), 0, 0.125, f"I{n}(x) * sqrt(x) / exp(x) of 1/x"),
            f"k{n}": (_second(n), 0, 4, f"(K{n}(x) +- log(x / 2) * I{n}(x)) * x**{n} of x*x"),
            f"k{n}_far": (_second_far(n), 0, HALF, f"K{n}(x) * sqrt(x) * exp(x) of 1/x"),
            f"j{n}": (_wave(n), 0, 64, f"J{n}(x) / x**{n} of x*x"),
            f"y{n}": (_wave_second(n), 0, 64, f"what is regular of Y{n}(x), over x**{n}, of x*x"),
            f"cos{n}": (_wave_far(n, False), 0, 1 / 64, "the cosine's factor of 1/(x*x)"),
            f"sin{n}": (_wave_far(n, True), 0, 1 / 64, "the sine's factor, times x, of 1/(x*x)"),
        }.items()
    },
    "airy": (mp.airyai, -3, 2, "Ai(x)"),
    "airy_far": (_airy_far, 0, 1.5 / 2**1.5, "Ai(x) * exp(s) * x**(1/4) of 1/s, s = 2/3 x**(3/2)"),
    "airy_cos": (_airy_wave(False), 0, 2.25 / 27, "the cosine's factor of 1/(s*s)"),
    "airy_sin": (_airy_wave(True), 0, 2.25 / 27, "the sine's factor, times s, of 1/(s*s)"),
}

HEAD = '''"""Chebyshev series of special functions: lower and upper bound, coefficients.

Written by ``scripts/special_tables.py``, which says how.
"""

from __future__ import annotations

from typing import Final

__all__ = ["NODES", "TABLES"]

# fmt: off
TABLES: Final[dict[str, tuple[float, float, tuple[float, ...]]]] = {
'''


NODES_HEAD = """}
# fmt: on

# Gauss and Legendre's nodes from 0 to 1 and their weights, for float32 and for float64.
# fmt: off
NODES: Final[tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]] = (
"""


def legendre(count: int) -> tuple[list[Any], list[Any]]:
    """The nodes of Gauss' rule from 0 to 1, and their weights."""
    nodes, weights = [], []
    for k in range(count):
        z = mp.cos(mp.pi * (k + 0.75) / (count + 0.5))
        for _ in range(8):  # Newton's method
            before, now = mp.mpf(1), z
            for n in range(2, count + 1):
                before, now = now, ((2 * n - 1) * z * now - (n - 1) * before) / n
            slope = count * (z * now - before) / (z * z - 1)
            z -= now / slope
        nodes.append((1 - z) / 2)
        weights.append(1 / ((1 - z * z) * slope**2))
    return nodes, weights


def _filled(numbers: Sequence[Any], indent: int) -> str:
    text = ", ".join(repr(float(c)) for c in numbers)
    return "\n" + textwrap.indent(textwrap.fill(text, 98 - indent), " " * indent) + ","


@mp.workdps(40)
def main() -> None:
    """Writes the module."""
    parts = [HEAD]
    for name, (function, low, high, text) in ROWS.items():
        body, ends = _filled(coefficients(function, low, high), 8), (float(low), float(high))
        parts.append(f"    # {text}\n    {name!r}: ({ends[0]!r}, {ends[1]!r}, ({body}\n    )),\n")
    parts.append(NODES_HEAD)
    for count in (16, 40):
        rows = [f"        ({_filled(row, 12)}\n        ),\n" for row in legendre(count)]
        parts.append(f"    (\n{''.join(rows)}    ),\n")
    PATH.write_text("".join([*parts, ")\n# fmt: on\n"]).replace("'", '"'), encoding="utf-8")


if __name__ == "__main__":
    main()
