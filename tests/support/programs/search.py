"""Looking for a program on which nngraph and PyTorch do not agree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.programs.judge import Difference, Oracle, judge
from tests.support.programs.program import Program
from tests.support.programs.shrink import shrink

__all__ = ["Finding", "examine"]


@dataclass(frozen=True)
class Finding:
    """A program and how nngraph and PyTorch differ on it."""

    program: Program
    difference: Difference

    @property
    def title(self) -> str:
        """Equal for findings that may have one cause."""
        return f"{self.difference.backend}: {self.difference.kind}"

    def __str__(self) -> str:
        return f"{self.program.text(self.difference.backend)}\n# {self.difference}"

    def shrunk(self) -> Finding:
        """The same kind of difference in the smallest program that shows it."""
        latest = self.difference

        def shows(program: Program) -> bool:
            nonlocal latest
            found = _difference(program, latest.backend)
            if found is None or found.kind != latest.kind:
                return False
            latest = found
            return True

        return Finding(shrink(self.program, shows), latest)


@dataclass(frozen=True)
class Known:
    """A difference that is being mended elsewhere: programs that may show it are left out.

    Attributes:
        text: a pattern of what such programs hold.
        backends: on which it shows.
        reason: what is wrong.
    """

    text: str
    backends: tuple[str, ...]
    reason: str

    def concerns(self, program: Program, backend: str) -> bool:
        return backend in self.backends and re.search(self.text, program.text()) is not None


KNOWN = (
    Known(r"conv.*16", ("tvm",), "convolutions of halves are not rounded before what is fused"),
)


def examine(program: Program, backends: Sequence[str]) -> Finding | None:
    """The first difference on any backend, or nothing; refusals come last."""
    oracle = Oracle(program)
    refusal = None
    for backend in backends:
        if any(known.concerns(program, backend) for known in KNOWN):
            continue
        found = judge(oracle, backend)
        if found is not None and not found.refused:
            return Finding(program, found)
        if found is not None:
            refusal = refusal or Finding(program, found)
    return refusal


def _difference(program: Program, backend: str) -> Difference | None:
    try:
        return judge(Oracle(program), backend)
    except Exception:  # noqa: BLE001 - a program without a statement that it needs
        return None
