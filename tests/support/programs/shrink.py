"""The smallest program that still shows a difference: statements go, one after another."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.programs.program import Program

__all__ = ["shrink"]

MOST_TRIES = 400


def shrink(program: Program, shows: Callable[[Program], bool]) -> Program:
    """Deletes parts while the difference stays."""
    tries = 0
    progress = True
    while progress and tries < MOST_TRIES:
        progress = False
        for smaller in program.smaller():
            tries += 1
            if shows(smaller):
                program, progress = smaller, True
                break
            if tries >= MOST_TRIES:
                break
    return program
