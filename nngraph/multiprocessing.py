"""Processes (``torch.multiprocessing``): the standard library's, and ``spawn``.

Tensors go to other processes as copies; ``x.share_memory_()`` is for processes that fork.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from multiprocessing.process import BaseProcess
from typing import Any

_OWN = ["get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy"]
_OWN += ["spawn", "start_processes"]
__all__ = [*multiprocessing.__all__, *_OWN]


_STRATEGY = "file_system"


def get_all_sharing_strategies() -> set[str]:
    """The only one."""
    return {_STRATEGY}


def get_sharing_strategy() -> str:
    """``"file_system"``."""
    return _STRATEGY


def set_sharing_strategy(new_strategy: str) -> None:
    """Nothing: tensors go to other processes as copies."""


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> list[BaseProcess] | None:
    """Calls ``fn(i, *args)`` in ``nprocs`` new processes, ``i`` from 0.

    Returns:
        None after the last has ended; the processes, if not ``join``.

    Raises:
        RuntimeError: if one of them fails; the others are ended.
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method)


def start_processes(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> list[BaseProcess] | None:
    """``spawn`` with another way to start a process.

    Raises:
        RuntimeError: as ``spawn``.
    """
    context = multiprocessing.get_context(start_method)
    started: list[BaseProcess] = []
    for index in range(nprocs):
        made: Any = context  # which start methods have processes is not in its type
        process = made.Process(target=fn, args=(index, *args), daemon=daemon)
        process.start()
        started.append(process)
    if not join:
        return started
    _joined(started)
    return None


def _joined(started: list[BaseProcess]) -> None:
    running = dict(enumerate(started))
    while running:
        multiprocessing.connection.wait([p.sentinel for p in running.values()])
        for index, process in list(running.items()):
            if process.is_alive():
                continue
            del running[index]
            if process.exitcode:
                for other in running.values():
                    other.terminate()
                raise RuntimeError(
                    f"process {index} terminated with exit code {process.exitcode}; its own "
                    "message is above"
                )
