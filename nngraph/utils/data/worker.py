"""What a loader's worker process does."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from nngraph.frontend.functional.random import manual_seed
from nngraph.utils.data.fetching import Collate, Fetcher, fetcher_of
from nngraph.utils.data.information import WorkerInfo, set_worker_info
from nngraph.utils.data.sharing import receive, send

__all__ = ["Failure", "Job", "NoMore", "work"]

#: How often a worker that waits looks whether its parent lives, in seconds.
_LOOK = 1.0


@dataclass(frozen=True)
class Job:
    """What a worker is for.

    Attributes:
        id, num_workers: which worker, of how many.
        dataset, batched, collate, drop_last: as for ``fetcher_of``.
        init: called with the id before the first batch.
    """

    id: int
    num_workers: int
    dataset: Any
    batched: bool
    collate: Collate
    drop_last: bool
    init: Callable[[int], Any] | None


@dataclass(frozen=True)
class NoMore:
    """The dataset of a worker has come to its end."""


@dataclass(frozen=True)
class Failure:
    """An error in a worker, to be raised in the main process.

    Attributes:
        kind: its class.
        text: where it happened, as Python prints it.
    """

    kind: type[BaseException]
    text: str

    @classmethod
    def of(cls, error: BaseException, worker: int) -> Failure:
        lines = "".join(traceback.format_exception(error))
        name = type(error).__name__
        text = f"Caught {name} in DataLoader worker process {worker}.\nOriginal {lines}"
        return cls(type(error), text)

    def error(self) -> BaseException:
        """The error, of its class if that is made of a text; otherwise a RuntimeError."""
        text = _Verbatim(self.text) if issubclass(self.kind, KeyError) else self.text
        try:
            return self.kind(text)
        except Exception:  # noqa: BLE001 - its class wants other arguments
            return RuntimeError(self.text)


class _Verbatim(str):
    """KeyError shows the repr of its argument."""

    def __repr__(self) -> str:
        return str(self)


def work(job: Job, connection: Connection) -> None:
    """Answers each ``(position, indices)`` by ``(position, batch)`` until it gets None.

    A seed instead begins an epoch. It ends, too, when the parent is gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    threading.Thread(target=_outlive_nobody, args=(os.getppid(),), daemon=True).start()
    worker = _Worker(job)
    try:
        while (task := receive(connection)) is not None:
            if isinstance(task, int):
                worker.begin(task)
            else:
                _answer(connection, task[0], worker.batch(task[1]), job.id)
    except (EOFError, OSError):
        return  # nobody is there any more


def _outlive_nobody(starter: int) -> None:
    """Ends the process when the parent is gone, whatever its code is at.

    Who started it is the parent, or a server that started it for the parent.
    """
    parent = parent_process()
    while os.getppid() == starter and (parent is None or parent.is_alive()):
        time.sleep(_LOOK)
    os._exit(1)


def _answer(connection: Connection, position: int, batch: Any, worker: int) -> None:
    try:
        send(connection, (position, batch))
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - told to the main process: it can't be pickled
        failed = isinstance(batch, Failure)  # of a class that the main process can't find
        told = replace(batch, kind=RuntimeError) if failed else Failure.of(error, worker)
        send(connection, (position, told))


class _Worker:
    """The fetcher of one epoch, or why there is none."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._fetcher: Fetcher | Failure | NoMore | None = None
        self._is_new = True

    def begin(self, seed: int) -> None:
        """Begins an epoch with the random numbers of a seed."""
        job = self._job
        own = (seed + job.id) % 2**64
        _seeded(own)
        set_worker_info(WorkerInfo(job.id, job.num_workers, own, job.dataset))
        try:
            if self._is_new and job.init is not None:
                job.init(job.id)
            self._is_new = False
            self._fetcher = fetcher_of(job.dataset, job.batched, job.collate, job.drop_last)
        except Exception as error:  # noqa: BLE001 - raised in the main process
            self._fetcher = Failure.of(error, job.id)

    def batch(self, indices: Any) -> Any:
        """The next batch, or what there is instead."""
        fetcher = self._fetcher
        if fetcher is None or isinstance(fetcher, Failure | NoMore):
            return fetcher
        try:
            return fetcher.fetch(indices)
        except StopIteration:
            self._fetcher = NoMore()
            return self._fetcher
        except Exception as error:  # noqa: BLE001 - raised in the main process
            return Failure.of(error, self._job.id)


def _seeded(seed: int) -> None:
    random.seed(seed)
    manual_seed(seed)
    # What datasets written for PyTorch draw with.
    np.random.seed(np.random.SeedSequence(seed).generate_state(4))  # noqa: NPY002
