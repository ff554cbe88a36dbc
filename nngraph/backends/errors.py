"""What backends raise, and what they lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ArtifactError", "BackendError", "Gap", "UnsupportedGraph"]


class BackendError(RuntimeError):
    """A backend is missing, unknown, or failed; the text says how to go on."""


class ArtifactError(BackendError):
    """A folder holds no artifact of the backend, or a damaged one; nothing was loaded."""


@dataclass(frozen=True)
class Gap:
    """One thing that a backend cannot do: what, where, and what to do instead."""

    what: str
    where: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f" ({self.fix})" if self.fix else ""
        return f"{self.what} at {self.where or 'an unknown place'}{fix}"


class UnsupportedGraph(BackendError):
    """All gaps of a graph in one error."""

    def __init__(self, backend: str, gaps: Sequence[Gap]) -> None:
        self.gaps = tuple(gaps)
        lines = "\n".join(f"  - {g}" for g in gaps)
        super().__init__(f"the {backend} backend cannot run this graph:\n{lines}")
