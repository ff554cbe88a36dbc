"""Parameters of 16 bits: an update rounds where PyTorch's functions round, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS

OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.7, "weight_decay": 0.1, "nesterov": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.7, "dampening": 0.3, "maximize": True}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.05, "amsgrad": True}),
    ("RMSprop", {"lr": 0.05}),
    ("RMSprop", {"lr": 0.05, "momentum": 0.7, "centered": True, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.05, "lr_decay": 0.1, "weight_decay": 0.1}),
    ("Adadelta", {"lr": 0.5, "weight_decay": 0.1, "eps": 1e-3}),
    ("Adamax", {"lr": 0.05, "weight_decay": 0.1}),
    ("ASGD", {"lr": 0.05, "t0": 1, "lambd": 0.1, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.05, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 0.05, "betas": (0.5, 0.9), "weight_decay": 0.1}),
    ("Rprop", {"lr": 0.05, "step_sizes": (1e-3, 0.2)}),
]
SIZE, STEPS = 4000, 3
MORE_STEPS = {"RAdam": 8}  # it adapts its rate from the sixth on
# Another last place of float32 (a fused multiply-add, a root) is another rounding for so few.
FEW = 0.004


def _updated(library: Any, name: str, options: dict[str, Any], dtype: str, backend: str) -> Any:
    steps = MORE_STEPS.get(name, STEPS)
    rng = np.random.default_rng(7)
    kind = getattr(library, dtype)
    first, *grads = (rng.normal(size=SIZE).astype(np.float32) for _ in range(1 + steps))
    w = library.tensor(first).to(kind).requires_grad_()
    optimizer = getattr(library.optim, name)([w], **options)

    def step(g: Any) -> None:
        optimizer.zero_grad()
        (w * g).sum().backward()
        optimizer.step()

    run = step if backend == "eager" else ng.compile(step, backend=backend)
    for grad in grads:
        run(library.tensor(grad).to(kind))
    state = optimizer.state_dict()["state"].get(0, {})
    kept = [v for k, v in sorted(state.items()) if k != "step" and v is not None]
    return [t.detach().float().numpy() for t in (w, *kept)]


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=lambda v: str(v))
def test_bits(name: str, options: dict[str, Any], dtype: str, backend: str) -> None:
    wanted = _updated(torch, name, options, dtype, "eager")
    found = _updated(ng, name, options, dtype, backend)
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert (ours != theirs).mean() <= FEW
