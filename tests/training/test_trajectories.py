"""Twenty training steps from the same weights give PyTorch's losses and parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nngraph as ng
from benchmarks.frameworks import (
    Array,
    Framework,
    load_weights,
    nngraph_framework,
    read_weights,
    to_numpy,
    torch_framework,
)
from benchmarks.workloads import WORKLOADS, Workload, loss_of, make_train_step
from tests.support.tolerances import TRAJECTORY

STEPS = 20
NAMES = ("mlp", "cnn", "resnet18", "gpt")


Run = tuple[list[float], dict[str, Array], dict[str, Array]]


def train(
    fw: Framework,
    workload: Workload,
    weights: dict[str, Array] | None,
    dtype: str,
    backend: str | None,
) -> Run:
    """Losses, the weights before, and the weights after; eager without a backend."""
    model = workload.build(fw, small=True)
    if dtype == "float64":
        model = model.double()
    if weights is not None:
        load_weights(fw, model, weights)
    before = read_weights(model)
    optimizer = workload.build_optimizer(fw, model)
    step = make_train_step(optimizer, lambda x, y: loss_of(fw, model, x, y))
    run = step if backend is None else ng.compile(step, backend=backend, threads=1)
    losses = []
    for x, y in workload.batches(STEPS, small=True):
        x = x.astype(dtype) if x.dtype == np.float32 else x
        losses.append(float(to_numpy(run(fw.from_numpy(x), fw.from_numpy(y)))))
    return losses, before, read_weights(model)


@pytest.fixture(scope="module")
def oracle() -> Any:
    """PyTorch's run of a workload, once for all backends."""
    import torch

    torch.set_num_threads(1)
    known: dict[tuple[str, str], Any] = {}

    def run(name: str, dtype: str) -> Any:
        if (name, dtype) not in known:
            torch.manual_seed(0)
            known[name, dtype] = train(torch_framework(), WORKLOADS[name], None, dtype, None)
        return known[name, dtype]

    return run


def check(name: str, dtype: str, backend: str, oracle: Any, tolerance: str) -> None:
    losses, before, after = oracle(name, dtype)
    got_losses, _, got = train(nngraph_framework(), WORKLOADS[name], before, dtype, backend)
    relative, absolute = TRAJECTORY[tolerance]
    moved = max(float(np.abs(after[k] - before[k]).max()) for k in before)
    assert moved > 50 * absolute, "nothing was learnt, so agreement would prove nothing"
    np.testing.assert_allclose(got_losses, losses, rtol=relative, atol=absolute)
    assert list(got) == list(after)
    for key, wanted in after.items():
        np.testing.assert_allclose(
            got[key].astype(np.float64),
            wanted.astype(np.float64),
            rtol=relative,
            atol=absolute,
            err_msg=f"{name} on {backend}: {key}",
        )


@pytest.mark.parametrize("backend", ["reference", "onnx", "tvm"])
@pytest.mark.parametrize("name", NAMES)
def test_float32_training_matches_pytorch(name: str, backend: str, oracle: Any) -> None:
    check(name, "float32", backend, oracle, "float32")


@pytest.mark.parametrize("name", NAMES)
def test_float64_training_matches_pytorch_on_the_reference(name: str, oracle: Any) -> None:
    check(name, "float64", "reference", oracle, "float64")
