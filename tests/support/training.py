"""A small network trained by compiled steps, in nngraph and in PyTorch, from the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import nngraph as ng
from nngraph import nn, optim
from nngraph.ir.op import Array
from tests.support.backends import BACKENDS

__all__ = ["BACKENDS", "Trainer", "batches", "count_traces", "snapshot", "start_weights"]


def batches(count: int, size: int = 6) -> list[tuple[Array, Array]]:
    """Random inputs of four numbers and labels of three classes."""
    rng = np.random.default_rng(0)
    return [
        (rng.standard_normal((size, 4)).astype(np.float32), rng.integers(0, 3, size))
        for _ in range(count)
    ]


def count_traces(function: Any) -> int:
    """How often a compiled function was traced."""
    return sum(line.startswith("trace ") for line in function.explain().splitlines())


def snapshot(*owners: Any) -> list[Array]:
    """Copies of all tensors in the state dicts of modules and optimizers."""
    leaves: list[Array] = []

    def visit(value: Any) -> None:
        if isinstance(value, dict):
            for child in value.values():
                visit(child)
        elif isinstance(value, ng.Tensor):
            leaves.append(np.array(value.detach().numpy()))

    for owner in owners:
        visit(owner.state_dict())
    return leaves


class Trainer:
    """A model, an optimizer, and the usual training step of both.

    Args:
        backend: of nngraph; None trains the twin in PyTorch.
        make: takes ``optim`` and the parameters, gives the optimizer.
        start: the weights to start from.
        options: for ``ng.compile``.
    """

    def __init__(
        self,
        backend: str | None,
        make: Callable[[Any, Any], Any],
        start: dict[str, Array],
        **options: Any,
    ) -> None:
        self.backend = backend
        modules, optimizers = nn, optim
        if backend is None:
            import torch

            modules, optimizers = torch.nn, torch.optim  # type: ignore[assignment]
        # A smooth activation: a rectifier's edge makes runs differ between machines.
        self.model: Any = modules.Sequential(
            modules.Linear(4, 8), modules.Tanh(), modules.Linear(8, 3)
        )
        self.load(start)
        self.optimizer = make(optimizers, self.model.parameters())
        self.loss_fn = modules.CrossEntropyLoss()
        self.compiled: Any = None
        if backend is not None:
            self.compiled = ng.compile(self.step, backend=backend, threads=1, **options)

    def load(self, weights: dict[str, Array]) -> None:
        """Loads NumPy arrays into the model."""
        if self.backend is None:
            import torch

            self.model.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
        else:
            self.model.load_state_dict(weights)

    def step(self, x: Any, y: Any) -> Any:
        """The loop body that one writes in PyTorch."""
        self.optimizer.zero_grad()
        loss = self.loss_fn(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def __call__(self, x: Array, y: Array) -> float:
        if self.backend is None:
            import torch

            return float(self.step(torch.from_numpy(x), torch.from_numpy(y)).detach())
        return float(self.compiled(x, y))

    def weights(self) -> dict[str, Array]:
        """Copies of the parameters."""
        return {k: np.array(v.detach().numpy()) for k, v in self.model.state_dict().items()}


def start_weights() -> dict[str, Array]:
    """The same random weights each time."""
    rng = np.random.default_rng(1)
    shapes = {"0.weight": (8, 4), "0.bias": (8,), "2.weight": (3, 8), "2.bias": (3,)}
    return {k: rng.uniform(-0.5, 0.5, s).astype(np.float32) for k, s in shapes.items()}
