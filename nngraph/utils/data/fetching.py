"""The samples that one batch is made of, taken from a dataset."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, Protocol

from nngraph.utils.data.dataset import IterableDataset, fetched

__all__ = ["Fetcher", "fetcher_of"]

Collate = Callable[[Any], Any]


class Fetcher(Protocol):
    """Makes batches of what a sampler gave."""

    def fetch(self, indices: Any) -> Any:
        """The batch.

        Raises:
            StopIteration: if an iterable dataset has no more.
        """
        ...


class _ByIndex:
    def __init__(self, dataset: Any, batched: bool, collate: Collate) -> None:
        self._dataset, self._batched, self._collate = dataset, batched, collate

    def fetch(self, indices: Any) -> Any:
        samples = fetched(self._dataset, indices) if self._batched else self._dataset[indices]
        return self._collate(samples)


class _InTurn:
    def __init__(self, dataset: Any, batched: bool, collate: Collate, drop_last: bool) -> None:
        self._samples = iter(dataset)
        self._batched, self._collate, self._drop_last = batched, collate, drop_last

    def fetch(self, indices: Any) -> Any:
        if not self._batched:
            return self._collate(next(self._samples))
        samples = list(islice(self._samples, len(indices)))
        if not samples or (self._drop_last and len(samples) < len(indices)):
            raise StopIteration
        return self._collate(samples)


def fetcher_of(dataset: Any, batched: bool, collate: Collate, drop_last: bool) -> Fetcher:
    """What fetches from a dataset.

    Args:
        dataset: by index, or an ``IterableDataset``.
        batched: whether a sampler gives lists of indices.
        collate: makes a batch of samples, or converts one sample.
        drop_last: of an iterable dataset, leave out a last batch that is not full.
    """
    if isinstance(dataset, IterableDataset):
        return _InTurn(dataset, batched, collate, drop_last)
    return _ByIndex(dataset, batched, collate)
