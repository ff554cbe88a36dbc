"""Names of which no two are equal."""

from __future__ import annotations

__all__ = ["UniqueNames"]


class UniqueNames:
    """Gives out names: the one that is asked for, with a number behind it if it is taken.

    Args:
        first: the number behind the second of equal names.
        separator: what stands before the number.
    """

    def __init__(self, first: int = 1, separator: str = "_") -> None:
        self._first = first
        self._separator = separator
        self._taken: dict[str, int] = {}

    def fresh(self, hint: str) -> str:
        """``hint``, ``hint_1``, ``hint_2``, ..."""
        name = hint
        while name in self._taken:
            number = self._taken[hint]
            self._taken[hint] = number + 1
            name = f"{hint}{self._separator}{number}"
        self._taken[name] = self._first
        return name
