"""One block of memory for everything between a program's inputs and results.

A storage needs its bytes from the first call that touches it to the last. The largest storages get
the tightest gaps first, which wastes next to nothing but compares each with all that live beside
it. Programs of more storages than that is worth go through time once for the many small ones, with
a list of what is free.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nngraph.backends.arrays import ALIGNMENT
from nngraph.backends.tvm.program.order import Step

__all__ = ["Arena", "lifetimes", "plan_arena"]

FITTED = 512
"""Storages that are compared with each other; a quadratic number of looks, so a fixed number."""

Span = tuple[int, int]  # first and last step, both inclusive


@dataclass(frozen=True)
class Arena:
    """One block of memory.

    Attributes:
        size: bytes.
        offsets: where each storage begins; multiples of ``ALIGNMENT``.
    """

    size: int
    offsets: Mapping[int, int]


def lifetimes(steps: Sequence[Step], storages: Iterable[int]) -> dict[int, Span]:
    """(first, last) step that touches each storage; storages that no step touches are left out."""
    wanted = set(storages)
    found: dict[int, Span] = {}
    for i, step in enumerate(steps):
        for storage in (*step.reads, *step.writes):
            if storage in wanted:
                found[storage] = (found.get(storage, (i, i))[0], i)
    return found


def plan_arena(sizes: Mapping[int, int], alive: Mapping[int, Span], fitted: int = FITTED) -> Arena:
    """Places storages so that those alive at one time do not overlap.

    Args:
        sizes: bytes of each storage.
        alive: first and last step (inclusive) of each storage.
        fitted: how many of the largest storages are placed by comparing them.
    """
    padded = {s: max(-(-sizes[s] // ALIGNMENT), 1) * ALIGNMENT for s in alive}
    ordered = sorted(alive, key=lambda s: (-padded[s], alive[s], s))
    plan = _fit(ordered[:fitted], padded, alive)
    if len(ordered) <= fitted:
        return plan
    above = _sweep(ordered[fitted:], padded, alive)
    shifted = {s: offset + plan.size for s, offset in above.offsets.items()}
    apart = Arena(plan.size + above.size, {**plan.offsets, **shifted})
    return min(apart, _sweep(ordered, padded, alive), key=lambda arena: arena.size)


def _fit(ordered: Sequence[int], sizes: Mapping[int, int], alive: Mapping[int, Span]) -> Arena:
    """Best fit: each into the tightest gap that is free while it lives."""
    offsets: dict[int, int] = {}
    total = 0
    placed: list[tuple[int, int, int, int]] = []  # offset, end, first, last
    for storage in ordered:
        first, last = alive[storage]
        size = sizes[storage]
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


def _sweep(ordered: Sequence[int], sizes: Mapping[int, int], alive: Mapping[int, Span]) -> Arena:
    """Takes memory as storages come to life, in time's direction or against it."""
    backward = {s: (-last, -first) for s, (first, last) in alive.items()}
    plans = [_through_time(ordered, sizes, spans) for spans in (alive, backward)]
    return min(plans, key=lambda arena: arena.size)


def _through_time(
    ordered: Sequence[int], sizes: Mapping[int, int], alive: Mapping[int, Span]
) -> Arena:
    births = sorted(ordered, key=lambda s: alive[s][0])  # stable: the largest first
    deaths = sorted(ordered, key=lambda s: alive[s][1])
    free, dead = _Free(), 0
    offsets: dict[int, int] = {}
    for storage in births:
        while alive[deaths[dead]][1] < alive[storage][0]:
            free.give(offsets[deaths[dead]], sizes[deaths[dead]])
            dead += 1
        offsets[storage] = free.take(sizes[storage])
    return Arena(free.end, offsets)


class _Free:
    """What is free of a block that grows at its end."""

    def __init__(self) -> None:
        self.end = 0
        self._by_place: list[tuple[int, int]] = []  # offset, size
        self._by_size: list[tuple[int, int]] = []  # size, offset

    def take(self, size: int) -> int:
        """The offset of ``size`` bytes from the tightest gap."""
        position = bisect_left(self._by_size, (size, 0))
        if position < len(self._by_size):
            gap, offset = self._by_size[position]
            self._remove(offset, gap)
            if gap > size:
                self._insert(offset + size, gap - size)
            return offset
        offset = self.end
        if self._by_place and sum(self._by_place[-1]) == self.end:
            offset, gap = self._by_place[-1]
            self._remove(offset, gap)
        self.end = offset + size
        return offset

    def give(self, offset: int, size: int) -> None:
        """Takes memory back and joins it with free neighbours."""
        position = bisect_left(self._by_place, (offset, 0))
        if position < len(self._by_place) and self._by_place[position][0] == offset + size:
            size += self._by_place[position][1]
            self._remove(*self._by_place[position])
        if position and sum(self._by_place[position - 1]) == offset:
            before, gap = self._by_place[position - 1]
            self._remove(before, gap)
            offset, size = before, size + gap
        self._insert(offset, size)

    def _insert(self, offset: int, size: int) -> None:
        insort(self._by_place, (offset, size))
        insort(self._by_size, (size, offset))

    def _remove(self, offset: int, size: int) -> None:
        del self._by_place[bisect_left(self._by_place, (offset, size))]
        del self._by_size[bisect_left(self._by_size, (size, offset))]
