"""Exported steps that leave something for their next call: each call of the file is PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.files import calls_of
from tests.support.tolerances import assert_close

Step = Callable[[Any], Any]
CALLS = 4


class Setup:
    """Parameters and an optimizer of a library, and steps over them."""

    def __init__(self, lib: Any) -> None:
        self.lib = lib
        self.w = lib.nn.Parameter(lib.tensor([1.0, -2.0, 0.5]))
        self.optimizer = lib.optim.SGD([self.w], lr=0.1, momentum=0.9)
        self.dampened = lib.optim.SGD([self.w], lr=0.1, momentum=0.9, dampening=0.5)
        self.model = lib.nn.Dropout(1.0)

    def loss(self, x: Any) -> Any:
        return (self.w * self.w * x).sum()

    # -- steps whose gradients grow ----------------------------------------------------------
    def accumulates(self, x: Any) -> Any:
        self.loss(x).backward()
        return self.w.grad * 1

    def accumulates_twice(self, x: Any) -> Any:
        self.loss(x).backward()
        (self.w * x).sum().backward()
        return self.w.grad * 1

    def accumulates_and_steps(self, x: Any) -> Any:
        self.loss(x).backward()
        self.optimizer.step()
        return self.w.detach() * 1

    def clips(self, x: Any) -> Any:
        self.loss(x).backward()
        self.lib.nn.utils.clip_grad_norm_([self.w], 1.0)
        self.optimizer.step()
        return self.w.detach() * 1

    def fills_with_zeros(self, x: Any) -> Any:
        self.optimizer.zero_grad(set_to_none=False)
        self.loss(x).backward()
        self.optimizer.step()
        return self.w.detach() * 1

    def clears_afterwards(self, x: Any) -> Any:
        self.loss(x).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return self.w.detach() * 1

    # -- steps whose first call does something else --------------------------------------------
    def looks(self, x: Any) -> Any:
        factor = 1 if self.w.grad is None else 2
        self.loss(x).backward()
        return self.w.detach() * factor

    def replaces(self, x: Any) -> Any:
        before, self.w.grad = self.w.grad, None
        self.loss(x).backward()
        if before is not None:
            self.w.grad = self.w.grad * 0.5 + before
        return self.w.grad * 1

    def steps_before(self, x: Any) -> Any:
        self.optimizer.step()
        self.loss(x).backward()
        return self.w.detach() * 1

    def dampens(self, x: Any) -> Any:
        self.dampened.zero_grad()
        self.loss(x).backward()
        self.dampened.step()
        return self.w.detach() * 1

    def stays_in_eval(self, x: Any) -> Any:
        result = self.model(x) + x * self.w.detach()
        self.model.eval()
        return result

    def freezes(self, x: Any) -> Any:
        result = x * (2 if self.w.requires_grad else 3)
        self.w.requires_grad_(False)
        return result

    # -- steps that no file can do -------------------------------------------------------------
    def toggles(self, x: Any) -> Any:
        result = x * (2 if self.w.requires_grad else 3)
        self.w.requires_grad_(not self.w.requires_grad)
        return result

    def decays_more(self, x: Any) -> Any:
        self.optimizer.zero_grad()
        self.loss(x).backward()
        self.optimizer.step()
        self.optimizer.param_groups[0]["weight_decay"] += 0.1
        return self.w.detach() * 1


ANY_CALL = [
    "accumulates",
    "accumulates_twice",
    "accumulates_and_steps",
    "clips",
    "fills_with_zeros",
    "clears_afterwards",
]
LATER_CALLS = [
    *("looks", "replaces", "steps_before", "dampens", "stays_in_eval", "freezes", "decays_more")
]
NO_FILE = ["toggles"]


def inputs() -> list[np.ndarray]:
    return [np.array([1.0, 2.0, -1.0], np.float32) * (k + 1) for k in range(CALLS)]


def expected(name: str) -> list[np.ndarray]:
    """What PyTorch's calls return."""
    step = getattr(Setup(torch), name)
    return [step(torch.from_numpy(x)).detach().numpy().copy() for x in inputs()]


