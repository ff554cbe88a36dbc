"""Finds the user's line: the innermost frame outside the package."""

from __future__ import annotations

import linecache
import sys
from functools import cache
from pathlib import Path

from nngraph.ir.origin import Origin

__all__ = ["source_of", "source_of_error", "user_line", "user_source"]

_PACKAGE = str(Path(__file__).parent.parent)
_PYTHON = str(Path(linecache.__file__).parent)


@cache
def _is_ours(file: str) -> bool:
    """Whether a file is of the package, or of Python: ``copy`` or ``logging`` that calls us."""
    if file.startswith((_PACKAGE, "<frozen")):
        return True
    return file.startswith(_PYTHON) and "-packages" not in file[len(_PYTHON) :]


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
    return _shown(*user_line())


def source_of(origin: Origin) -> str:
    """``file:line: text of the line`` where an operator was called, and its module."""
    module = f" (in {origin.module})" if origin.module else ""
    return f"{_shown(origin.file, origin.line)}{module}"


def source_of_error(error: BaseException) -> str:
    """``user_source`` at the place where an error was raised."""
    step, found = error.__traceback__, ("", 0)
    while step is not None:
        if not _is_ours(step.tb_frame.f_code.co_filename):
            found = step.tb_frame.f_code.co_filename, step.tb_lineno
        step = step.tb_next
    return _shown(*found)


def _shown(file: str, line: int) -> str:
    return f"{file}:{line}: {linecache.getline(file, line).strip()}"
