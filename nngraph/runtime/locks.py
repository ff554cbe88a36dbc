"""Calls of compiled functions in several threads: those that share what one of them writes wait.

The *places* that calls meet - states, gradients, objects of Python's - are sorted by who meets
them. All places that the same graphs meet, one of which writes, have one lock: a call takes as many
locks as it has different sets of partners, few whatever the number of states, and in one order for
all, so that no two calls wait for each other. Graphs that share nothing, or only what all of them
read, run at the same time. One graph runs in one thread at a time: its buffers are its own.

While a function is traced, Python's objects that it meets hold what only the trace understands. So
no call runs in another thread meanwhile, and no graph gets other locks while it runs.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from weakref import WeakSet, WeakValueDictionary

__all__ = ["Partner", "tracing"]

_numbers = count()


class _Shared:
    """The lock of places that the same partners meet.

    Attributes:
        number: the locks of a call are taken in the order of their numbers.
    """

    __slots__ = ("lock", "number")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.number = next(_numbers)


class _Place:
    """Something that calls read or write.

    Attributes:
        partners: who meets it.
        is_written: whether one of them writes it.
        shared: its lock, once two partners need one.
    """

    __slots__ = ("__weakref__", "is_written", "partners", "shared")

    def __init__(self) -> None:
        self.partners: WeakSet[Partner] = WeakSet()
        self.is_written = False
        self.shared: _Shared | None = None


class _Tracer:
    """The trace in progress.

    Attributes:
        lock: held by its thread.
        thread: the thread; None without a trace.
    """

    __slots__ = ("lock", "thread")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.thread: int | None = None


_tracer = _Tracer()
_partners: WeakSet[Partner] = WeakSet()  # changed in a trace only, as all below
_places: WeakValueDictionary[Hashable, _Place] = WeakValueDictionary()


@contextmanager
def tracing() -> Iterator[None]:
    """One trace at a time: it begins when the calls of other threads have ended; new ones wait."""
    with _tracer.lock:
        outer = _tracer.thread
        _tracer.thread = threading.get_ident()
        try:
            for partner in list(_partners):
                with partner.own:  # a call in another thread ends
                    pass
            yield
        finally:
            _tracer.thread = outer


class Partner:
    """One compiled graph among those that threads call.

    Args:
        reads: keys of the places that calls meet.
        writes: keys of those among them that calls write.

    Attributes:
        own: the lock that a call holds while it runs.
        shared: the locks of places that others meet, too, in their order.
    """

    __slots__ = ("__weakref__", "_places", "own", "shared")

    def __init__(self, reads: Iterable[Hashable], writes: Iterable[Hashable]) -> None:
        self.own = threading.RLock()
        self.shared: list[_Shared] = []
        written = set(writes)
        with tracing():
            self._places = [self._met(key, key in written) for key in {*reads, *written}]
            _partners.add(self)
            self._share()

    def _met(self, key: Hashable, writes: bool) -> _Place:
        place = _places.get(key)
        if place is None:
            place = _places[key] = _Place()
        place.partners.add(self)
        place.is_written |= writes
        return place

    def _share(self) -> None:
        """Gives the places that are met here, and by others, locks by who meets them."""
        rows: defaultdict[frozenset[int], list[_Place]] = defaultdict(list)
        for place in self._places:
            if place.is_written and len(place.partners) > 1:
                rows[frozenset(map(id, place.partners))].append(place)
        for places in rows.values():
            shared = _Shared()
            for place in places:
                place.shared = shared
        for partner in {p for places in rows.values() for p in places[0].partners}:
            found = {place.shared for place in partner._places if place.shared is not None}
            partner.shared = sorted(found, key=lambda shared: shared.number)

    def acquire(self) -> None:
        """Waits until no call is running that this one must not meet.

        A thread that is in a call goes on at once.
        """
        while True:
            self.own.acquire()
            if _tracer.thread in (None, threading.get_ident()):
                break
            self.own.release()
            with _tracer.lock:
                pass
        taken = 0
        try:
            for shared in self.shared:
                shared.lock.acquire()
                taken += 1
        except BaseException:
            self._release(taken)
            raise

    def release(self) -> None:
        """Ends a call."""
        self._release(len(self.shared))

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()

    def _release(self, taken: int) -> None:
        for shared in self.shared[:taken]:
            shared.lock.release()
        self.own.release()
