"""Clipping and conversion against PyTorch's, eager and traced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph import nn

ARRAYS = [np.random.default_rng(3).standard_normal(s) for s in ((3, 4), (5,))]


def parameters(framework: Any) -> list[Any]:
    made = [framework.nn.Parameter(framework.tensor(a)) for a in ARRAYS]
    for p in made:
        (p * p * p).sum().backward()
    return [*made, framework.nn.Parameter(framework.ones(2))]  # the last has no gradient


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 1e6])
def test_clipping_by_norm(norm_type: float, max_norm: float) -> None:
    ours, theirs = parameters(ng), parameters(torch)
    found = nn.utils.clip_grad_norm_(ours, max_norm, norm_type)
    wanted = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-12)
    for a, b in zip(ours[:2], theirs[:2], strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12)
    assert ours[2].grad is None


def test_clipping_by_value() -> None:
    ours, theirs = parameters(ng), parameters(torch)
    nn.utils.clip_grad_value_(ours, 0.3)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    for a, b in zip(ours[:2], theirs[:2], strict=True):
        np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy())


def test_a_norm_that_is_not_finite() -> None:
    p = nn.Parameter(ng.ones(2))
    p.grad = ng.tensor([np.inf, 1.0])
    with pytest.raises(RuntimeError, match="is non-finite"):
        nn.utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert nn.utils.get_total_norm([]).item() == 0


def test_a_compiled_step_clips() -> None:
    def train(framework: Any, compiled: bool) -> list[np.ndarray]:
        params = [framework.nn.Parameter(framework.tensor(a)) for a in ARRAYS]
        optimizer = framework.optim.SGD(params, lr=0.1, momentum=0.9)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = sum((p * p * p * x).sum() for p in params)
            loss.backward()
            norm = framework.nn.utils.clip_grad_norm_(params, 0.5)
            optimizer.step()
            return norm

        call = ng.compile(step, backend="reference") if compiled else step
        norms = [call(framework.tensor(x)).numpy() for x in (1.0, 2.0, 0.001)]
        return norms + [p.detach().numpy() for p in params]

    for a, b in zip(train(ng, True), train(torch, False), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


def test_vectors_of_parameters() -> None:
    ours = parameters(ng)
    vector = nn.utils.parameters_to_vector(ours[:2])
    assert vector.shape == (17,)
    nn.utils.vector_to_parameters(vector * 2, ours[:2])
    np.testing.assert_array_equal(ours[0].detach().numpy(), ARRAYS[0] * 2)
    assert ours[0].is_leaf and ours[0].requires_grad
