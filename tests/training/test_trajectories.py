"""Training steps from the same weights give PyTorch's losses and parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
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
from tests.support.backends import BACKENDS
from tests.support.conditioning import Run, Shake, require_insensitive, still
from tests.support.tolerances import TRAJECTORY

STEPS = 20


def _resnet(**small: Any) -> Workload:
    workload = WORKLOADS["resnet18"]
    return replace(workload, small={**workload.small, **small})


# Some of the million inputs that the rectifiers of a whole ResNet see in twenty steps lie within
# a rounding error of zero. So the whole one is smooth, and the one with rectifiers is short.
CASES: dict[str, tuple[Workload, int]] = {
    "mlp": (WORKLOADS["mlp"], STEPS),
    "cnn": (WORKLOADS["cnn"], STEPS),
    "resnet18": (_resnet(activation="SiLU"), STEPS),
    "residual rectifiers": (_resnet(blocks=(1, 1)), 3),
    "lstm": (WORKLOADS["lstm"], STEPS),
    "gpt": (WORKLOADS["gpt"], STEPS),
}


def train(
    fw: Framework,
    name: str,
    weights: dict[str, Array],
    dtype: str,
    shake: Shake = still,
    wrap: Callable[[Any], Any] = lambda step: step,
) -> Run:
    """Trains from ``weights``; ``wrap`` may compile the step."""
    workload, steps = CASES[name]
    model = workload.build(fw, small=True)
    if dtype == "float64":
        model = model.double()
    load_weights(fw, model, weights)
    optimizer = workload.build_optimizer(fw, model)
    step = wrap(make_train_step(optimizer, lambda x, y: loss_of(fw, model, x, y)))
    losses = []
    for x, y in workload.batches(steps, small=True):
        shake(model.parameters())
        x = x.astype(dtype) if x.dtype == np.float32 else x
        losses.append(float(to_numpy(step(fw.from_numpy(x), fw.from_numpy(y)))))
    return Run(losses, read_weights(model))


def start_of(name: str) -> dict[str, Array]:
    """The weights that every run of a case starts from: PyTorch's own."""
    import torch

    torch.manual_seed(0)
    return read_weights(CASES[name][0].build(torch_framework(), small=True))


@pytest.fixture(scope="module")
def oracle() -> Iterator[Any]:
    """PyTorch's run of a case, shown to be insensitive to rounding, once for all backends."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the networks are tiny: two threads would only wait for each other
    known: dict[tuple[str, str], Run] = {}

    def run(name: str, dtype: str) -> Run:
        if (name, dtype) not in known:
            weights = start_of(name)
            known[name, dtype] = require_insensitive(
                name,
                lambda dtype, shake: train(torch_framework(), name, weights, dtype, shake),
                dtype,
                TRAJECTORY[dtype],
            )
        return known[name, dtype]

    yield run
    torch.set_num_threads(threads)


def check(name: str, dtype: str, backend: str, oracle: Any) -> None:
    wanted, start = oracle(name, dtype), start_of(name)
    compiled = partial(ng.compile, backend=backend, threads=1)
    got = train(nngraph_framework(), name, start, dtype, wrap=compiled)
    relative, absolute = TRAJECTORY[dtype]
    moved = max(float(np.abs(wanted.arrays[k] - start[k]).max()) for k in start)
    assert moved > 50 * absolute, "nothing was learnt, so agreement would prove nothing"
    np.testing.assert_allclose(got.losses, wanted.losses, rtol=relative, atol=absolute)
    assert list(got.arrays) == list(wanted.arrays)
    for key, array in wanted.arrays.items():
        np.testing.assert_allclose(
            got.arrays[key].astype(np.float64),
            array.astype(np.float64),
            rtol=relative,
            atol=absolute,
            err_msg=f"{name} on {backend}: {key}",
        )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CASES)
def test_float32_training_matches_pytorch(name: str, backend: str, oracle: Any) -> None:
    check(name, "float32", backend, oracle)


@pytest.mark.parametrize("name", CASES)
def test_float64_training_matches_pytorch_on_the_reference(name: str, oracle: Any) -> None:
    check(name, "float64", "reference", oracle)
