"""``DataLoader``: batches of a dataset, made in this process or in others."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import repeat
from typing import Any, Generic, TypeVar, cast

from nngraph.frontend.generator import Generator
from nngraph.utils.data.collate import default_collate, default_convert
from nngraph.utils.data.dataset import Dataset, IterableDataset
from nngraph.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from nngraph.utils.data.workers import InProcess, OverWorkers

__all__ = ["DataLoader"]

T_co = TypeVar("T_co", covariant=True)
#: What the sampler and the workers were made of.
_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class _Endless(Sampler[Any]):
    """Stands for the indices of a dataset that has none."""

    def __iter__(self) -> Iterator[Any]:
        return repeat(None)


class DataLoader(Generic[T_co]):
    """Iterates over batches of a dataset.

    Args:
        dataset: anything with ``__getitem__`` and ``__len__``, or an ``IterableDataset``.
        batch_size: samples of a batch; None gives the samples as they are.
        shuffle: draw another order for each iteration.
        sampler: gives the indices in place of that.
        batch_sampler: gives lists of indices, in place of all of these.
        num_workers: processes that make batches ahead; 0 makes them here, when they are asked for.
        collate_fn: makes a batch of a list of samples; ``default_collate`` if None.
        pin_memory: for copies to a GPU; there are none, so it warns.
        drop_last: leave out a last batch that is not full. (A compiled step is traced once for it,
            and not once an epoch: there is no need to.)
        timeout: seconds to wait for a worker's batch; 0 waits for ever.
        worker_init_fn: called in each worker with its number.
        multiprocessing_context: how processes start: a name or a context; None is Python's default.
        generator: draws the order and the workers' seeds; None is the default one.
        prefetch_factor: batches that each worker makes ahead; 2 if None.
        persistent_workers: keep the workers for the next iteration.
        pin_memory_device: not used.
        in_order: give batches in the sampler's order, whichever is ready first.

    Raises:
        ValueError: for options that contradict each other, or are out of range.

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader
    """

    _is_made = False
    _promised: int | None = None  # what ``len`` has said of an iterable dataset

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _need_workers_for(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        if isinstance(dataset, IterableDataset):
            _need_no_order(shuffle, sampler, batch_sampler)
        _need_one_way(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size, drop_last = None, False
        self.sampler = self._sampler(sampler, shuffle)
        if batch_size is not None:
            batch_sampler = BatchSampler(self.sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn or (default_collate if self._batched else default_convert)
        self._kept: OverWorkers | None = None
        self._is_made = True
        self.check_worker_number_rationality()

    def _sampler(self, sampler: Any, shuffle: bool | None) -> Any:
        if sampler is not None:
            return sampler
        if isinstance(self.dataset, IterableDataset):
            return _Endless()
        data = cast("Sized", self.dataset)
        return RandomSampler(data, generator=self.generator) if shuffle else SequentialSampler(data)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and self._is_made:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> Any:
        """How worker processes start; None is Python's default."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            if not self.num_workers:
                raise ValueError(
                    "multiprocessing_context can only be used with multi-process loading "
                    f"(num_workers > 0), but got num_workers={self.num_workers}"
                )
            known = multiprocessing.get_all_start_methods()
            if isinstance(context, str):
                if context not in known:
                    raise ValueError(
                        "multiprocessing_context option should specify a valid start method in "
                        f"{known!r}, but got {context!r}"
                    )
                context = multiprocessing.get_context(context)
            if not isinstance(context, multiprocessing.context.BaseContext):
                raise TypeError(
                    "multiprocessing_context option should be a valid context object or a string "
                    f"specifying the start method, but got {context!r}"
                )
        self._context = context

    @property
    def _batched(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._batched else self.sampler

    def __iter__(self) -> Iterator[Any]:
        if self.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device "
                "pinned memory won't be used.",
                stacklevel=2,
            )
        if not self.num_workers:
            return InProcess(self)
        if not self.persistent_workers:
            return OverWorkers(self)
        if self._kept is None or not self._kept._members:
            self._kept = OverWorkers(self)
        else:
            self._kept.begin()
        return self._kept

    def __len__(self) -> int:
        """How many batches an iteration gives."""
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        count = self._promised = len(cast("Sized", self.dataset))
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def _count(self, number: int) -> None:
        """Warns where an iterable dataset gives more than its length."""
        if self._promised is None:
            return
        expected = len(self)
        if number > expected:
            warnings.warn(
                f"Length of IterableDataset {self.dataset!r} was reported to be {expected} (when "
                f"accessing len(dataloader)), but {number} samples have been fetched. With several "
                "workers each gives the whole dataset, unless it asks get_worker_info().",
                stacklevel=4,
            )

    def check_worker_number_rationality(self) -> None:
        """Warns if there are more workers than processors."""
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if count and self.num_workers > count:
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our "
                f"suggested max number of worker in current system is {count}, which is smaller "
                "than what this DataLoader is going to create.",
                stacklevel=3,
            )


def _need_workers_for(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent: bool
) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if not num_workers and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor is for worker processes: give num_workers > 0, or leave it out"
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent and not num_workers:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _need_no_order(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    if shuffle not in (False, None):
        raise ValueError(
            "DataLoader with IterableDataset: expected unspecified shuffle option, but got "
            f"shuffle={shuffle}"
        )
    for name, given in (("sampler", sampler), ("batch_sampler", batch_sampler)):
        if given is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                f"{name}={given}"
            )


def _need_one_way(
    batch_size: int | None, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ValueError(
                "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
                "drop_last"
            )
    elif batch_size is None and drop_last:
        raise ValueError(
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )
