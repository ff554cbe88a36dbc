"""Batch normalization that runs twice in one step: each run has statistics of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch

import nngraph as ng
from nngraph import nn, optim
from nngraph.backends.registry import BACKENDS
from tests.nn.parity import arrays_of
from tests.support.conditioning import Run, Shake, require_insensitive
from tests.support.tolerances import TRAJECTORY

ONES, TENS = (np.full((1, 2, 2, 2), value, np.float32) for value in (1, 10))


def twice() -> tuple[Any, Any]:
    norm = nn.BatchNorm2d(2)
    return norm, lambda x, y: norm(x).sum() + norm(y).sum()


@pytest.mark.parametrize("backend", BACKENDS)
def test_running_statistics_are_of_both_runs(backend: str) -> None:
    norm, function = twice()
    ng.compile(function, backend=backend)(ONES, TENS)
    np.testing.assert_allclose(norm.running_mean.numpy(), [1.09, 1.09], rtol=1e-6)
    np.testing.assert_allclose(norm.running_var.numpy(), [0.81, 0.81], rtol=1e-6)


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"])
def test_an_exported_file_keeps_them_apart(level: str, tmp_path: Path) -> None:
    _, function = twice()
    compiled = ng.compile(function, backend="onnx")
    compiled(ONES, TENS)
    ng.export(compiled, tmp_path / "twice.onnx")
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    session = ort.InferenceSession(tmp_path / "twice.onnx", options)
    feeds: dict[str, Any] = {"x": ONES, "y": TENS}
    for value in session.get_inputs()[2:]:
        kind = np.int64 if "int64" in value.type else np.float32
        feeds[value.name] = np.zeros(value.shape, kind)
    names = [o.name for o in session.get_outputs()]
    found = dict(zip(names, session.run(names, feeds), strict=True))
    np.testing.assert_allclose(found["running_mean.next"], [1.09, 1.09], rtol=1e-6)


@pytest.mark.parametrize("shared", [True, False], ids=["one norm twice", "two norms of one input"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_two_passes_in_one_step_train_as_in_pytorch(backend: str, shared: bool) -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.standard_normal((32, 4)).astype(np.float32) + 3 * i for i in range(2))

    def network(n: Any) -> Any:
        body = n.Linear(4, 5)
        norms = [n.BatchNorm1d(5), n.BatchNorm1d(5, eps=1e-3)]
        return n.ModuleList([body, *norms, n.Linear(5, 3)])

    def step(parts: Any, optimizer: Any, batches: Any) -> Any:
        body, norm, other, head = parts
        optimizer.zero_grad()
        losses = []
        for x in batches:
            hidden = body(x)
            out = head(norm(hidden)).tanh()
            if not shared:
                out = out * head(other(hidden))
            losses.append(out.square().mean())
            losses[-1].backward()
        optimizer.step()
        return losses[0] + losses[1]

    start = arrays_of(network(nn).state_dict())

    def in_pytorch(dtype: str, shake: Shake) -> Run:
        parts = network(torch.nn).to(getattr(torch, dtype))
        parts.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in start.items()})
        optimizer = torch.optim.SGD(parts.parameters(), lr=0.1)
        batches = [torch.from_numpy(b).to(getattr(torch, dtype)) for b in (first, second)]
        losses = []
        for _ in range(3):
            shake(parts.parameters())
            losses.append(step(parts, optimizer, batches).item())
        return Run(losses, {k: v.numpy().copy() for k, v in parts.state_dict().items()})

    wanted = require_insensitive("two passes", in_pytorch, "float32", TRAJECTORY["float32"])
    parts = network(nn)
    parts.load_state_dict(start)
    optimizer = optim.SGD(parts.parameters(), lr=0.1)
    compiled = ng.compile(lambda x, y: step(parts, optimizer, (x, y)), backend=backend)
    losses = [float(compiled(first, second)) for _ in range(3)]
    rtol, atol = TRAJECTORY["float32"]
    np.testing.assert_allclose(losses, wanted.losses, rtol=rtol, atol=atol)
    for name, got in arrays_of(parts.state_dict()).items():
        np.testing.assert_allclose(got, wanted.arrays[name], rtol=rtol, atol=atol, err_msg=name)
