"""Steps whose bundles are trained: each with its batches, small and quick to compile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import nngraph as ng
from nngraph import nn, optim
from nngraph.ir.op import Array

__all__ = ["NETWORKS", "Network", "trained"]


@dataclass(frozen=True)
class Network:
    """One step over one model.

    Attributes:
        model: what it trains.
        step: the function, not compiled.
        shapes: sizes and dtypes of its inputs; None is the batch.
        draw: a batch of a size.
    """

    model: Any
    step: Callable[..., Any]
    shapes: tuple[tuple[tuple[int | None, ...], str], ...]
    draw: Callable[[np.random.Generator, int], tuple[Array, ...]]

    def specs(self) -> list[Any]:
        return [ng.spec(shape, dtype) for shape, dtype in self.shapes]

    def batches(self, count: int, size: int = 16, seed: int = 0) -> Iterator[tuple[Array, ...]]:
        rng = np.random.default_rng(seed)
        return (self.draw(rng, size) for _ in range(count))


def digits() -> Network:
    """Convolution, batch normalization and dropout, as in examples/digits.py; AdamW."""
    ng.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(64, 10),
    )
    optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    criterion = nn.CrossEntropyLoss()

    def train_step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    def draw(rng: np.random.Generator, size: int) -> tuple[Array, ...]:
        y = rng.integers(0, 10, size)
        x = rng.standard_normal((size, 1, 8, 8)) * 0.3
        x[np.arange(size), 0, y % 8, y // 2] += 2.0
        return x.astype(np.float32), y

    shapes = (((None, 1, 8, 8), "float32"), ((None,), "int64"))
    return Network(model, train_step, shapes, draw)


class Gpt(nn.Module):
    """A transformer of one block over 16 tokens, with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(16, 16)
        self.places = nn.Embedding(8, 16)
        self.norm = nn.LayerNorm(16)
        self.inner = nn.Linear(16, 48)
        self.outer = nn.Linear(16, 16)
        self.wide = nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(16, 16, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, ids: Any) -> Any:
        x = self.tokens(ids) + self.places(ng.arange(ids.shape[1]))
        parts = self.inner(self.norm(x)).view(ids.shape[0], ids.shape[1], 2, 24)
        q, k, v = parts.transpose(1, 2).split(8, -1)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.outer(mixed.transpose(1, 2).reshape(ids.shape[0], ids.shape[1], 16))
        return self.head(self.dropout(x + self.wide(x)))


def gpt() -> Network:
    """Next tokens of sequences that count up; AdamW with clipped gradients."""
    ng.manual_seed(4)
    model = Gpt()
    optimizer = optim.AdamW(model.parameters(), lr=1e-2)

    def train_step(ids: Any) -> Any:
        optimizer.zero_grad()
        logits = model(ids[:, :-1])
        loss = nn.functional.cross_entropy(logits.reshape(-1, 16), ids[:, 1:].reshape(-1))
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return {"loss": loss, "norm": norm}

    def draw(rng: np.random.Generator, size: int) -> tuple[Array, ...]:
        starts = rng.integers(0, 16, (size, 1))
        return ((starts + np.arange(9)) % 16,)

    return Network(model, train_step, (((None, 9), "int64"),), draw)


def perceptron() -> Network:
    """Two linear layers with batch normalization and dropout; SGD with momentum."""
    ng.manual_seed(5)
    model = nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 1)
    )
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def train_step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = ((model(x).squeeze(1) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.detach(), 3, [None, "text"]

    def draw(rng: np.random.Generator, size: int) -> tuple[Array, ...]:
        x = rng.standard_normal((size, 6)).astype(np.float32)
        return x, x.sum(1)

    shapes = (((None, 6), "float32"), ((None,), "float32"))
    return Network(model, train_step, shapes, draw)


NETWORKS: dict[str, Callable[[], Network]] = {
    "digits": digits,
    "gpt": gpt,
    "perceptron": perceptron,
}


def trained(name: str, backend: str, calls: int = 2) -> tuple[Network, Callable[..., Any]]:
    """A network, and its step compiled and called a few times."""
    network = NETWORKS[name]()
    step = ng.compile(network.step, backend=backend, threads=1)
    for batch in network.batches(calls):
        step(*batch)
    return network, step
