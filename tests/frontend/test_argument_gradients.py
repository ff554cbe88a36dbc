"""Gradients that arguments have before a call are read, added to, cleared and replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS


def _read(library: Any, x: Any) -> Any:
    return x.grad * 2


def _read_after(library: Any, x: Any) -> Any:
    before = x.grad * 1
    (x * x).sum().backward()
    return [before, x.grad * 1]


def _added(library: Any, x: Any) -> Any:
    (x * x).sum().backward()
    return x * 1


def _cleared(library: Any, x: Any) -> Any:
    x.grad = None
    return x * 1


def _cleared_first(library: Any, x: Any) -> Any:
    x.grad = None
    (x * x).sum().backward()
    return x.grad + 1


def _replaced(library: Any, x: Any) -> Any:
    x.grad = x.detach() * 10
    return x.grad + 1


def _scaled(library: Any, x: Any) -> Any:
    (x * x).sum().backward()
    x.grad.mul_(0.5)
    return x.grad + 1


def _zeroed(library: Any, x: Any) -> Any:
    x.grad.zero_()
    (x * x).sum().backward()
    return x.grad + 1


def _descended(library: Any, x: Any) -> Any:
    (x * x).sum().backward()
    with library.no_grad():
        x.sub_(x.grad * 0.1)
    return x * 1


def _unused(library: Any, x: Any) -> Any:
    return x.detach() * 2


PROGRAMS: list[Callable[[Any, Any], Any]] = [
    _read,
    _read_after,
    _added,
    _cleared,
    _cleared_first,
    _replaced,
    _scaled,
    _zeroed,
    _descended,
    _unused,
]


def _seen(library: Any, program: Any, wrap: Callable[[Any], Any]) -> Any:
    x = library.tensor([1.0, 2.0], requires_grad=True)
    x.grad = library.tensor([0.5, 0.25])
    held, seen = x.grad, []
    step = wrap(lambda x: program(library, x))
    for number in range(4):
        found = step(x)
        found = found if isinstance(found, list) else [found]
        seen.append([t.tolist() for t in (*found, x.detach(), held)])
        seen.append(None if x.grad is None else x.grad.tolist())
        if x.grad is None or number == 2:
            x.grad = library.tensor([1.0, 3.0])
    return seen


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_as_in_pytorch(program: Any, backend: str) -> None:
    wanted = _seen(torch, program, lambda f: f)
    traced = []

    def wrap(function: Any) -> Any:
        if backend == "eager":
            return function
        traced.append(ng.compile(function, backend=backend))
        return traced[-1]

    found = _seen(ng, program, wrap)
    assert _close(found, wanted), (found, wanted)
    assert all(f.explain().count("trace ") <= 2 for f in traced)


def _close(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_close, found, wanted))
    return found == wanted if wanted is None else abs(found - wanted) < 1e-5


@pytest.mark.parametrize("backend", BACKENDS)
def test_history_that_begins_outside(backend: str) -> None:
    """Backward inside ends at an argument: what it would have reached is not looked at inside."""
    w = ng.tensor([1.0, 2.0], requires_grad=True)
    optimizer = ng.optim.SGD([w], 0.1)

    @ng.compile(backend=backend)
    def step(h: Any) -> None:
        optimizer.zero_grad()
        (h * h).sum().backward()
        optimizer.step()

    @ng.compile(backend=backend)
    def read(x: Any, h: Any) -> Any:
        (h * x).sum().backward()
        return x.grad * 1

    for call in (lambda: step(w * 2), lambda: read(w, w * 2), lambda: read(w, (w * 2)[:])):
        with pytest.raises(RuntimeError, match=r"'h' was made outside.*pass h\.detach\(\)"):
            call()
    assert w.tolist() == [1, 2] and w.grad is None
    assert read(w, w.detach() * 2).tolist() == [2, 4]

    w.grad = None

    @ng.compile(backend=backend)
    def both(h: Any) -> None:
        (h * w).sum().backward()

    both(w * 2)
    theirs = torch.tensor([1.0, 2.0], requires_grad=True)
    (theirs * 2 * theirs).sum().backward()
    assert w.grad.tolist() == theirs.grad.tolist()
