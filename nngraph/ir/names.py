"""Names of which no two are equal."""

from __future__ import annotations

__all__ = ["UniqueNames"]


class UniqueNames:
    """Gives out names: the one that is asked for, with a number behind it if it is taken."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def fresh(self, hint: str) -> str:
        """``hint``, ``hint_1``, ``hint_2``, ..."""
        name = hint
        while name in self._taken:
            number = self._taken[hint]
            self._taken[hint] = number + 1
            name = f"{hint}_{number}"
        self._taken[name] = 1
        return name
