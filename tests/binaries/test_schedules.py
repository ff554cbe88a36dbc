"""A schedule, a number that the code changes, and half precision are in a binary, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph import nn, optim


def test_the_step_needs_no_host(tmp_path: Path) -> None:
    model = nn.Linear(4, 3, dtype=ng.bfloat16)
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    model.calls = 0  # type: ignore[assignment]

    def train(x: Any) -> Any:
        model.calls += 1  # type: ignore[operator]
        optimizer.zero_grad()
        loss = (model(x).float() ** 2).mean() * (1 + model.calls)  # type: ignore[operator]
        loss.backward()
        optimizer.step()
        return loss

    step = ng.compile(train, backend="tvm")
    args = ng.spec((2, 4), ng.bfloat16)
    binary = ng.load_binary(ng.build(step, tmp_path / "a", args, schedule=schedule), trust=True)
    bundle = ng.load_step(ng.export(step, tmp_path / "b", args, schedule=schedule), backend="tvm")
    assert not binary.signature.scalars
    for x in np.random.default_rng(0).standard_normal((4, 2, 4)):
        batch = ng.tensor(x).to(ng.bfloat16)
        assert binary(batch).item() == bundle(batch).item()
    assert binary.state_dict()["optimizer.lr"].item() == 0.5**5
    with pytest.raises(KeyError, match="'lr': the scalars of train are none"):
        binary.scalars["lr"] = 1
        binary(batch)
