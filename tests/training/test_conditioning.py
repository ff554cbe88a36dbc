"""The guard of comparisons with PyTorch's training: what it lets pass and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.support.conditioning import IllConditioned, Run, Shake, require_insensitive

TOLERANCE = (1e-4, 1e-5)


def train(
    loss_of: Callable[[Any, int], Any], dtype: str, shake: Shake, steps: int = 5, lr: float = 0.1
) -> Run:
    """Descends on a loss of three weights and the step's number."""
    w = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float32).to(getattr(torch, dtype))
    w.requires_grad_()
    losses = []
    for step in range(steps):
        shake([w])
        loss = loss_of(w, step)
        losses.append(loss.item())
        (gradient,) = torch.autograd.grad(loss, w)
        with torch.no_grad():
            w -= lr * gradient
    return Run(losses, {"w": w.detach().numpy()})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_smooth_run_passes_and_is_pytorchs_plain_one(dtype: str) -> None:
    def run(dtype: str, shake: Shake) -> Run:
        return train(lambda w, step: w.tanh().square().sum(), dtype, shake)

    found = require_insensitive("smooth", run, dtype, TOLERANCE)
    assert found.losses == run(dtype, lambda parameters: None).losses
    assert found.losses[-1] < found.losses[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_rectifier_on_its_edge_is_refused_by_its_step(dtype: str) -> None:
    places: dict[int, float] = {}

    def loss_of(w: Any, step: int) -> Any:
        # The edge lies where the first run is, as it does by chance in a large network.
        place = places.setdefault(step, float(w.detach().sum()))
        return w.square().sum() + (torch.relu(w.sum() - place) if step == 2 else 0.0)

    def run(dtype: str, shake: Shake) -> Run:
        return train(loss_of, dtype, shake)

    with pytest.raises(IllConditioned, match="differ is the loss of step 4, by") as caught:
        require_insensitive("edge", run, dtype, TOLERANCE)
    assert f"edge, {dtype}: PyTorch " in str(caught.value)


def test_growing_differences_are_refused_with_what_they_grew_to() -> None:
    def run(dtype: str, shake: Shake) -> Run:
        return train(lambda w, step: -3 * w.square().sum(), dtype, shake, steps=14, lr=1.0)

    with pytest.raises(IllConditioned, match=r"magnifies a difference of 6.0e-08 [\d,]+ times"):
        require_insensitive("growth", run, "float32", (1e-7, 1e-8))


def test_one_that_is_not_a_number_is_refused() -> None:
    def run(dtype: str, shake: Shake) -> Run:
        return Run([float("nan")], {})

    with pytest.raises(IllConditioned, match="the loss of step 1"):
        require_insensitive("nan", run, "float32", TOLERANCE)


def test_a_last_weight_that_parts_is_named() -> None:
    def run(dtype: str, shake: Shake) -> Run:
        return Run([1.0], {"b": torch.tensor([1.0, 1.0 + (dtype == "float64")]).numpy()})

    with pytest.raises(IllConditioned, match=r"computing in float64.* is b after step 1"):
        require_insensitive("weight", run, "float32", TOLERANCE)
