"""Code that changes modes, flags and hooks as it goes is traced once, with PyTorch's results."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS
from tests.support.training import count_traces

CALLS = 5
X = np.random.default_rng(0).standard_normal((CALLS, 4, 3))


class Library:
    """What a step is written with: nngraph or PyTorch."""

    def __init__(self, name: str) -> None:
        self.is_torch = name == "torch"
        self.t: Any = torch if self.is_torch else ng
        self.nn: Any = self.t.nn
        self.optim: Any = self.t.optim

    def fill(self, module: Any) -> Any:
        """The same weights in both libraries."""
        rng = np.random.default_rng(1)
        module.double()
        with self.t.no_grad():
            for parameter in module.parameters():
                values = rng.uniform(-0.5, 0.5, tuple(parameter.shape))
                parameter.copy_(self.t.from_numpy(values))
        return module


def view_buffer(lib: Library) -> tuple[Any, list[Any]]:
    class Masked(lib.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            square = lib.t.ones(3, 3, dtype=lib.t.float64)
            self.register_buffer("mask", lib.t.tril(square).view(1, 3, 3))
            self.linear = lib.nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            return (self.mask @ self.linear(x).unsqueeze(-1)).sum()

    model = lib.fill(Masked())
    assert model.mask._is_view() if lib.is_torch else model.mask._view is not None
    return (lambda x: model(x)), [model]


def two_views_of_one_buffer(lib: Library) -> tuple[Any, list[Any]]:
    model = lib.fill(lib.nn.Linear(3, 3))
    table = lib.t.arange(12.0, dtype=lib.t.float64).view(4, 3)
    model.register_buffer("low", table[:2])
    model.register_buffer("high", table[2:].t())

    def step(x: Any) -> Any:
        model.low.mul_(0.5)
        return (model(x)[:2] * model.low).sum() + model.high.sum()

    return step, [model]


def gan(lib: Library, restore: bool) -> tuple[Any, list[Any]]:
    maker, judge = lib.fill(lib.nn.Linear(3, 3)), lib.fill(lib.nn.Linear(3, 1))
    of_maker = lib.optim.SGD(maker.parameters(), lr=0.1)
    of_judge = lib.optim.SGD(judge.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        judge.requires_grad_(True)
        of_judge.zero_grad()
        first = judge(x).pow(2).mean() - judge(maker(x).detach()).mean()
        first.backward()
        of_judge.step()
        judge.requires_grad_(False)
        of_maker.zero_grad()
        second = judge(maker(x)).mean()
        second.backward()
        of_maker.step()
        if restore:
            judge.requires_grad_(True)
        return first + 2 * second

    return step, [maker, judge]


def freeze_inside(lib: Library) -> tuple[Any, list[Any]]:
    model = lib.fill(lib.nn.Sequential(lib.nn.Linear(3, 3), lib.nn.Linear(3, 1)))

    def step(x: Any) -> Any:
        for parameter in model[0].parameters():
            parameter.requires_grad = False
        model.zero_grad()
        model(x).sum().backward()
        return model[1].weight.grad.sum()

    return step, [model]


def eval_and_back(lib: Library) -> tuple[Any, list[Any]]:
    model = lib.fill(lib.nn.Sequential(lib.nn.Linear(3, 3), lib.nn.BatchNorm1d(3)))

    def step(x: Any) -> Any:
        model.eval()
        before = model(x).pow(2).sum()
        model.train()
        return before + model(x).pow(3).sum()

    return step, [model]


def mode_put_back(lib: Library) -> tuple[Any, list[Any]]:
    model = lib.fill(lib.nn.Sequential(lib.nn.Linear(3, 3), lib.nn.BatchNorm1d(3)))

    def step(x: Any) -> Any:
        was = model.training
        model.eval()
        value = model(x).pow(2).sum()
        model.train(was)
        return value + model(x).pow(3).sum()

    return step, [model]


def eval_left(lib: Library) -> tuple[Any, list[Any]]:
    model = lib.fill(lib.nn.Sequential(lib.nn.Linear(3, 3), lib.nn.BatchNorm1d(3)))

    def step(x: Any) -> Any:
        model.train()
        first = model(x).pow(3).sum()
        model.eval()
        return first + model(x).pow(2).sum()

    return step, [model]


def leaf_inside(lib: Library) -> tuple[Any, list[Any]]:
    model = lib.fill(lib.nn.Linear(3, 3))

    def step(x: Any) -> Any:
        leaf = (x * 2).detach().requires_grad_(True)
        model(leaf).pow(2).sum().backward()
        attack = x + 0.1 * leaf.grad.sign()
        model.zero_grad()
        return model(attack).sum()

    return step, [model]


def leaf_kept_in_a_cycle(lib: Library) -> tuple[Any, list[Any]]:
    model = lib.fill(lib.nn.Linear(3, 3))

    def step(x: Any) -> Any:
        leaf = lib.t.zeros_like(x).requires_grad_(True)
        cycle: list[Any] = [leaf]
        cycle.append(cycle)
        model(x + leaf).pow(2).sum().backward()
        model.zero_grad()
        return leaf.grad.sum()

    return step, [model]


def hook_inside(lib: Library) -> tuple[Any, list[Any]]:
    model = lib.fill(lib.nn.Linear(3, 3))

    def step(x: Any) -> Any:
        seen: list[Any] = []
        handle = model.register_forward_hook(lambda module, args, out: seen.append(out * 2))
        value = model(x).sum()
        handle.remove()
        with_hook = model.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
        value = value + model(x).pow(2).sum()
        with_hook.remove()
        return value + seen[0].pow(2).sum()

    return step, [model]


def zeros_to_none_between(lib: Library) -> tuple[Any, list[Any]]:
    model = lib.fill(lib.nn.Linear(3, 3))
    optimizer = lib.optim.SGD(model.parameters(), lr=0.01)

    def step(x: Any) -> Any:
        optimizer.zero_grad(set_to_none=False)
        loss = model(x).pow(2).mean()
        loss.backward()
        optimizer.zero_grad(set_to_none=True)
        (model(x) - 1).pow(2).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return step, [model]


PROGRAMS: dict[str, Callable[[Library], tuple[Any, list[Any]]]] = {
    "view buffer": view_buffer,
    "two views of one buffer": two_views_of_one_buffer,
    "gan, flags put back": lambda lib: gan(lib, True),
    "gan, flags left": lambda lib: gan(lib, False),
    "freeze inside": freeze_inside,
    "eval and back": eval_and_back,
    "mode put back": mode_put_back,
    "eval left": eval_left,
    "leaf inside": leaf_inside,
    "leaf kept in a cycle": leaf_kept_in_a_cycle,
    "hook inside": hook_inside,
    "zeros to none between": zeros_to_none_between,
}


def outcome(lib: Library, step: Any, owners: list[Any]) -> tuple[list[float], list[Any]]:
    """Results of all calls, and what is left in the modules."""
    results = [float(step(lib.t.from_numpy(x.copy())).detach()) for x in X]
    left: list[Any] = []
    for owner in owners:
        left += [np.array(v.detach().numpy()) for v in owner.state_dict().values()]
        left += [p.requires_grad for p in owner.parameters()]
        left += [None if p.grad is None else p.grad.numpy() for p in owner.parameters()]
        left += [m.training for m in owner.modules()]
        left += [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in owner.modules()]
    return results, left


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_traced_once(name: str, backend: str) -> None:
    twin = Library("torch")
    wanted, left_there = outcome(twin, *PROGRAMS[name](twin))
    lib = Library("nngraph")
    step, owners = PROGRAMS[name](lib)
    compiled = ng.compile(step, backend=backend, threads=1, keep_grads=True)
    gc.disable()  # what only cycles hold is there at the second call
    try:
        got, left = outcome(lib, compiled, owners)
    finally:
        gc.enable()
    assert count_traces(compiled) == 1, compiled.explain()
    np.testing.assert_allclose(got, wanted, rtol=1e-9)
    for ours, theirs in zip(left, left_there, strict=True):
        if isinstance(theirs, np.ndarray):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
        else:
            assert ours == theirs


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_mode_left_by_a_call_counts_for_other_functions(backend: str) -> None:
    model = ng.nn.Dropout(1.0)
    drop = ng.compile(lambda x: (model.train(), model(x))[1], backend=backend, threads=1)
    look = ng.compile(lambda x: model(x), backend=backend, threads=1)
    model.eval()
    x = ng.ones(3)
    assert look(x).tolist() == [1, 1, 1]
    assert drop(x).tolist() == [0, 0, 0]
    assert model.training
    assert look(x).tolist() == [0, 0, 0]
    model.eval()
    assert look(x).tolist() == [1, 1, 1]
    assert count_traces(look) == 2
    assert count_traces(drop) == 1


def test_a_mode_that_the_code_asks_for_counts_as_it_was_found() -> None:
    model = ng.nn.BatchNorm1d(3)

    @ng.compile(backend="reference")
    def step(x: Any) -> Any:
        was = model.training
        model.eval()
        model.train(was)
        return x * (2 if was else 3)

    x = ng.ones(1)
    assert step(x).tolist() == [2]
    model.eval()
    assert step(x).tolist() == [3]
    assert not model.training
    model.train()
    assert step(x).tolist() == [2]
    assert count_traces(step) == 2


def test_a_failed_trace_leaves_modes_and_flags() -> None:
    model = ng.nn.Linear(3, 3)

    @ng.compile(backend="reference")
    def step(x: Any) -> Any:
        model.eval()
        model.requires_grad_(False)
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        step(ng.ones(3))
    assert model.training
    assert model.weight.requires_grad
    ng.trace(lambda x: model.eval()(x), ng.ones(3))
    assert model.training


def test_flags_changed_outside_are_seen_by_all_functions() -> None:
    model = ng.nn.Linear(3, 1)

    @ng.compile(backend="reference", keep_grads=True)
    def step(x: Any) -> None:
        model.zero_grad()
        model(x).sum().backward()

    @ng.compile(backend="reference")
    def freeze() -> None:
        model.weight.requires_grad_(False)

    x = ng.ones(2, 3)
    step(x)
    assert model.weight.grad.tolist() == [[2, 2, 2]]
    freeze()
    step(x)
    assert model.weight.grad is None
    assert model.bias.grad.tolist() == [2]
    model.weight.requires_grad = True
    step(x)
    assert model.weight.grad.tolist() == [[2, 2, 2]]
    assert count_traces(step) == 2


def test_many_traces_are_warned_of_once_with_the_reasons() -> None:
    @ng.compile(backend="reference")
    def power(x: Any, n: int) -> Any:
        return x**n

    x = ng.ones(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(8):
            power(x, n)
    with pytest.warns(RuntimeWarning, match=r"traced 9 times(.|\n)*n is 8 now, it was 7") as caught:
        for n in range(8, 20):
            power(x, n)
    assert len(caught) == 1


def test_many_sizes_are_no_reason_to_warn() -> None:
    double = ng.compile(lambda x: x * 2, backend="reference")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(12):
            double(ng.ones(n))


def test_the_reason_is_that_of_the_nearest_trace() -> None:
    first, second = ng.nn.Dropout(0.5), ng.nn.Dropout(0.5)

    @ng.compile(backend="reference")
    def step(x: Any) -> Any:
        return second(first(x))

    step(ng.ones(2))
    first.eval()
    second.eval()
    step(ng.ones(2))
    first.train()
    second.p = 0.25
    step(ng.ones(2))
    lines = [line for line in step.explain().splitlines() if line.startswith("trace ")]
    assert "in the mode of eval() now" in lines[1]
    assert "module 'Dropout' has p = 0.25 now" in lines[2]


def test_explain_lists_what_a_trace_relies_on() -> None:
    model = ng.nn.Sequential(ng.nn.Linear(2, 2), ng.nn.Dropout(0.5))
    optimizer = ng.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @ng.compile(backend="reference")
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    step(ng.ones(2))
    lines = step.explain().splitlines()
    assert lines[1].startswith("trace 1 (first call)")
    for line in (
        "  state: 0.weight, 0.bias",
        "  read at each call: lr",
        "  guarded: module '0'",
        "  guarded: the modes of '1'",
        "  guarded: requires_grad of ",
        "  guarded: optimizer option 'nesterov'",
        "  guarded: the parameter groups of SGD",
        "  guarded: the state of SGD",
    ):
        assert any(found.startswith(line) for found in lines), (line, lines)
