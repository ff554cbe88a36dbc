"""Samplers: in which order the indices of a dataset come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar, cast

import numpy as np

from nngraph.frontend.functional.data import as_tensor
from nngraph.frontend.functional.integers import randint
from nngraph.frontend.functional.random import randperm
from nngraph.frontend.generator import Generator
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import float64, int64

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
    "fresh_seed",
]

T_co = TypeVar("T_co", covariant=True)
#: Indices with replacement are drawn so many at a time.
_CHUNK = 1024


class Sampler(Generic[T_co]):
    """Base of all samplers: subclasses define ``__iter__``, and mostly ``__len__``."""

    def __init__(self, data_source: Any = None) -> None:
        """``data_source`` is of older code, and not used."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError("Subclasses of Sampler should implement __iter__.")


def fresh_seed(generator: Generator | None = None) -> int:
    """A seed of 62 bits that a generator draws; the default one for None."""
    return int(randint(0, 2**62, (), generator=generator, dtype=int64).item())


class SequentialSampler(Sampler[int]):
    """Indices in their order."""

    data_source: Sized

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Indices in random order, drawn anew at each iteration.

    Args:
        data_source: whose length counts.
        replacement: draw each index from all.
        num_samples: how many indices; the length if None. More than that without replacement are
            further permutations.
        generator: what draws; None draws a seed from the default one for each iteration.

    Raises:
        TypeError: if ``replacement`` is no bool.
        ValueError: if ``num_samples`` is no positive integer.
    """

    data_source: Sized
    replacement: bool

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got {replacement=}")
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(
                "num_samples should be a positive integer value, but got "
                f"num_samples={self.num_samples!r}"
            )

    @property
    def num_samples(self) -> int:
        """How many indices an iteration gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, left = len(self.data_source), self.num_samples
        generator = self.generator or Generator().manual_seed(fresh_seed())
        while left > 0:
            if self.replacement:
                count = min(_CHUNK, left)
                yield from randint(0, n, (count,), generator=generator, dtype=int64).tolist()
            else:
                count = min(n, left)
                yield from randperm(n, generator=generator).tolist()[:count]
            left -= count

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Given indices in random order."""

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn with probabilities in proportion to weights.

    Args:
        weights: of the indices, not negative; they need not sum to 1.
        num_samples: how many indices.
        replacement: whether an index may come again.
        generator: what draws; the default one for None.

    Raises:
        ValueError: if ``num_samples`` is no positive integer, ``replacement`` no bool, or there
            is not one weight each; at the iteration, for weights of which too few are positive.
    """

    weights: Tensor
    num_samples: int
    replacement: bool

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, got {num_samples=}")
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got {replacement=}")
        found = as_tensor(weights, dtype=float64)
        if found.ndim != 1:
            raise ValueError(f"weights should be a 1d sequence, but got {tuple(found.shape)}")
        self.weights = found
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        weights = self.weights.numpy()
        positive = int((weights > 0).sum())
        if (weights < 0).any() or not np.isfinite(weights).all() or not positive:
            raise ValueError("weights are finite and not negative, and at least one is positive")
        if not self.replacement and positive < self.num_samples:
            raise ValueError(
                f"{self.num_samples} indices without replacement from {positive} of positive weight"
            )
        draws = np.random.default_rng(fresh_seed(self.generator))
        shares = weights / weights.sum()
        drawn = draws.choice(len(shares), self.num_samples, self.replacement, shares)
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of ``batch_size`` indices of another sampler.

    Raises:
        ValueError: if ``batch_size`` is no positive integer, or ``drop_last`` no bool.
    """

    def __init__(
        self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool
    ) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, got {batch_size=}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got {drop_last=}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def __len__(self) -> int:
        count = len(cast("Sized", self.sampler))
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)
