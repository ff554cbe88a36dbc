"""Runs code that decides by symbols, once for each way through it, and joins what the ways leave.

A schedule's ``if self.last_epoch % self.step_size == 0`` has two ways. Each run of the code takes
one of them, by a list of decisions; the runs together are a tree, whose leaves become one value
with ``choose(condition, if it holds, if not)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nngraph.frontend.errors import TraceError
from nngraph.frontend.host import HostNumber

__all__ = ["Decisions", "Leaf", "choose", "joined", "raising", "ways"]

#: More ways than a schedule means to have.
_LIMIT = 256


def choose(condition: Any, yes: Any, no: Any) -> Any:
    """One of two numbers."""
    return yes if condition else no


class Decisions:
    """What one run decides.

    Attributes:
        taken: the conditions that it met, in order, and which way it went.
    """

    def __init__(self, wanted: Sequence[bool], known: Mapping[int, bool]) -> None:
        self.taken: list[tuple[HostNumber, bool]] = []
        self._wanted = wanted
        self.known = dict(known)

    def decide(self, condition: HostNumber) -> bool:
        """The way at a condition: the wanted one, or else that of the numbers of the trace."""
        slot = condition._slot
        if slot not in self.known:
            at = len(self.taken)
            way = self._wanted[at] if at < len(self._wanted) else bool(condition._value)
            self.known[slot] = way
            self.taken.append((condition, way))
        return self.known[slot]


@dataclass(frozen=True)
class Leaf:
    """One way through the code.

    Attributes:
        taken: its decisions.
        values: what it left, by names of the caller's.
        error: what it raised, if it did.
    """

    taken: Sequence[tuple[HostNumber, bool]]
    values: Mapping[Any, Any] = field(default_factory=dict)
    error: Exception | None = None


def ways(run: Callable[[Sequence[bool]], Leaf]) -> list[Leaf]:
    """All ways through the code; the first is that of the numbers of the trace.

    Raises:
        TraceError: if there are too many.
    """
    leaves: list[Leaf] = []
    waiting: list[list[bool]] = [[]]
    while waiting:
        wanted = waiting.pop()
        leaf = run(wanted)
        leaves.append(leaf)
        taken = [way for _, way in leaf.taken]
        waiting += [[*taken[:i], not taken[i]] for i in range(len(wanted), len(taken))]
        if len(leaves) + len(waiting) > _LIMIT:
            raise TraceError(f"the code has more than {_LIMIT} ways through its conditions")
    return leaves


#: Joins two values of one place: of a condition, where it holds and where it does not.
Join = Callable[[HostNumber, Any, Any, Any], Any]


def joined(leaves: Sequence[Leaf], join: Join, absent: Any) -> dict[Any, Any]:
    """The values of all leaves as one; those that raised count for nothing."""
    return _joined(leaves, 0, join, absent) or {}


def _joined(leaves: Sequence[Leaf], depth: int, join: Join, absent: Any) -> dict[Any, Any] | None:
    leaves = [leaf for leaf in leaves if leaf.error is None]
    if not leaves:
        return None
    first = leaves[0]
    if len(leaves) == 1:
        return dict(first.values)
    condition = first.taken[depth][0]
    sides = [[leaf for leaf in leaves if leaf.taken[depth][1] is way] for way in (True, False)]
    yes, no = (_joined(side, depth + 1, join, absent) for side in sides)
    if yes is None or no is None:
        return yes or no
    return {
        key: join(condition, key, yes.get(key, absent), no.get(key, absent))
        for key in dict.fromkeys((*yes, *no))
    }


def raising(leaves: Sequence[Leaf], join: Join) -> tuple[Any, Exception] | None:
    """Whether a call goes a way that raises (a number), and what the first such way raises."""
    errors = [leaf.error for leaf in leaves if leaf.error is not None]
    if not errors:
        return None
    flags = [Leaf(leaf.taken, {"raises": leaf.error is not None}) for leaf in leaves]
    return joined(flags, join, False)["raises"], errors[0]
