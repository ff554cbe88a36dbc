"""Tables and numbers for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["amount", "table"]

_STEPS = ("", "k", "M", "G", "T", "P")


def amount(number: float | None, unit: str = "") -> str:
    """Three digits and a prefix: ``1.23 M``; ``?`` where a number is not known."""
    if number is None:
        return "?"
    if abs(number) < 1000:
        return f"{number:g}{f' {unit}' if unit else ''}"
    step = min(int(math.log10(abs(number)) // 3), len(_STEPS) - 1)
    scaled = number / 1000**step
    if f"{scaled:.3g}" == "1e+03" and step + 1 < len(_STEPS):  # 999.9 k
        step, scaled = step + 1, scaled / 1000
    return f"{scaled:.3g} {_STEPS[step]}{unit}"


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns under their headers; those of numbers end in line, a first one begins in line."""
    texts = [[str(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    right = [i > 0 and all(_is_amount(row[i]) for row in texts[1:]) for i in range(len(headers))]
    lines = [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in texts
    ]
    return "\n".join((lines[0], "  ".join("-" * width for width in widths), *lines[1:]))


def _is_amount(text: str) -> bool:
    return not text or text[0] in "0123456789?-"
