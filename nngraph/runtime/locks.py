"""Calls of compiled functions in several threads: those that share what one of them writes wait.

Each compiled graph has a lock. Two graphs of which one writes a state that the other meets are in
one *group* and have one lock, so that a call takes a single lock, whatever the number of states,
and no two calls can wait for each other. Graphs that share nothing, or only what all of them read,
run at the same time. One graph runs in one thread at a time: its buffers are its own.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable
from weakref import WeakSet, WeakValueDictionary

__all__ = ["Group"]


class _Place:
    """Something that calls read or write: a state, a gradient, an object of Python's.

    Attributes:
        groups: whose calls meet it.
        is_written: whether one of them writes it.
    """

    __slots__ = ("__weakref__", "groups", "is_written")

    def __init__(self) -> None:
        self.groups: WeakSet[Group] = WeakSet()
        self.is_written = False


_joining = threading.RLock()  # held for moments only: nothing is waited for inside
_places: WeakValueDictionary[Hashable, _Place] = WeakValueDictionary()


class Group:
    """The lock of one compiled graph, or of several that have been joined.

    A group that was joined to another one leaves its lock to it; a call that still holds the old
    lock is waited for by those that take the new one.

    Args:
        reads: keys of the places that calls meet.
        writes: keys of those among them that calls write.
    """

    __slots__ = ("__weakref__", "_depth", "_into", "_leaving", "_lock", "_owner", "_places")

    def __init__(self, reads: Iterable[Hashable], writes: Iterable[Hashable]) -> None:
        self._lock = threading.RLock()
        self._owner: int | None = None  # the thread that holds the lock
        self._depth = 0
        self._into: Group | None = None
        self._leaving: list[Group] = []  # joined to this one, perhaps while their locks were held
        with _joining:
            written = set(writes)
            self._places = [self._enter(key, key in written) for key in {*reads, *written}]

    def _enter(self, key: Hashable, writes: bool) -> _Place:
        place = _places.get(key)
        if place is None:
            place = _places[key] = _Place()
        place.groups.add(self)
        if writes or place.is_written:
            place.is_written = True
            for other in list(place.groups):
                self._join(other)
        return place

    def _join(self, other: Group) -> None:
        mine, root = self._root(), other._root()
        if root is not mine:
            mine._into = root
            root._leaving += [mine, *mine._leaving]

    def _root(self) -> Group:
        root = self
        while root._into is not None:
            root = root._into
        if root is not self:
            self._into = root
        return root

    def acquire(self) -> Group:
        """Waits until no call of the group is running; gives what to release afterwards.

        A thread that is in a call of the group goes on at once.
        """
        while True:
            root = self._root()
            root._lock.acquire()
            if root._into is None:
                break
            root._lock.release()
        root._depth += 1
        root._owner = threading.get_ident()
        try:
            root._wait_for_leaving()
        except BaseException:
            root.release()
            raise
        return root

    def _wait_for_leaving(self) -> None:
        for old in list(self._leaving):
            if old._owner != self._owner:  # else a call within a call
                with old._lock:
                    pass
                with _joining:
                    self._leaving.remove(old)

    def release(self) -> None:
        """Ends a call."""
        self._depth -= 1
        if not self._depth:
            self._owner = None
        self._lock.release()
