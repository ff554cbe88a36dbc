"""Normalizations, and other modules, of inputs without elements or axes: PyTorch decides."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph import nn
from tests.support.backends import BACKENDS

Make = Callable[[Any], Any]

NORMS: dict[str, tuple[Make, tuple[int, ...]]] = {
    "batch, no sample": (lambda n: n.BatchNorm1d(3), (0, 3)),
    "batch, no position": (lambda n: n.BatchNorm1d(3), (2, 3, 0)),
    "batch, no image": (lambda n: n.BatchNorm2d(3), (0, 3, 2, 2)),
    "batch, cumulative": (lambda n: n.BatchNorm2d(3, momentum=None), (0, 3, 2, 2)),
    "batch, not affine": (lambda n: n.BatchNorm2d(3, affine=False), (2, 3, 0, 2)),
    "layer, no row": (lambda n: n.LayerNorm(4), (0, 4)),
    "layer, rows of nothing": (lambda n: n.LayerNorm((2, 0)), (3, 2, 0)),
    "group, no sample": (lambda n: n.GroupNorm(2, 4), (0, 4, 3)),
    "instance, no position": (lambda n: n.InstanceNorm1d(3), (2, 3, 0)),
    "rms, no row": (lambda n: n.RMSNorm(4), (0, 4)),
}


def _state(module: Any) -> dict[str, Any]:
    values = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    found = {name: value.tolist() for name, value in values.items()}
    grads = {n: p.grad if p.grad is None else p.grad.tolist() for n, p in module.named_parameters()}
    return {**found, **{f"{name}.grad": value for name, value in grads.items()}}


def _step(module: Any, x: Any) -> Any:
    y = module(x)
    if y.requires_grad:
        y.sum().backward()
    return y.detach()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", NORMS)
def test_normalizations_of_nothing(name: str, training: bool) -> None:
    make, shape = NORMS[name]
    theirs = make(torch.nn).train(training)
    wanted = _step(theirs, torch.zeros(shape))
    for backend in (None, *BACKENDS):
        ours = make(nn).train(training)
        step = partial(_step, ours)
        found = (ng.compile(step, backend=backend) if backend else step)(ng.zeros(shape))
        assert (tuple(found.shape), found.dtype.name) == (tuple(wanted.shape), "float32")
        assert _state(ours) == _state(theirs), backend


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("eps", [0.0, -1e-5])
def test_the_epsilon_of_batch_norm(eps: float, training: bool) -> None:
    for library in (torch, ng):
        norm = library.nn.BatchNorm1d(2, eps=eps).train(training)
        if eps == 0 and not training:
            assert norm(library.ones(3, 2)).tolist() == [[1, 1]] * 3
        else:
            with pytest.raises(ValueError, match="eps must be"):
                norm(library.ones(3, 2))


@pytest.mark.parametrize("number", [-2.0, 0.0, 3.0])
def test_prelu_of_a_number(number: float) -> None:
    found = []
    for library in (torch, ng):
        x = library.tensor(number, requires_grad=True)
        slope = library.nn.PReLU()
        y = slope(x)
        y.backward()
        found.append((tuple(y.shape), y.item(), x.grad.item(), slope.weight.grad.tolist()))
    assert found[0] == found[1]


@pytest.mark.filterwarnings("ignore:reduction")  # PyTorch's word on 'mean'
@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "batchmean", "none"])
def test_kl_divergence_from_a_target_that_requires_grad(reduction: str, log_target: bool) -> None:
    rng = np.random.default_rng(3)
    scores, target = rng.standard_normal((2, 4)), rng.dirichlet(np.ones(4), 2)
    found = []
    for library in (torch, ng):
        x = library.tensor(scores, requires_grad=True)
        t = library.tensor(target, requires_grad=True)
        loss = library.nn.KLDivLoss(reduction=reduction, log_target=log_target)
        value = loss(x.log_softmax(1), t)
        value.sum().backward()
        found.append([v.detach().numpy() for v in (value, x.grad, t.grad)])
    for got, wanted in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(got, wanted, 1e-12)
