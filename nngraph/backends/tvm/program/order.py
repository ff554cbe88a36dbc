"""When kernels run: after what they read was made, and so that no old state value is lost.

A step reads and writes storages (numbers). One that overwrites a state comes after every other
reader of the old value, and after every step that may still fail. Where those wishes contradict
each other some states are not overwritten at once: their new values wait in memory of their own
and are copied last.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Cycle", "Step", "order_steps", "states_to_delay"]

SHARE = 8
"""One in so many of the states on a cycle, the cheapest, is delayed before it is looked at anew."""


@dataclass(frozen=True)
class Step:
    """One kernel call.

    Attributes:
        reads: storages it reads.
        writes: storages it writes whole.
        overwrites: storages of old state values that a write replaces in place.
        checked: it may report an error, so no state may be overwritten before it is done.
    """

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    overwrites: tuple[int, ...] = ()
    checked: bool = False


class Cycle(ValueError):
    """No order exists: one of ``steps`` must not overwrite."""

    def __init__(self, steps: Sequence[int]) -> None:
        self.steps = tuple(steps)
        super().__init__(f"the steps {list(steps)} wait for each other: delay an overwriting")


class _Edge(NamedTuple):
    """``earlier`` comes before ``later``, if not always, then where ``later`` overwrites ``old``.

    -1 stands for the moment when no step can fail any more.
    """

    earlier: int
    later: int
    old: int | None = None


def order_steps(steps: Sequence[Step]) -> list[int]:
    """A topological order, close to the given one, in which every overwriting comes late enough.

    Raises:
        Cycle: if there is none.
    """
    order = _sort(len(steps), list(_edges(steps)))
    if len(order) < len(steps):
        raise Cycle(sorted(set(range(len(steps))).difference(order)))
    return order


def states_to_delay(steps: Sequence[Step], cost: Mapping[int, int]) -> set[int]:
    """Old state values that are not to be overwritten by ``steps``, so that an order exists.

    What steps read and write is free of cycles, so each cycle passes an overwriting. From each
    strongly connected part a share of its states is taken, the cheapest; what is left of the part
    is looked at again. Each look takes a fixed share away, so that n states need at most some
    log(n) looks at an edge.

    Args:
        cost: of delaying, for each overwritten storage.
    """
    edges = list(_edges(steps))
    done = set(_sort(len(steps), edges))
    delayed: set[int] = set()
    parts = _cyclic_parts([e for e in edges if e.earlier not in done and e.later not in done])
    while parts:
        part = parts.pop()
        states = {e.old for e in part if e.old is not None}
        cheapest = sorted(states, key=lambda old: (cost[old], old))
        taken = set(cheapest[: -(-len(cheapest) // SHARE)])
        delayed |= taken
        parts += _cyclic_parts([e for e in part if e.old not in taken])
    return delayed


def _edges(steps: Sequence[Step]) -> Iterator[_Edge]:
    """As many as the steps have operands."""
    writer = {s: i for i, step in enumerate(steps) for s in step.writes}
    overwriter = {s: i for i, step in enumerate(steps) for s in step.overwrites}
    may_fail = any(step.checked for step in steps)
    for i, step in enumerate(steps):
        for storage in dict.fromkeys(step.reads):
            if writer.get(storage, i) != i:
                yield _Edge(writer[storage], i)
            if overwriter.get(storage, i) != i:
                yield _Edge(i, overwriter[storage], storage)
        if step.checked:
            yield _Edge(i, -1)
        for old in step.overwrites if may_fail else ():
            yield _Edge(-1, i, old)


def _sort(count: int, edges: Sequence[_Edge]) -> list[int]:
    """The steps in order, without those that are on a cycle or behind one."""
    after: list[list[int]] = [[] for _ in range(count + 1)]  # the last is of -1
    waiting = [0] * (count + 1)
    for edge in edges:
        after[edge.earlier].append(edge.later)
        waiting[edge.later] += 1
    ready = [i for i in range(-1, count) if not waiting[i]]
    order: list[int] = []
    while ready:
        step = heapq.heappop(ready)
        order.append(step)
        for later in after[step]:
            waiting[later] -= 1
            if not waiting[later]:
                heapq.heappush(ready, later)
    return [step for step in order if step >= 0]


def _cyclic_parts(edges: Sequence[_Edge]) -> list[list[_Edge]]:
    """The edges within each strongly connected component."""
    if not edges:
        return []
    import networkx as nx  # 12 MB, and few programs have a cycle

    graph = nx.DiGraph((e.earlier, e.later) for e in edges)
    home: dict[int, int] = {}
    for number, component in enumerate(nx.strongly_connected_components(graph)):
        home.update(dict.fromkeys(component, number))
    found: dict[int, list[_Edge]] = {}
    for edge in edges:
        if home[edge.earlier] == home[edge.later]:
            found.setdefault(home[edge.earlier], []).append(edge)
    return list(found.values())
