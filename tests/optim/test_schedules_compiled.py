"""Schedules beside and inside a compiled step: PyTorch's rates, and one trace for all steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.optim.schedules import METRICS, OPTIMIZERS, PLATEAUS, SCHEDULES, STEPS, Run, X


def traces(compiled: Any) -> int:
    return int(compiled.explain().count("\ntrace "))


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_one_trace_serves_all_steps(name: str, optimizer: str, inside: bool) -> None:
    ours, theirs = (Run(f, optimizer, SCHEDULES[name]) for f in (ng, torch))

    def advance(run: Run) -> None:
        for schedule in run.schedules:
            schedule.step()

    def both(x: Any) -> Any:
        total = ours.step(x)
        advance(ours)
        return total

    compiled = ng.compile(both if inside else ours.step, backend="reference")
    for _ in range(25):
        found, wanted = compiled(ng.tensor(X)), theirs.step(torch.tensor(X))
        assert float(found) == pytest.approx(wanted.item(), rel=1e-9)
        advance(theirs)
        if not inside:
            advance(ours)
        np.testing.assert_allclose(ours.numbers(), theirs.numbers(), rtol=0, atol=1e-12)
        for a, b in zip(ours.schedules, theirs.schedules, strict=True):
            np.testing.assert_allclose(a.get_last_lr(), b.get_last_lr(), rtol=0, atol=1e-12)
    assert traces(compiled) == 1


@pytest.mark.parametrize("options", PLATEAUS, ids=str)
def test_a_plateau_needs_one_trace(options: dict[str, Any]) -> None:
    ours, theirs = (
        Run(f, "Adam", lambda s, o: s.ReduceLROnPlateau(o, **options)) for f in (ng, torch)
    )
    compiled = ng.compile(ours.step, backend="reference")
    for metric in METRICS * 2:
        found, wanted = compiled(ng.tensor(X)), theirs.step(torch.tensor(X))
        assert float(found) == pytest.approx(wanted.item(), rel=1e-9)
        ours.schedule.step(metric)
        theirs.schedule.step(metric)
        np.testing.assert_allclose(ours.numbers(), theirs.numbers(), rtol=0, atol=1e-12)
    assert traces(compiled) == 1


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_two_hundred_steps_and_resumed_midway(name: str, optimizer: str) -> None:
    ours, theirs = (Run(f, optimizer, SCHEDULES[name]) for f in (ng, torch))
    for at in range(STEPS - 1):
        if at == 77:
            saved = [schedule.state_dict() for schedule in ours.schedules]
            groups = ours.optimizer.state_dict()
            ours = Run(ng, optimizer, SCHEDULES[name])
            ours.optimizer.load_state_dict(groups)
            for schedule, state in zip(ours.schedules, saved, strict=True):
                schedule.load_state_dict(state)
        for run in (ours, theirs):
            run.optimizer.step()
            for schedule in run.schedules:
                schedule.step()
        np.testing.assert_allclose(ours.numbers(), theirs.numbers(), rtol=0, atol=1e-12)
