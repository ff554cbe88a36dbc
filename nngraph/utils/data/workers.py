"""Iterating over a loader: in this process, or over worker processes."""

from __future__ import annotations

import multiprocessing
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any, Protocol

from nngraph.utils.data.fetching import Collate, fetcher_of
from nngraph.utils.data.sampler import fresh_seed
from nngraph.utils.data.sharing import receive, send
from nngraph.utils.data.worker import Failure, Job, NoMore, work

__all__ = ["InProcess", "OverWorkers"]

#: Seconds that a worker has to end by itself.
_PATIENCE = 2.0


class Loader(Protocol):
    """What iterators ask of a loader; see ``DataLoader``."""

    dataset: Any
    num_workers: int
    collate_fn: Collate
    drop_last: bool
    generator: Any
    timeout: float
    worker_init_fn: Any
    prefetch_factor: int | None
    persistent_workers: bool
    in_order: bool

    @property
    def multiprocessing_context(self) -> Any: ...
    @property
    def _batched(self) -> bool: ...
    @property
    def _index_sampler(self) -> Any: ...
    def _count(self, number: int) -> None: ...


class InProcess:
    """An iteration without workers."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        fresh_seed(loader.generator)  # an iteration takes as many random numbers as with workers
        given = loader.dataset, loader._batched, loader.collate_fn, loader.drop_last
        self._fetcher = fetcher_of(*given)
        self._indices = iter(loader._index_sampler)
        self._number = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        batch = self._fetcher.fetch(next(self._indices))
        self._number += 1
        self._loader._count(self._number)
        return batch

    def __len__(self) -> int:
        return len(self._loader._index_sampler)


class _Member:
    """One worker process, and the connection to it."""

    def __init__(self, loader: Loader, number: int) -> None:
        context = loader.multiprocessing_context or multiprocessing.get_context()
        self.connection, theirs = multiprocessing.Pipe(duplex=True)
        job = Job(
            number,
            loader.num_workers,
            loader.dataset,
            loader._batched,
            loader.collate_fn,
            loader.drop_last,
            loader.worker_init_fn,
        )
        self.process = context.Process(target=work, args=(job, theirs), daemon=True)
        with warnings.catch_warnings():  # of threads: a worker runs Python and NumPy only
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process.start()
        theirs.close()
        self.is_active = True
        self.waiting = 0

    def end(self) -> None:
        """Ends the process: asked first, then made to."""
        with suppress(OSError, ValueError):
            self.connection.send(None)
        self.connection.close()

    def gone(self) -> None:
        """Waits for the end."""
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class OverWorkers:
    """An iteration over batches that worker processes make ahead."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._members: list[_Member] = []
        self._owner = os.getpid()
        try:
            for number in range(loader.num_workers):
                self._members.append(_Member(loader, number))
            self.begin()
        except BaseException:
            self.close()
            raise

    def begin(self) -> None:
        """Begins an epoch; batches of an earlier one that are on their way are dropped."""
        loader = self._loader
        while any(m.waiting for m in self._members):
            self._receive()
        seed = fresh_seed(loader.generator)
        self._indices = iter(loader._index_sampler)
        self._sent = self._given = self._number = 0
        self._ready: dict[int, Any] = {}
        self._from: dict[int, _Member] = {}
        self._turn = 0
        for member in self._members:
            member.is_active = True
            send(member.connection, seed)
        for _ in range((loader.prefetch_factor or 1) * len(self._members)):
            self._ask()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._loader._index_sampler)

    def __next__(self) -> Any:
        if not self._members:
            raise StopIteration
        while True:
            found = self._next_ready()
            if found is None and not self._from:
                if not self._loader.persistent_workers:
                    self.close()
                raise StopIteration
            if found is None:
                self._receive()
                continue
            self._ask()
            (batch,) = found
            if isinstance(batch, Failure):
                raise batch.error()
            self._number += 1
            self._loader._count(self._number)
            return batch

    def _next_ready(self) -> tuple[Any] | None:
        """The batch whose turn it is, if it is there."""
        if not self._loader.in_order:
            for position in self._ready:
                return (self._ready.pop(position),)
            return None
        while self._given < self._sent:
            if self._given in self._ready:
                self._given += 1
                return (self._ready.pop(self._given - 1),)
            if self._given in self._from:
                return None
            self._given += 1  # its worker had no more
        return None

    def _ask(self) -> None:
        """Gives the next indices to a worker, in turns."""
        count = len(self._members)
        turns = [self._members[(self._turn + i) % count] for i in range(count)]
        most = float("inf") if self._loader.in_order else self._loader.prefetch_factor or 1
        member = next((m for m in turns if m.is_active and m.waiting < most), None)
        if member is None:
            return
        try:
            indices = next(self._indices)
        except StopIteration:
            return
        self._turn = (self._members.index(member) + 1) % count
        self._from[self._sent] = member
        member.waiting += 1
        try:
            send(member.connection, (self._sent, indices))
        except OSError:
            raise self._death() from None
        self._sent += 1

    def _receive(self) -> None:
        """Takes what workers have sent; waits until there is something.

        Raises:
            RuntimeError: if a worker died, or the time is over.
        """
        waiting: dict[Any, _Member] = {m.connection: m for m in self._members if m.waiting}
        seconds = self._loader.timeout or None
        begin = monotonic()
        found = wait([*waiting, *(m.process.sentinel for m in waiting.values())], seconds)
        for connection, member in waiting.items():
            if connection in found:
                self._take(connection, member)
                return
        if seconds is not None and monotonic() - begin >= seconds:
            self.close()
            raise RuntimeError(f"DataLoader timed out after {seconds} seconds")
        raise self._death()

    def _take(self, connection: Connection, member: _Member) -> None:
        try:
            position, batch = receive(connection)
        except (EOFError, OSError):
            raise self._death() from None
        member.waiting -= 1
        known = self._from.pop(position, None)
        if isinstance(batch, NoMore):
            member.is_active = False
            self._ask()
        elif known is not None:
            self._ready[position] = batch

    def _death(self) -> RuntimeError:
        for member in self._members:
            member.process.join(0.2)  # what has closed its end is about to be gone
        dead = [m.process for m in self._members if not m.process.is_alive()]
        self.close()
        listed = ", ".join(f"{p.pid} (exit code {p.exitcode})" for p in dead)
        return RuntimeError(
            f"DataLoader worker (pid(s) {listed}) exited unexpectedly: it was killed, ran out of "
            "memory, or its code called exit(). num_workers=0 shows where"
        )

    def close(self) -> None:
        """Ends the workers."""
        members, self._members = self._members, []
        if os.getpid() != self._owner:
            return  # a copy in a forked process
        for member in members:
            member.end()
        for member in members:
            member.gone()

    def __del__(self) -> None:
        # When Python ends, multiprocessing has ended daemons, and modules are half gone.
        if not sys.is_finalizing() and self.__dict__.get("_members"):
            self.close()
