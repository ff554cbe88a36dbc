"""The benchmarked models are the same network in PyTorch and in nngraph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

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
from tests.support.conditioning import Run, Shake, require_insensitive, still

# Both compute in float32 and sum in different orders; losses and weights are of order one.
TOLERANCE = (1e-4, 1e-5)
STEPS = 2


@pytest.fixture(params=sorted(WORKLOADS))
def workload(request: pytest.FixtureRequest) -> Workload:
    return WORKLOADS[request.param]


@pytest.fixture
def torch_model(workload: Workload) -> Iterator[Any]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the networks are tiny: two threads would only wait for each other
    torch.manual_seed(0)
    yield workload.build(torch_framework(), small=True)
    torch.set_num_threads(threads)


def train(
    fw: Framework, workload: Workload, model: Any, dtype: str = "float32", shake: Shake = still
) -> Run:
    """Losses of a few steps, and the weights after them."""
    model = model.double() if dtype == "float64" else model
    optimizer = workload.build_optimizer(fw, model)
    step = make_train_step(optimizer, lambda x, y: loss_of(fw, model, x, y))
    losses = []
    for x, y in workload.batches(STEPS, small=True):
        shake(model.parameters())
        x = x.astype(dtype) if x.dtype == np.float32 else x
        losses.append(float(to_numpy(step(fw.from_numpy(x), fw.from_numpy(y)))))
    return Run(losses, read_weights(model))


def predict(fw: Framework, workload: Workload, model: Any) -> Array:
    """Outputs in evaluation mode."""
    x, _ = workload.batches(1, small=True)[0]
    with fw.no_grad():
        return to_numpy(model.eval()(fw.from_numpy(x)))


def nngraph_twin(workload: Workload, torch_model: Any) -> tuple[Framework, Any]:
    """The model in nngraph, with the weights of PyTorch's."""
    fw = nngraph_framework()
    model = workload.build(fw, small=True)
    load_weights(fw, model, read_weights(torch_model))
    return fw, model


def test_state_dicts_have_equal_names_order_and_shapes(
    workload: Workload, torch_model: Any
) -> None:
    ours = read_weights(workload.build(nngraph_framework(), small=True))
    theirs = read_weights(torch_model)
    assert [(k, v.shape, v.dtype) for k, v in ours.items()] == [
        (k, v.shape, v.dtype) for k, v in theirs.items()
    ]


def test_predictions_agree(workload: Workload, torch_model: Any) -> None:
    fw, model = nngraph_twin(workload, torch_model)
    expected = predict(torch_framework(), workload, torch_model)
    np.testing.assert_allclose(predict(fw, workload, model), expected, *TOLERANCE)


def test_losses_and_updated_weights_agree(workload: Workload, torch_model: Any) -> None:
    fw, model = nngraph_twin(workload, torch_model)
    initial = read_weights(model)

    def run(dtype: str, shake: Shake) -> Run:
        torch_model.load_state_dict({k: torch_framework().tensor(v) for k, v in initial.items()})
        return train(torch_framework(), workload, torch_model.float(), dtype, shake)

    expected = require_insensitive(workload.name, run, "float32", TOLERANCE)
    got = train(fw, workload, model)
    np.testing.assert_allclose(got.losses, expected.losses, *TOLERANCE)
    for name, value in expected.arrays.items():
        np.testing.assert_allclose(got.arrays[name], value, *TOLERANCE, err_msg=name)
    assert any(not np.array_equal(got.arrays[name], initial[name]) for name in initial)


def test_batches_repeat_and_differ(workload: Workload) -> None:
    first, again = workload.batches(2, small=True), workload.batches(2, small=True)
    assert all(
        np.array_equal(a, b)
        for pair in zip(first, again, strict=True)
        for a, b in zip(*pair, strict=True)
    )
    assert not np.array_equal(first[0][0], first[1][0])
