"""What a call of a loaded graph spends its time on: the pieces that a backend runs, and when."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from nngraph.ir.graph import Node
from nngraph.ir.op import Array
from nngraph.ir.origin import NOWHERE, Origin
from nngraph.ops.fused import Fused

__all__ = [
    "Part",
    "Piece",
    "Recording",
    "Span",
    "Stopwatch",
    "Turn",
    "Watched",
    "most_at_a_time",
    "parts_of",
]


class Part(NamedTuple):
    """An operator that a piece computes.

    Attributes:
        operator: its name.
        origin: where it is from, as an origin prints it.
        node: its name in the artifact; empty if it has none there.
    """

    operator: str
    origin: str
    node: str = ""

    @property
    def place(self) -> Origin:
        """The origin, nowhere if the text is none."""
        try:
            return Origin.parse(self.origin)
        except ValueError:
            return NOWHERE


@dataclass(frozen=True)
class Piece:
    """What a backend runs as one: a node, or a kernel of several operators.

    Attributes:
        name: of its own among the pieces of a call.
        kernel: what the backend calls it.
        parts: the operators that it computes; empty where the backend made it for itself.
        near: the parts whose results a piece without parts reads.
        nbytes: bytes of its results in a call.
    """

    name: str
    kernel: str
    parts: tuple[Part, ...]
    nbytes: int
    near: tuple[Part, ...] = ()


class Span(NamedTuple):
    """One run of a piece, in seconds since some start; pieces that it ran stand inside of it."""

    piece: int
    start: float
    end: float


@dataclass(frozen=True)
class Turn:
    """One call: when it began and ended, in seconds, and what ran in it, in order of start."""

    start: float
    end: float
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Recording:
    """What was seen of some calls.

    Attributes:
        pieces: that the spans number.
        turns: the calls.
        peak: the most bytes that values between operators take at a time.
    """

    pieces: tuple[Piece, ...]
    turns: tuple[Turn, ...]
    peak: int


class Watched(Protocol):
    """An executable that notes what its calls do."""

    def run(
        self, inputs: Sequence[Array], scalars: Sequence[float], states: Sequence[Array]
    ) -> tuple[list[Array], list[Array]]:
        """One call; see ``nngraph.backends.base.Executable``."""
        ...

    def recorded(self) -> Recording:
        """All calls since it was loaded; it is not called after that."""
        ...

    def close(self) -> None:
        """Removes what the notes took on disk."""
        ...


class Stopwatch:
    """Notes spans of the calls of a program in this process."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._spans: list[Span] = []
        self._start = 0.0

    def begin(self) -> None:
        """A call begins."""
        self._spans = []
        self._start = time.perf_counter()

    def note(self, piece: int, start: float) -> float:
        """A piece that began at ``start`` has ended now."""
        end = time.perf_counter()
        self._spans.append(Span(piece, start, end))
        return end

    def end(self) -> None:
        """The call has ended."""
        self.turns.append(Turn(self._start, time.perf_counter(), tuple(self._spans)))


def parts_of(nodes: Iterable[Node]) -> tuple[Part, ...]:
    """The operators of nodes, those inside of groups in their place."""
    found: list[Part] = []
    for node in nodes:
        if isinstance(node.op, Fused):
            found += parts_of(node.op.body.graph.nodes)
        else:
            found.append(Part(node.op.name, str(node.origin)))
    return tuple(found)


def most_at_a_time(lives: Iterable[tuple[int, int, int]]) -> int:
    """The most bytes in use at a time.

    Args:
        lives: of each value the first and the last moment, and its bytes.
    """
    changes: dict[int, int] = {}
    for first, last, nbytes in lives:
        changes[first] = changes.get(first, 0) + nbytes
        changes[last + 1] = changes.get(last + 1, 0) - nbytes
    most = now = 0
    for moment in sorted(changes):
        now += changes[moment]
        most = max(most, now)
    return most
