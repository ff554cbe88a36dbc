"""Writes the tables of special functions: Chebyshev series, found with 40 digits.

``python scripts/special_tables.py`` (it needs mpmath) writes ``nngraph/ops/special/tables.py``.
Each row is a function on an interval: the values at Chebyshev's nodes give the coefficients of the
polynomial through them, as many as float64 can tell apart (L. N. Trefethen, "Approximation Theory
and Approximation Practice", SIAM 2013, chapters 3 and 8). What a function is a quotient or a
difference of is said here, in mpmath's words, and once more in the formulas that read the table.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
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


#: Name: the function, its bounds, and what the row is.
ROWS: dict[str, tuple[Function, Any, Any, str]] = {
    "log_gamma": (lambda d: mp.loggamma(2 + d) / d, -HALF, HALF, "log gamma(2 + d) / d"),
    "stirling": (_stirling, 0, 0.16, "x * (log gamma(x) - Stirling's formula) of 1/(x*x)"),
    "digamma": (lambda d: mp.digamma(2 + d), -HALF, HALF, "digamma(2 + d)"),
    "digamma_far": (_digamma, 0, 0.16, "x*x * (log(x) - 1/(2x) - digamma(x)) of 1/(x*x)"),
}

HEAD = '''"""Chebyshev series of special functions: lower and upper bound, coefficients.

Written by ``scripts/special_tables.py``, which says how.
"""

from __future__ import annotations

from typing import Final

__all__ = ["TABLES"]

# fmt: off
TABLES: Final[dict[str, tuple[float, float, tuple[float, ...]]]] = {
'''


@mp.workdps(40)
def main() -> None:
    """Writes the module."""
    parts = [HEAD]
    for name, (function, low, high, text) in ROWS.items():
        found = ", ".join(repr(float(c)) for c in coefficients(function, low, high))
        body = textwrap.indent(textwrap.fill(found, 90), " " * 8)
        parts.append(
            f"    # {text}\n    {name!r}: ({float(low)!r}, {float(high)!r}, (\n{body},\n    )),\n"
        )
    PATH.write_text("".join([*parts, "}\n# fmt: on\n"]).replace("'", '"'), encoding="utf-8")


if __name__ == "__main__":
    main()
