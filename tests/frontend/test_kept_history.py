"""What a compiled part keeps in Python's objects and in buffers has its history after the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS
from tests.support.tolerances import assert_close

Compile = Callable[[Any], Any]


def given(t: Any, *values: float) -> Any:
    return t.tensor(values, dtype=t.float64)


def a_model(t: Any, forward: Any) -> Any:
    """A module with a parameter, a state that is a plain attribute, and buffers."""

    class Model(t.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.w = t.nn.Parameter(given(t, 0.5, 0.8))
            self.h = t.zeros(2, dtype=t.float64)
            self.register_buffer("last", t.zeros(2, dtype=t.float64))
            self.register_buffer("cache", t.zeros(3, 2, dtype=t.float64))
            self.register_buffer("mean", t.zeros(2, dtype=t.float64))
            self.aux = None
            self.seen: dict[str, Any] = {}
            self.sums: list[Any] = []

        def forward(self, x: Any) -> Any:
            return forward(self, x)

    return Model()


def attributes(t: Any, c: Compile) -> list[Any]:
    """A loss, an item of a dict, a list that grows, and a mean that nobody differentiates."""

    def forward(self: Any, x: Any) -> Any:
        y = (x * self.w).tanh()
        self.aux = (y * y).sum()
        self.seen["first"] = y[0]
        self.sums.append(y.sum())
        self.h = 0.9 * self.h + 0.1 * y
        return y

    model, left = a_model(t, forward), []
    run = c(model)
    for i in range(4):
        model.w.grad = None
        loss = run(given(t, 0.3, 0.4) * (i + 1)).sum() + model.aux
        (loss + model.seen["first"] * model.sums[-1]).backward()
        left += [model.w.grad, model.h.requires_grad]
    model.w.grad, model.h = None, model.h.detach()
    run(given(t, 1, 2))
    model.h.sum().backward()
    return [*left, model.w.grad]


def a_chain_of_calls(t: Any, c: Compile) -> list[Any]:
    def forward(self: Any, x: Any) -> Any:
        self.h = (x + self.w * self.h).tanh()
        return self.h

    model = a_model(t, forward)
    run = c(model)
    for i in range(3):
        out = run(given(t, 0.3, 0.4) * (i + 1))
    (first,) = t.autograd.grad(out.sum(), model.w, create_graph=True)
    (second,) = t.autograd.grad(first.sum(), model.w)
    return [first.detach(), second]


def buffers(t: Any, c: Compile) -> list[Any]:
    def forward(self: Any, x: Any) -> Any:
        y = (x * self.w).tanh()
        self.last[:] = y
        self.cache[1] = y * 2
        self.mean.mul_(0.9).add_(0.1 * y)
        return y

    model, left = a_model(t, forward), []
    run = c(model)
    for i in range(3):
        model.w.grad = None
        for buffer in model.buffers():
            buffer.detach_()
        loss = run(given(t, 0.3, 0.4) * (i + 1)).sum() + model.last.prod() + model.cache.sum()
        (loss + model.mean.sum()).backward()
        left += [model.w.grad, *(b.detach().clone() for b in model.buffers())]
    for i in range(2):  # the mean keeps what backward freed, which nobody asks for
        model.w.grad = None
        run(given(t, 0.3, 0.4) * (i + 1)).sum().backward()
        left += [model.w.grad, model.mean.requires_grad]
    return left


def heads(t: Any, c: Compile) -> list[Any]:
    """What a loss does not depend on has no gradient, rather than one of zeros."""
    one, two = given(t, 1, 2).requires_grad_(), given(t, 3, 4).requires_grad_()
    run = c(lambda x: (x * one, x.exp() * two, x * one * two))
    for i in range(2):
        run(given(t, 5, 6))[i].sum().backward()
        left = [one.grad, two.grad]
    first, second, both = run(given(t, 5, 6))
    return [*left, *t.autograd.grad(first.sum() + both.sum(), [one, two]), second.detach()]


def close(got: Any, wanted: Any) -> None:
    if isinstance(wanted, torch.Tensor):
        assert_close(got.detach().numpy(), wanted.detach().numpy(), "kept")
    else:
        assert got == wanted


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("program", [attributes, a_chain_of_calls, buffers, heads])
def test_what_is_kept_has_its_history(program: Any, backend: str) -> None:
    found = program(ng, lambda f: ng.compile(f, backend=backend))
    for got, wanted in zip(found, program(torch, lambda f: f), strict=True):
        close(got, wanted)


def test_one_trace_serves_a_chain() -> None:
    def forward(self: Any, x: Any) -> Any:
        self.h = (x + self.w * self.h).tanh()
        return self.h

    run = ng.compile(a_model(ng, forward), backend="reference")
    for _ in range(6):
        run(given(ng, 0.3, 0.4))
    assert len(run._compiled_function._history) == 2  # with nothing there, with a history there


def test_backward_a_second_time_through_an_earlier_call() -> None:
    def forward(self: Any, x: Any) -> Any:
        self.h = (x + self.w * self.h).tanh()
        return self.h

    run = ng.compile(a_model(ng, forward), backend="reference")
    run(given(ng, 1, 2)).sum().backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        run(given(ng, 1, 2)).sum().backward()


@pytest.mark.parametrize("kind", ["an attribute", "a buffer"])
def test_backward_inside_through_an_earlier_call(kind: str) -> None:
    def forward(self: Any, x: Any) -> Any:
        if kind == "an attribute":
            self.h = (x + self.w * self.h).tanh()
            return self.h
        self.mean.mul_(self.w).add_(x)
        return self.mean * 1

    model = a_model(ng, forward)
    ng.compile(model, backend="reference")(given(ng, 1, 2))
    step = ng.compile(lambda x: model(x).sum().backward(), backend="reference")
    name = r"model\.h" if kind == "an attribute" else r"model\.mean"
    with pytest.raises(RuntimeError, match=f"backward through {name}.*history of that call is"):
        step(given(ng, 1, 2))
