"""When kernels run and where their results live: order, lifetimes, one arena.

A step reads and writes storages (numbers). Steps that overwrite a state have to come after every
other reader of its old value, and after every step that may still fail; where that is impossible
the new value goes to scratch memory and is copied in the end.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nngraph.backends.arrays import ALIGNMENT

__all__ = ["Arena", "Step", "lifetimes", "order_steps", "plan_arena"]


@dataclass(frozen=True)
class Step:
    """One kernel call.

    Attributes:
        reads: storages it reads.
        writes: storages it writes whole.
        overwrites: storages of old state values that a write replaces in place.
        checked: it may report an error, so no state may be overwritten before it.
    """

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    overwrites: tuple[int, ...] = ()
    checked: bool = False


def order_steps(steps: Sequence[Step]) -> list[int]:
    """A topological order, close to the given one, in which every overwriting comes late enough.

    Raises:
        ValueError: naming the overwriting steps among which there is a cycle.
    """
    after = _constraints(steps)
    waiting = [len(a) for a in after]
    before: list[list[int]] = [[] for _ in steps]
    for step, earlier in enumerate(after):
        for e in earlier:
            before[e].append(step)
    ready = [i for i, n in enumerate(waiting) if not n]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        step = heapq.heappop(ready)
        order.append(step)
        for later in before[step]:
            waiting[later] -= 1
            if not waiting[later]:
                heapq.heappush(ready, later)
    if len(order) < len(steps):
        stuck = [i for i in range(len(steps)) if waiting[i] and steps[i].overwrites]
        raise Cycle(stuck)
    return order


class Cycle(ValueError):
    """No order exists: one of ``steps`` must not overwrite."""

    def __init__(self, steps: Sequence[int]) -> None:
        self.steps = tuple(steps)
        super().__init__(f"the overwriting steps {list(steps)} wait for each other")


def _constraints(steps: Sequence[Step]) -> list[set[int]]:
    """For each step those that have to come before it."""
    writer: dict[int, int] = {}
    readers: dict[int, list[int]] = {}
    for i, step in enumerate(steps):
        writer.update(dict.fromkeys(step.writes, i))
        for storage in step.reads:
            readers.setdefault(storage, []).append(i)
    checked = {i for i, s in enumerate(steps) if s.checked}
    after: list[set[int]] = []
    for i, step in enumerate(steps):
        earlier = {writer[s] for s in step.reads if s in writer}
        for old in step.overwrites:
            earlier.update(readers.get(old, ()))
        if step.overwrites:
            earlier |= checked
        after.append(earlier - {i})
    return after


def lifetimes(
    steps: Sequence[Step], storages: Iterable[int], alias: Mapping[int, int] | None = None
) -> dict[int, tuple[int, int]]:
    """(first, last) step that touches each storage; storages that no step touches are left out."""
    wanted = set(storages)
    found: dict[int, tuple[int, int]] = {}
    for i, step in enumerate(steps):
        for storage in (*step.reads, *step.writes):
            target = alias.get(storage, storage) if alias else storage
            if target in wanted:
                found[target] = (found.get(target, (i, i))[0], i)
    return found


@dataclass(frozen=True)
class Arena:
    """One block of memory.

    Attributes:
        size: bytes.
        offsets: where each storage begins; multiples of ``ALIGNMENT``.
    """

    size: int
    offsets: Mapping[int, int]


def plan_arena(sizes: Mapping[int, int], alive: Mapping[int, tuple[int, int]]) -> Arena:
    """Best fit: the largest storages first, each into the tightest gap that is free while it lives.

    Args:
        sizes: bytes of each storage.
        alive: first and last step (inclusive) of each storage.
    """
    offsets: dict[int, int] = {}
    total = 0
    placed: list[tuple[int, int, int, int]] = []  # offset, end, first, last
    for storage in sorted(alive, key=lambda s: (-sizes[s], alive[s], s)):
        first, last = alive[storage]
        size = max(-(-sizes[storage] // ALIGNMENT), 1) * ALIGNMENT
        busy = sorted((o, e) for o, e, since, till in placed if since <= last and first <= till)
        offset = _tightest(busy, size)
        offsets[storage] = offset
        placed.append((offset, offset + size, first, last))
        total = max(total, offset + size)
    return Arena(total, offsets)


def _tightest(busy: Sequence[tuple[int, int]], size: int) -> int:
    """The start of the smallest gap of at least ``size`` bytes, else the end of all."""
    best, best_gap, cursor = -1, 0, 0
    for start, end in busy:
        gap = start - cursor
        if gap >= size and (best < 0 or gap < best_gap):
            best, best_gap = cursor, gap
        cursor = max(cursor, end)
    return cursor if best < 0 else best
