"""What code in a worker process of a loader can ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["WorkerInfo", "get_worker_info", "set_worker_info"]


@dataclass(frozen=True)
class WorkerInfo:
    """The worker process that code runs in.

    Attributes:
        id: from 0 on.
        num_workers: how many there are.
        seed: of its random numbers, another one in each epoch.
        dataset: its copy.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


class _Here:
    info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """The worker that this runs in; None in the main process."""
    return _Here.info


def set_worker_info(info: WorkerInfo) -> None:
    """Says which worker this process is."""
    _Here.info = info
