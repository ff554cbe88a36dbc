"""What a file can carry of Python's state, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import nngraph as ng
from tests.support.files import calls_of


class Recurrent(ng.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.h = ng.zeros(3)
        self.calls = 0
        self.last: Any = None
        self.seen: list[Any]

    def forward(self, x: Any) -> Any:
        self.h = (x.mean(0) + 0.5 * self.h).detach()
        return self.h * 2


def test_a_tensor_that_is_replaced_at_each_call_is_state_of_the_file(tmp_path: Path) -> None:
    model = Recurrent()
    path = ng.export(model, tmp_path / "step.onnx", ng.spec((2, 3)), state="initializers")
    assert bool((model.h == 0).all())
    metadata = {p.key: p.value for p in onnx.load(path).metadata_props}
    step = json.loads(metadata["nngraph.step"])
    (state,) = step["state"]
    assert state["output"] and "effects" not in step
    session = onnxruntime.InferenceSession(path)
    names = [o.name for o in session.get_outputs()]
    held: dict[str, Any] = {}
    for k in range(3):
        x = np.full((2, 3), k + 1, np.float32)
        found = dict(zip(names, session.run(None, {step["batch"][0]: x} | held), strict=True))
        held = {state["input"]: found[state["output"]]}
        expected = model(ng.from_numpy(x))
        np.testing.assert_allclose(found[step["results"][0]], expected.numpy(), rtol=1e-6)


def test_a_file_of_constants_refuses_what_it_would_freeze(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"changes its state \(recurrent.h\)"):
        ng.export(Recurrent(), tmp_path / "frozen.onnx", ng.spec((2, 3)))
    assert not list(tmp_path.iterdir())


def counts(model: Any, scheduler: Any, x: Any) -> Any:
    model.calls += 1
    return x * model.calls


def caches(model: Any, scheduler: Any, x: Any) -> Any:
    if model.last is None:
        model.last = x * 0
    model.last = model.last + x
    return model.last


def lists(model: Any, scheduler: Any, x: Any) -> Any:
    model.seen.append(x)
    return x * 2


def schedules(model: Any, scheduler: Any, x: Any) -> Any:
    scheduler.optimizer.zero_grad()
    loss = (model.h * x).sum()
    loss.backward()
    scheduler.optimizer.step()
    scheduler.step()
    return loss


def test_numbers_that_each_call_changes_are_state_of_the_file(tmp_path: Path) -> None:
    model = Recurrent()

    def step(x: Any) -> Any:
        return counts(model, None, x)

    path = ng.export(
        ng.compile(step, backend="reference"),
        tmp_path / "a.onnx",
        ng.spec((2, 3)),
        state="initializers",
    )
    assert model.calls == 0
    found = list(calls_of(path, [np.ones((2, 3), np.float32)] * 3))
    np.testing.assert_array_equal([each[0, 0] for each in found], [1, 2, 3])


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (lists, r"model\.seen: grows"),
        (caches, r"model\.last: made"),
        (schedules, "an index or a size needs the value of scheduler.last_epoch"),
    ],
)
def test_what_only_python_has_is_refused(tmp_path: Path, code: Any, words: str) -> None:
    model = Recurrent()
    model.h = ng.nn.Parameter(ng.ones(3))
    optimizer = ng.optim.SGD(model.parameters(), lr=0.1)
    model.seen = []
    rates = [1.0, 0.5, 0.25]
    scheduler = ng.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rates[step])

    def step(x: Any) -> Any:
        return code(model, scheduler, x)

    compiled = ng.compile(step, backend="reference")
    with pytest.raises(ValueError, match=words):
        ng.export(compiled, tmp_path / "a.onnx", ng.spec((2, 3)))
    assert not list(tmp_path.iterdir())
    assert model.calls == 0 and model.last is None


def test_what_only_python_looks_at_is_left_to_it(tmp_path: Path) -> None:
    model = Recurrent()

    def step(x: Any) -> Any:
        model.calls += 1
        return x * 2

    ng.export(ng.compile(step, backend="reference"), tmp_path / "a.onnx", ng.spec((2, 3)))
    assert model.calls == 0
