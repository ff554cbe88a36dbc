"""``requires_grad_`` and ``detach_`` inside a compiled function last, as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS

Compile = Callable[[Any], Any]


def asks(t: Any, c: Compile) -> list[Any]:
    f = c(lambda x: x.requires_grad_() * 2)
    x = t.ones(2)
    return [f(x).detach().tolist(), x.requires_grad, f(x).detach().tolist(), x.requires_grad]


def stops(t: Any, c: Compile) -> list[Any]:
    f = c(lambda x: x.requires_grad_(False) * 2)
    x = t.ones(2, requires_grad=True)
    return [f(x).requires_grad, x.requires_grad, f(x).requires_grad, x.requires_grad]


def asks_and_uses(t: Any, c: Compile) -> list[Any]:
    def f(x: Any) -> Any:
        x.requires_grad_()
        (x * x).sum().backward()
        return x.grad * 1

    x = t.ones(2)
    code = c(f)
    return [code(x).tolist(), x.requires_grad, x.grad.tolist(), code(x).tolist(), x.grad.tolist()]


def uses_and_stops(t: Any, c: Compile) -> list[Any]:
    def f(x: Any) -> Any:
        (x * x).sum().backward()
        x.requires_grad_(False)
        return x.sum()

    x = t.ones(2, requires_grad=True)
    return [c(f)(x).tolist(), x.requires_grad, x.grad.tolist()]


def toggles(t: Any, c: Compile) -> list[Any]:
    def f(x: Any) -> Any:
        x.requires_grad_(False)
        x.mul_(3)
        x.requires_grad_(True)
        return x.detach() * 1

    x = t.ones(2, requires_grad=True)
    return [c(f)(x).tolist(), x.requires_grad, x.is_leaf, x.tolist()]


def forgets(t: Any, c: Compile) -> list[Any]:
    def f(x: Any) -> Any:
        x.detach_()
        return x * 2

    w = t.ones(2, requires_grad=True)
    x = w * 2
    return [c(f)(x).requires_grad, x.requires_grad, x.is_leaf, w.requires_grad]


def forgets_after_use(t: Any, c: Compile) -> list[Any]:
    def f(x: Any) -> Any:
        x.sum().backward()
        x.detach_()
        return x * 2

    w = t.ones(2, requires_grad=True)
    x = w * 2
    return [c(f)(x).requires_grad, x.requires_grad, w.grad.tolist()]


def forgets_a_leaf(t: Any, c: Compile) -> list[Any]:
    f = c(lambda x: x.detach_() * 2)
    x = t.ones(2, requires_grad=True)
    return [f(x).requires_grad, x.requires_grad]


def forgets_another(t: Any, c: Compile) -> list[Any]:
    w = t.ones(2, requires_grad=True)
    f = c(lambda x: x * w.detach_())
    return [f(t.ones(2)).requires_grad, w.requires_grad, f(t.ones(2)).tolist()]


def forgets_another_with_a_history(t: Any, c: Compile) -> list[Any]:
    w = t.ones(2, requires_grad=True)
    h = w * 3
    f = c(lambda x: x * h.detach_())
    return [f(t.ones(2)).tolist(), h.requires_grad, h.is_leaf, w.requires_grad]


def leaves_it(t: Any, c: Compile) -> list[Any]:
    f = c(lambda x: x.requires_grad_(x.requires_grad).detach() * 2)
    x, y = t.ones(2), t.ones(2, requires_grad=True)
    return [f(x).tolist(), x.requires_grad, f(y).tolist(), y.requires_grad]


PROGRAMS = [
    asks,
    stops,
    asks_and_uses,
    uses_and_stops,
    toggles,
    forgets,
    forgets_after_use,
    forgets_a_leaf,
    forgets_another,
    forgets_another_with_a_history,
    leaves_it,
]


@pytest.mark.parametrize("backend", [None, *BACKENDS])
@pytest.mark.parametrize("made", PROGRAMS)
def test_flags_last(made: Any, backend: str | None) -> None:
    def compiled(f: Any) -> Any:
        return f if backend is None else ng.compile(f, backend=backend)

    assert made(ng, compiled) == made(torch, lambda f: f)


@pytest.mark.parametrize("again", [False, True])
def test_flags_of_what_operators_made_are_refused_before_anything_changed(again: bool) -> None:
    @ng.compile(backend="reference")
    def step(x: Any, counter: Any) -> Any:
        counter.add_(1)
        x.requires_grad_(False)
        if again:
            x.requires_grad_(True)
        return x.detach() * 2

    counter, w = ng.zeros(1), ng.ones(2, requires_grad=True)
    x = w * 2
    with pytest.raises(RuntimeError, match=r"only change requires_grad flags of leaf.*'x'"):
        step(x, counter)
    assert x.requires_grad and not x.is_leaf and counter.tolist() == [0.0]
    assert step(w, counter).tolist() == [2.0, 2.0]
    assert (w.requires_grad, counter.tolist()) == (again, [1.0])


def test_an_array_has_no_flag() -> None:
    step = ng.compile(lambda x: x.requires_grad_() * 2, backend="reference")
    assert step(np.ones(2, np.float32)).tolist() == [2.0, 2.0]
