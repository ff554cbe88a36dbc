"""A ResNet-50, a U-Net and a DCGAN train compiled for 20 steps in step with PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.acceptance import vision
from tests.support.backends import BACKENDS
from tests.support.conditioning import Run, Shake, require_insensitive, still
from tests.support.tolerances import TRAJECTORY
from tests.support.training import count_traces

STEPS = 20
Step = Callable[..., Any]


def classifier(f: Any, models: list[Any], rate: float) -> Step:
    """The usual loop body."""
    (model,) = models
    optimizer = f.optim.SGD(model.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4)
    criterion = f.nn.CrossEntropyLoss()

    def step(image: Any, target: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(image), target)
        loss.backward()
        optimizer.step()
        return loss

    return step


def adversaries(f: Any, models: list[Any], rate: float) -> Step:
    """The loop body of PyTorch's tutorial: two models, two optimizers, three backward passes."""
    generator, discriminator = models
    criterion = f.nn.BCELoss()
    optimizer_d = f.optim.Adam(discriminator.parameters(), lr=rate, betas=(0.5, 0.999))
    optimizer_g = f.optim.Adam(generator.parameters(), lr=rate, betas=(0.5, 0.999))

    def step(real: Any, noise: Any) -> Any:
        discriminator.zero_grad()
        label = f.full((real.size(0),), 1.0, dtype=real.dtype)
        error_real = criterion(discriminator(real).view(-1), label)
        error_real.backward()
        fake = generator(noise)
        label.fill_(0.0)
        error_fake = criterion(discriminator(fake.detach()).view(-1), label)
        error_fake.backward()
        optimizer_d.step()
        generator.zero_grad()
        label.fill_(1.0)
        error = criterion(discriminator(fake).view(-1), label)
        error.backward()
        optimizer_g.step()
        return error_real + error_fake + 2 * error

    return step


def batch_of(name: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    if name == "resnet50":
        return rng.standard_normal((8, 3, 32, 32)), rng.integers(0, 5, 8)
    if name == "unet":
        return rng.standard_normal((2, 1, 17, 19)), rng.integers(0, 2, (2, 17, 19))
    return rng.standard_normal((4, 1, 16, 16)), rng.standard_normal((4, 6, 1, 1))


# Rectifiers and normalizations of few numbers magnify what is rounded: float64 leaves room for it.
MODELS: dict[str, tuple[Callable[[Any], Any], Any, float, str]] = {
    "resnet50": (vision.resnet50, classifier, 0.003, "float64"),
    "unet": (vision.unet, classifier, 0.02, "float64"),
    "dcgan": (vision.dcgan, adversaries, 2e-4, "float32"),
}


def models_of(name: str, f: Any) -> list[Any]:
    made = MODELS[name][0](f)
    return list(made) if isinstance(made, tuple) else [made]


@cache
def start(name: str) -> list[dict[str, np.ndarray]]:
    torch.manual_seed(2)
    states = [m.state_dict() for m in models_of(name, torch)]
    for key in (k for k in states[0] if k.endswith("bn3.weight")):
        states[0][key].fill_(0.1)  # at 0, as they start, what is before them would hardly train
    return [{k: v.numpy().copy() for k, v in s.items()} for s in states]


def run(name: str, f: Any, dtype: str, shake: Shake, compiled: Callable[[Step], Step]) -> Run:
    """Twenty steps from the start."""
    models = models_of(name, f)
    for model, state in zip(models, start(name), strict=True):
        model.load_state_dict({k: f.tensor(v) for k, v in state.items()})
        model.to(getattr(f, dtype))
    step = compiled(MODELS[name][1](f, models, MODELS[name][2]))
    losses: list[float] = []
    for _ in range(STEPS):
        shake(p for m in models for p in m.parameters())
        given = (v.astype(dtype) if v.dtype.kind == "f" else v for v in batch_of(name))
        losses.append(float(step(*map(f.tensor, given)).detach()))
    values = [(f"{i}.{k}", v) for i, m in enumerate(models) for k, v in m.state_dict().items()]
    return Run(losses, {k: np.array(v.detach().numpy()) for k, v in values})


@cache
def wanted(name: str) -> Run:
    def theirs(dtype: str, shake: Shake) -> Run:
        return run(name, torch, dtype, shake, lambda step: step)

    dtype = MODELS[name][3]
    return require_insensitive(name, theirs, dtype, TRAJECTORY[dtype])


@pytest.mark.parametrize("name", MODELS)
def test_text_and_names_are_pytorchs(name: str) -> None:
    for ours, theirs in zip(models_of(name, ng), models_of(name, torch), strict=True):
        assert repr(ours) == repr(theirs)
        assert list(ours.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_models_train_in_step_with_pytorch(name: str, backend: str) -> None:
    steps: list[Any] = []

    def compiled(step: Step) -> Step:
        steps.append(ng.compile(step, backend=backend, threads=1))
        return steps[0]

    dtype = MODELS[name][3]
    relative, absolute = TRAJECTORY[dtype]
    found, expected = run(name, ng, dtype, still, compiled), wanted(name)
    assert count_traces(steps[0]) == 1
    np.testing.assert_allclose(found.losses, expected.losses, rtol=relative, atol=absolute)
    assert expected.losses[-1] < expected.losses[0]
    for key, value in expected.arrays.items():
        np.testing.assert_allclose(found.arrays[key], value, relative, absolute, err_msg=key)
        if key.endswith("weight"):  # it was trained
            model, _, place = key.partition(".")
            assert np.abs(value - start(name)[int(model)][place]).max() > 1e-4, key