def assert_same(found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    assert len(found) == len(wanted)
    for one, two in zip(found, wanted, strict=True):
        assert_close(one, two)


def exported(step: Any, path: Path, *args: Any) -> Path:
    return ng.export(step, path, *args, state="initializers")


@pytest.mark.parametrize("name", ANY_CALL)
def test_a_step_that_was_never_called(name: str, tmp_path: Path) -> None:
    setup = Setup(ng)
    path = exported(ng.compile(getattr(setup, name)), tmp_path / "a.onnx", ng.spec((3,)))
    assert setup.w.grad is None
    assert_same(list(calls_of(path, inputs())), expected(name))


@pytest.mark.parametrize("name", ANY_CALL + LATER_CALLS)
def test_a_step_that_was_called(name: str, tmp_path: Path) -> None:
    batches, wanted = inputs(), expected(name)
    step = ng.compile(getattr(Setup(ng), name))
    first = 2 if name == "steps_before" else 1  # the call that makes the gradient, and the momentum
    for x in batches[:first]:
        step(ng.from_numpy(x))
    path = exported(step, tmp_path / "a.onnx")
    assert_same(list(calls_of(path, batches[first:])), wanted[first:])


@pytest.mark.parametrize("name", LATER_CALLS + NO_FILE)
def test_a_step_whose_first_call_differs_is_refused(name: str, tmp_path: Path) -> None:
    setup = Setup(ng)
    words = {
        "looks": "the gradient of .* is None before the first call",
        "replaces": "the gradient of .* is None before the first call",
        "steps_before": "the gradient of .* is None before the first call",
        "dampens": "does not dampen the momentum",
        "stays_in_eval": r"in the mode of train\(\) before the first call, and of eval\(\)",
        "freezes": "requires_grad of .* is True before the first call",
        "toggles": "requires_grad of .* is True before the first call",
        "decays_more": "weight_decay'.*: written at each call",
    }
    with pytest.raises(ValueError, match=words[name]):
        exported(ng.compile(getattr(setup, name)), tmp_path / "a.onnx", ng.spec((3,)))
    assert not list(tmp_path.iterdir())
    assert setup.w.grad is None and setup.w.requires_grad and setup.model.training


@pytest.mark.parametrize("name", NO_FILE)
def test_a_step_that_differs_at_each_call_is_refused(name: str, tmp_path: Path) -> None:
    step = ng.compile(getattr(Setup(ng), name))
    for x in inputs():
        step(ng.from_numpy(x))
    with pytest.raises(ValueError, match="requires_grad of"):
        exported(step, tmp_path / "a.onnx")


@pytest.mark.parametrize("backend", ["reference", "onnx", "tvm"])
@pytest.mark.parametrize("name", ANY_CALL + LATER_CALLS + NO_FILE)
def test_the_same_steps_compiled(name: str, backend: str) -> None:
    step = ng.compile(getattr(Setup(ng), name), backend=backend)
    found = [step(ng.from_numpy(x)).detach().numpy().copy() for x in inputs()]
    assert_same(found, expected(name))


def test_dampening_begins_with_the_second_step_after_zeros() -> None:
    """A first gradient of zeros, and a loaded buffer of zeros, are no first step."""
    found = []
    for lib in (torch, ng):
        w = lib.nn.Parameter(lib.ones(2))
        make = lib.optim.SGD
        optimizer = make([w], lr=0.1, momentum=0.9, dampening=0.5)

        def step(x: Any, w: Any = w, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            (w * x).sum().backward()
            optimizer.step()
            return w.detach() * 1

        code = step if lib is torch else ng.compile(step, backend="reference")
        values = [code(lib.tensor([0.0, 0.0])), code(lib.tensor([1.0, 2.0]))]
        second = make([w], lr=0.1, momentum=0.9, dampening=0.5)
        saved = optimizer.state_dict()
        saved["state"][0]["momentum_buffer"] = lib.zeros(2)
        second.load_state_dict(saved)
        w.grad = lib.ones(2)
        second.step()
        found.append([np.asarray(v.detach().numpy()) for v in (*values, w)])
    assert_same(found[1], found[0])


@pytest.mark.parametrize("owner", ["module", "optimizer"])
def test_gradients_filled_with_zeros_lose_nan_and_stay_the_same_tensor(owner: str) -> None:
    model = ng.nn.Linear(2, 1)
    model.weight.grad = kept = ng.full((1, 2), float("nan"))
    clears: Any = model if owner == "module" else ng.optim.SGD(model.parameters())
    clears.zero_grad(set_to_none=False)
    assert model.weight.grad is kept and kept.tolist() == [[0.0, 0.0]] and model.bias.grad is None
