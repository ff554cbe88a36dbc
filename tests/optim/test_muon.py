"""Muon against PyTorch's: its steps are of bfloat16, whose last digits are each library's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph import optim

RNG = np.random.default_rng(5)
START = [RNG.standard_normal(shape) for shape in ((3, 5), (6, 2), (4, 4))]
GRADS = [[RNG.standard_normal(a.shape) for a in START] for _ in range(20)]
CASES: list[dict[str, Any]] = [
    {},
    {"lr": 0.02, "weight_decay": 0.5, "momentum": 0.7, "nesterov": False},
    {"lr": 0.02, "adjust_lr_fn": "match_rms_adamw", "ns_steps": 3, "eps": 1e-3},
    {"lr": 0.02, "ns_coefficients": (3.0, -4.0, 1.8), "adjust_lr_fn": "original"},
]


def run(f: Any, options: dict[str, Any], dtype: str, compiled: bool = False) -> Any:
    params = [f.nn.Parameter(f.tensor(a.astype(dtype))) for a in START]
    optimizer = f.optim.Muon(params, **options)

    def step(*grads: Any) -> None:
        for param, grad in zip(params, grads, strict=True):
            param.grad = grad
        optimizer.step()

    call = ng.compile(step, backend="reference") if compiled else step
    for grads in GRADS:
        call(*(f.tensor(g.astype(dtype)) for g in grads))
    return params, optimizer


@pytest.mark.parametrize("options", CASES, ids=str)
@pytest.mark.parametrize("way", ["eager", "compiled", "float32"])
def test_trajectories_are_pytorchs(options: dict[str, Any], way: str) -> None:
    dtype = "float32" if way == "float32" else "float64"
    ours, own = run(ng, options, dtype, way == "compiled")
    theirs, other = run(torch, options, dtype)
    assert repr(own) == repr(other)
    assert own.state_dict()["param_groups"] == other.state_dict()["param_groups"]
    lr = options.get("lr", 1e-3)
    for start, a, b in zip(START, ours, theirs, strict=True):
        wanted = b.detach().numpy()
        # A direction has elements of some 0.5; two digits of each of 20 steps are bfloat16's.
        far = np.abs(wanted - start).max()
        np.testing.assert_allclose(a.detach().numpy(), wanted, 0, lr * 0.2, err_msg=str(far))
        assert far > lr * 2
        moments = own.state[a]["momentum_buffer"], other.state[b]["momentum_buffer"]
        np.testing.assert_allclose(*(m.detach().numpy() for m in moments), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 2), {"lr": -1.0}),
        ((2, 2), {"momentum": -0.1}),
        ((2, 2), {"weight_decay": -0.1}),
        ((2, 2), {"adjust_lr_fn": "other"}),
        ((2,), {}),
        ((2, 2, 2), {}),
    ],
)
def test_refusals(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    said = []
    for f in (torch, ng):
        with pytest.raises(ValueError) as caught:
            f.optim.Muon([f.nn.Parameter(f.ones(*shape))], **options)
        said.append(str(caught.value).replace("nngraph", "torch"))
    assert said[0] == said[1]


def test_a_group_that_is_refused_leaves_nothing() -> None:
    optimizer = optim.Muon([ng.nn.Parameter(ng.ones(2, 2))])
    with pytest.raises(ValueError, match="2D parameters"):
        optimizer.add_param_group({"params": [ng.nn.Parameter(ng.ones(2))]})
    assert len(optimizer.param_groups) == 1
