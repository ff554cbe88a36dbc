"""Finds the user's line: the innermost frame outside the package."""

from __future__ import annotations

import linecache
import sys
from functools import cache
from pathlib import Path

__all__ = ["user_line", "user_source"]

_PACKAGE = str(Path(__file__).parent.parent)


@cache
def _is_ours(file: str) -> bool:
    return file.startswith((_PACKAGE, "<frozen")) or "/contextlib.py" in file


def user_line() -> tuple[str, int]:
    """File and line of the user's code that is running, ``("", 0)`` if there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        if not _is_ours(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        if frame.f_back is None:
            break
        frame = frame.f_back
    return "", 0


def user_source() -> str:
    """``file:line: text of the line`` of the user's code that is running."""
    file, line = user_line()
    return f"{file}:{line}: {linecache.getline(file, line).strip()}"
