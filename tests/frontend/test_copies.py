"""Copies and pickles of compiled functions, and compiled methods."""

from __future__ import annotations

import copy
import functools
import pickle
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph import nn, optim
from tests.support.backends import BACKENDS
from tests.support.training import count_traces

X = np.ones((2, 3), np.float32)


@ng.compile(backend="reference")
def at_the_top(x: Any) -> Any:
    return x * 2


def plain_at_the_top(x: Any) -> Any:
    return x * 3


of_plain = ng.compile(plain_at_the_top, backend="reference")


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", ng.zeros(()))

    def forward(self, x: Any) -> Any:
        self.count.add_(1)
        return x + self.count


class Trainer:
    """A training program in a class, one of whose methods is compiled."""

    def __init__(self) -> None:
        self.model = nn.Linear(3, 1, bias=False)
        with ng.no_grad():
            self.model.weight.fill_(1)
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.5)

    @ng.compile(backend="reference")
    def step(self, x: Any, scale: float = 1.0) -> Any:
        self.optimizer.zero_grad()
        loss = (self.model(x) * scale).sum()
        loss.backward()
        self.optimizer.step()
        return loss


class WithCompiled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(ng.ones(3))
        self.fast = ng.compile(self._slow, backend="reference")

    def _slow(self, x: Any) -> Any:
        return x * self.weight

    def forward(self, x: Any) -> Any:
        return self.fast(x)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_deep_copy_of_a_compiled_module_has_its_own_state(backend: str) -> None:
    run = ng.compile(Counter(), backend=backend, threads=1, check_finite=True)
    x = ng.zeros(2)
    assert [run(x)[0].item() for _ in range(2)] == [1, 2]
    other = copy.deepcopy(run)
    inner, others = run._compiled_function, other._compiled_function
    assert (others.target, others.checks.finite) == (inner.target, True)
    assert others.function is not inner.function
    with pytest.raises(RuntimeError, match="nothing was traced yet"):
        _ = other.graph
    assert [other(x)[0].item() for _ in range(3)] == [3, 4, 5]
    assert run(x)[0].item() == 3
    assert count_traces(inner) == count_traces(others) == 1


def test_a_deep_copy_of_a_function_meets_the_same_tensors() -> None:
    count = ng.zeros(())
    run = ng.compile(lambda: count.add_(1) * 1, backend="reference")
    run()
    for other in (copy.deepcopy(run), copy.copy(run)):
        before = count.item()
        assert other is not run
        assert other.function is run.function
        assert other().item() == before + 1
        assert run().item() == before + 2


def test_a_copy_of_a_compiled_module_shares_its_module() -> None:
    run = ng.compile(Counter(), backend="reference")
    other = copy.copy(run)
    assert other._orig_mod is run._orig_mod
    assert [run(ng.zeros(1)).item(), other(ng.zeros(1)).item()] == [1, 2]


def test_a_deep_copy_of_an_object_takes_its_compiled_parts_along() -> None:
    model = WithCompiled()
    x = ng.ones(3)
    model(x)
    other = copy.deepcopy(model)
    with ng.no_grad():
        other.weight.fill_(5)
    assert other(x).tolist() == [5, 5, 5]
    assert model(x).tolist() == [1, 1, 1]
    assert other.fast.function.__self__ is other
    partial = ng.compile(functools.partial(WithCompiled._slow, model), backend="reference")
    assert copy.deepcopy(partial)(x).tolist() == [1, 1, 1]


def test_pickles_by_name_by_function_and_by_module() -> None:
    assert pickle.loads(pickle.dumps(at_the_top)) is at_the_top
    again = pickle.loads(pickle.dumps(of_plain))
    assert again is not of_plain
    assert again.function is plain_at_the_top
    assert again(ng.ones(1)).item() == 3
    run = ng.compile(Counter(), backend="reference", keep_grads=True)
    run(ng.zeros(1))
    other = pickle.loads(pickle.dumps(run))
    assert other._compiled_function.keep_grads
    assert [other(ng.zeros(1)).item(), run(ng.zeros(1)).item()] == [2, 2]


def test_what_has_no_name_says_how_to_go_on() -> None:
    def inside(x: Any) -> Any:
        return x

    for function in (inside, lambda x: x):
        run = ng.compile(function, backend="reference")
        run(ng.ones(1))
        with pytest.raises(
            pickle.PicklingError, match=r"compile it anew(.|\n)*state_dict"
        ) as caught:
            pickle.dumps(run)
        assert function.__qualname__ in str(caught.value)
    with pytest.raises(pickle.PicklingError, match="top level of"):
        pickle.dumps({"model": Counter(), "step": ng.compile(inside)})


def test_a_compiled_method_belongs_to_its_object() -> None:
    one, two = Trainer(), Trainer()
    assert one.step is one.step
    assert one.step is not two.step
    x = ng.from_numpy(X)
    assert [one.step(x).item() for _ in range(3)] == [6, 0, -6]
    assert two.step(x).item() == 6
    assert two.step(x, scale=0.5).item() == 0
    assert count_traces(one.step) == 1
    assert Trainer.step.function.__name__ == "step"
    other = copy.deepcopy(one)
    assert other.step is not one.step
    assert [other.step(x).item(), one.step(x).item()] == [-12, -12]
    loaded = pickle.loads(pickle.dumps(one))
    assert loaded.step(x).item() == -18
    assert loaded.step.function.__self__ is loaded
    assert one.step(x).item() == -18


def test_a_compiled_method_needs_room_in_its_object() -> None:
    class Slotted:
        __slots__ = ()

        @ng.compile(backend="reference")
        def step(self, x: Any) -> Any:
            return x

    with pytest.raises(TypeError, match=r"self\.step = ng\.compile\(self\._step\)"):
        Slotted().step(ng.ones(1))


def test_a_compiled_module_in_a_class_is_no_method() -> None:
    class Program:
        predict = ng.compile(Counter(), backend="reference")

    assert Program().predict is Program.predict
    assert Program().predict(ng.zeros(1)).item() == 1
