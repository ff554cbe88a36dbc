"""Samples a second that loaders give, beside PyTorch's on the same dataset.

``python -m benchmarks.loading`` prints a table. Loaders take turns, each row is the best of them:
others on the machine only take time away.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

#: Name, shape of a sample, samples, samples of a batch.
KINDS = (("small", (28, 28), 20_000, 64), ("large", (3, 224, 224), 640, 32))
WORKERS = (0, 2)


class Arrays:
    """Float32 arrays that are there, with their numbers."""

    def __init__(self, shape: tuple[int, ...], count: int) -> None:
        self.arrays = np.random.default_rng(0).random((64, *shape), dtype=np.float32)
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.arrays[index % 64], index


def speed(loader: Any) -> float:
    """Samples a second of one iteration, workers' start included."""
    begin = time.perf_counter()
    count = sum(len(numbers) for _, numbers in loader)
    return count / (time.perf_counter() - begin)


def main() -> None:
    """The table."""
    import torch.utils.data

    import nngraph.utils.data

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    turns = parser.parse_args().turns
    makers = {"nngraph": nngraph.utils.data.DataLoader, "torch": torch.utils.data.DataLoader}
    for name, shape, count, batch in KINDS:
        data: Any = Arrays(shape, count)
        for workers in WORKERS:
            best = dict.fromkeys(makers, 0.0)
            for _ in range(turns):
                for which, make in makers.items():
                    loader = make(data, batch_size=batch, num_workers=workers)
                    best[which] = max(best[which], speed(loader))
            ratio = best["nngraph"] / best["torch"]
            ours, theirs = best.values()
            print(
                f"{name} {workers} workers: {ours:9,.0f} and {theirs:9,.0f} a second, {ratio:.2f}"
            )


if __name__ == "__main__":
    main()
