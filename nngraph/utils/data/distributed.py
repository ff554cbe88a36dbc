"""The part of a dataset that one of several processes trains on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized
from typing import Any, cast

from nngraph.frontend.functional.random import randperm
from nngraph.frontend.generator import Generator
from nngraph.utils.data.dataset import Dataset
from nngraph.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[Any]):
    """Every ``num_replicas``-th index, from ``rank`` on.

    Args:
        dataset: whose indices are dealt out.
        num_replicas: how many processes there are.
        rank: which of them this is.
        shuffle: deal them in random order, another one for each ``set_epoch``.
        seed: of the order, the same in all processes.
        drop_last: leave out what cannot be dealt out evenly; otherwise some indices come twice.

    Raises:
        RuntimeError: without ``num_replicas`` or ``rank``: there are no process groups yet.
        ValueError: for a rank that is none of the replicas.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise RuntimeError(
                "DistributedSampler: there is no process group here that would know num_replicas "
                "and rank; pass both"
            )
        if rank >= num_replicas or rank < 0:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        self.shuffle = shuffle
        self.seed = seed
        count = len(cast("Sized", dataset))
        share = count / num_replicas
        self.num_samples = math.floor(share) if drop_last else math.ceil(share)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        count = len(cast("Sized", self.dataset))
        indices = list(range(count))
        if self.shuffle:
            generator = Generator().manual_seed(self.seed + self.epoch)
            indices = randperm(count, generator=generator).tolist()
        missing = self.total_size - count
        if missing > 0 and indices:
            indices += (indices * math.ceil(missing / count))[:missing]
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the iterations that follow."""
        self.epoch = epoch
