"""Binaries that several tests look at, each built once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import nngraph as ng
from nngraph import nn
from nngraph.ir.op import Array
from tests.bundles.networks import NETWORKS

# Without TVM nothing can be built.
collect_ignore_glob = [] if find_spec("tvm") else ["test_*.py"]

STEPS = 100


@dataclass(frozen=True)
class Built:
    """A binary, and what the compiled function makes of some batches.

    Attributes:
        folder: of the binary.
        batches: what to run, one after the other.
        file: the same, stacked.
        first: the first result of each.
        states: after the last.
        compiled: the function, after the last.
    """

    folder: Path
    batches: list[tuple[Array, ...]]
    file: Path
    first: list[Array]
    states: dict[str, Array]
    compiled: Callable[..., Any]


def built(
    function: Any, source: Any, names: list[str], batches: list[Any], folder: Path, model: Any
) -> Built:
    path = ng.build(source, folder / "binary", *batches[0])
    columns = {name: np.stack([b[i] for b in batches]) for i, name in enumerate(names)}
    save_file(columns, folder / "batches.safetensors")
    first = []
    for batch in batches:
        result = function(*batch)
        first.append((result[0] if isinstance(result, tuple) else result).numpy().copy())
    states = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    return Built(path, batches, folder / "batches.safetensors", first, states, function)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A training step with convolution, batch normalization, dropout and AdamW."""
    network = NETWORKS["digits"]()
    step = ng.compile(network.step, backend="tvm", threads=1)
    batches = list(network.batches(STEPS, seed=1))
    folder = tmp_path_factory.mktemp("digits")
    return built(step, step, ["x", "y"], batches, folder, network.model)


class Tagger(nn.Module):
    """Looks up, loops over time, gives two things."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 5)
        self.inner = nn.RNN(5, 6, batch_first=True)

    def forward(self, ids: Any) -> Any:
        out, h = self.inner(self.table(ids))
        return out.sum((1, 2)), {"h": h}


@pytest.fixture(scope="session")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A model with a check of indices and a loop."""
    ng.manual_seed(2)
    model = Tagger().eval().requires_grad_(False)
    compiled = ng.compile(model, backend="tvm", threads=1)
    rng = np.random.default_rng(0)
    batches = [(rng.integers(0, 7, (3, 4)),) for _ in range(5)]
    folder = tmp_path_factory.mktemp("tagger")
    return built(compiled, model, ["ids"], batches, folder, model)
