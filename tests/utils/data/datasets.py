"""Datasets for loaders' tests, at the top level so that spawned processes find them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

import nngraph as ng
from nngraph.utils.data import Dataset, IterableDataset, get_worker_info


class Images(Dataset[Any]):
    """Image ``i`` is full of i; its label is i."""

    def __init__(self, count: int, side: int = 32) -> None:
        self.count, self.side = count, side

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return np.full((self.side, self.side), index, np.float32), index


class Behaving(Dataset[Any]):
    """Does something at one index."""

    def __init__(self, at: int, what: str) -> None:
        self.at, self.what = at, what

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        if index == self.at:
            if self.what == "raise":
                raise KeyError("no such\nsample")
            if self.what == "odd":
                raise Odd(1, 2)
            if self.what == "exit":
                os._exit(7)
            if self.what == "sleep":
                time.sleep(600)
            if self.what == "unpicklable":
                return lambda: index
        return index


class Odd(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"odd {one} {two}")


class Draws(Dataset[Any]):
    """What the generators give in a worker."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        import random

        info = get_worker_info()
        assert info is not None and info.num_workers == 2
        return info.id, random.random(), float(np.random.rand()), ng.rand(()).item()


class Stream(IterableDataset[int]):
    """Numbers; in workers each gives its part, unless told to repeat them."""

    def __init__(self, count: int, split: bool = True, length: int | None = None) -> None:
        self.count, self.split, self.length = count, split, length

    def __iter__(self) -> Iterator[int]:
        info = get_worker_info()
        if info is None or not self.split:
            return iter(range(self.count))
        return iter(range(info.id, self.count, info.num_workers))

    def __len__(self) -> int:
        if self.length is None:
            raise TypeError("no length")
        return self.length


def listed(batch: list[Any]) -> list[Any]:
    return batch


def refuse(worker: int) -> None:
    raise ValueError(f"worker {worker} does not want to")
