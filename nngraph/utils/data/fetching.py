"""The samples that one batch is made of, taken from a dataset."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, Protocol

from nngraph.frontend.tensor import Tensor
from nngraph.utils.data.collate import default_collate, rows
from nngraph.utils.data.dataset import IterableDataset, Subset, TensorDataset, fetched

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
        try:
            return self._found(indices)
        except StopIteration as error:  # which would end the loop without a word
            kind = type(self._dataset).__name__
            raise RuntimeError(f"{kind} raised StopIteration for {indices!r:.60}") from error

    def _found(self, indices: Any) -> Any:
        if not self._batched:
            return self._collate(self._dataset[indices])
        if self._collate is default_collate and (found := _at_once(self._dataset, indices)):
            return found
        return self._collate(fetched(self._dataset, indices))


def _at_once(dataset: Any, indices: Any) -> list[Any] | None:
    """What ``default_collate`` makes of rows of tensors, without making each row."""
    if type(dataset) is Subset:
        return _at_once(dataset.dataset, [dataset.indices[i] for i in indices])
    if type(dataset) is not TensorDataset or not all(type(t) is Tensor for t in dataset.tensors):
        return None
    found = [rows(tensor, indices) for tensor in dataset.tensors]
    return None if any(part is None for part in found) else found


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
