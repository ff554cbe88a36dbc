"""Programs over sequences as PyTorch's users write them train compiled in step with PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from benchmarks.frameworks import Array, load_weights, nngraph_framework, read_weights
from tests.support.backends import BACKENDS
from tests.support.conditioning import Run, Shake, require_insensitive, still
from tests.support.tolerances import TRAJECTORY

STEPS = 20
VOCAB, TOKENS, BATCH, TAGS = 30, 7, 4, 5


def bert(torch: Any) -> Any:
    """Embeddings of tokens, places and segments, an encoder, and a head that predicts tokens."""
    nn = torch.nn

    class Embeddings(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, width: int) -> None:
            super().__init__()
            self.word_embeddings = nn.Embedding(VOCAB, width, padding_idx=0)
            self.position_embeddings = nn.Embedding(16, width)
            self.token_type_embeddings = nn.Embedding(2, width)
            self.LayerNorm = nn.LayerNorm(width, eps=1e-12)
            self.register_buffer("position_ids", torch.arange(16).expand((1, -1)))

        def forward(self, ids: Any, segments: Any) -> Any:
            places = self.position_ids[:, : ids.shape[1]]
            x = self.word_embeddings(ids) + self.position_embeddings(places)
            return self.LayerNorm(x + self.token_type_embeddings(segments))

    class Bert(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, width: int = 16) -> None:
            super().__init__()
            self.embeddings = Embeddings(width)
            layer = nn.TransformerEncoderLayer(
                width, 4, 32, dropout=0.0, activation="gelu", batch_first=True
            )
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
            self.bias = nn.Parameter(torch.zeros(VOCAB))

        def forward(self, ids: Any) -> Any:
            padding = ids == 0
            segments = (ids > VOCAB // 2).long()
            x = self.encoder(self.embeddings(ids, segments), src_key_padding_mask=padding)
            weight = self.embeddings.word_embeddings.weight  # tied
            return nn.functional.linear(self.transform(x), weight, self.bias)

    return Bert()


def tagger(torch: Any) -> Any:
    """A tag for each token, from a bidirectional LSTM of two layers."""
    nn = torch.nn

    class Tagger(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, width: int = 8) -> None:
            super().__init__()
            self.embedding = nn.Embedding(VOCAB, width, padding_idx=0)
            self.lstm = nn.LSTM(width, width, 2, batch_first=True, bidirectional=True)
            self.output = nn.Linear(2 * width, TAGS)

        def forward(self, ids: Any) -> Any:
            return self.output(self.lstm(self.embedding(ids))[0])

    return Tagger()


def _batches(classes: int) -> list[tuple[Array, Array]]:
    rng = np.random.default_rng(11)
    found = []
    for _ in range(STEPS):
        ids = rng.integers(1, VOCAB, (BATCH, TOKENS))
        ids[np.arange(TOKENS) >= rng.integers(4, TOKENS + 1, (BATCH, 1))] = 0
        found.append((ids, np.where(ids == 0, -100, (ids * 7 + 3) % classes)))
    return found


# The bias of keys changes no softmax: its gradient is rounding errors, which a small ``eps`` would
# make steps of.
PROGRAMS: dict[str, tuple[Callable[[Any], Any], int, Callable[[Any, Any], Any]]] = {
    "BERT": (bert, VOCAB, lambda optim, p: optim.AdamW(p, lr=3e-3, weight_decay=0.01, eps=1e-3)),
    "LSTM tagger": (tagger, TAGS, lambda optim, p: optim.SGD(p, lr=0.3, momentum=0.9)),
}


def _trained(
    library: Any, name: str, weights: dict[str, Array], dtype: str, shake: Shake, wrap: Any
) -> Run:
    build, classes, optimize = PROGRAMS[name]
    model = build(library)
    model = model.double() if dtype == "float64" else model
    load_weights(nngraph_framework() if library is ng else _torch_framework(), model, weights)
    optimizer = optimize(library.optim, model.parameters())
    criterion = library.nn.CrossEntropyLoss(ignore_index=-100)

    def train_step(ids: Any, targets: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(ids).reshape(-1, classes), targets.reshape(-1))
        loss.backward()
        library.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return loss

    step, losses = wrap(train_step), []
    for ids, targets in _batches(classes):
        shake(model.parameters())
        losses.append(step(library.tensor(ids), library.tensor(targets)).item())
    return Run(losses, read_weights(model))


def _torch_framework() -> Any:
    from benchmarks.frameworks import torch_framework

    return torch_framework()


@pytest.fixture(scope="module")
def oracles() -> dict[str, tuple[dict[str, Array], Run]]:
    """Weights of the start and PyTorch's run, shown to be insensitive to rounding."""
    found = {}
    for name, (build, *_) in PROGRAMS.items():
        torch.manual_seed(0)
        start = read_weights(build(torch))

        def run(dtype: str, shake: Shake, name: str = name, start: Any = start) -> Run:
            return _trained(torch, name, start, dtype, shake, lambda step: step)

        found[name] = start, require_insensitive(name, run, "float32", TRAJECTORY["float32"])
    return found


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_twenty_steps_are_pytorchs(name: str, backend: str, oracles: Any) -> None:
    start, wanted = oracles[name]
    functions = []

    def wrap(step: Any) -> Any:
        functions.append(ng.compile(step, backend=backend, threads=1))
        return functions[-1]

    found = _trained(ng, name, start, "float32", still, wrap)
    relative, absolute = TRAJECTORY["float32"]
    np.testing.assert_allclose(found.losses, wanted.losses, relative, absolute)
    moved = max(float(np.abs(wanted.arrays[k] - start[k]).max()) for k in start)
    assert moved > 50 * absolute, "nothing was learnt, so agreement would prove nothing"
    for key, array in wanted.arrays.items():
        np.testing.assert_allclose(found.arrays[key], array, relative, absolute, err_msg=key)
    assert functions[0].explain().count("trace ") == 1
