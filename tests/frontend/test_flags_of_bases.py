"""What a view and a recorded graph know of a base whose ``requires_grad`` changed since."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import nngraph as ng


def _view_of_a_detached_leaf(t: Any) -> Any:
    w = t.ones(3, requires_grad=True)
    v = w[1:]
    w.detach_()
    return v.requires_grad, v.is_leaf, w.requires_grad


def _view_of_a_detached_result(t: Any) -> Any:
    x = t.ones(3, requires_grad=True) * 1
    v = x[1:]
    x.detach_()
    return v.requires_grad, v.is_leaf, x.is_leaf


def _view_of_a_stopped_leaf(t: Any) -> Any:
    w = t.ones(3, requires_grad=True)
    v = w[1:]
    w.requires_grad_(False)
    (v * v).sum().backward()
    return w.grad, v.requires_grad


def _view_of_what_becomes_a_leaf(t: Any) -> Any:
    w = t.ones(3)
    v = w[1:]
    w.requires_grad_()
    return v.requires_grad, w[:1].requires_grad


def _view_of_what_was_assigned_and_detached(t: Any) -> Any:
    x = t.ones(3)
    v = x[1:]
    x.mul_(t.ones(3, requires_grad=True))
    x.detach_()
    return v.requires_grad, v.is_leaf


def _leaf_detached_before_backward(t: Any) -> Any:
    w, u = t.ones(3, requires_grad=True), t.ones(3, requires_grad=True)
    y = w * 2 * u
    w.detach_()
    y.sum().backward()
    return w.grad, u.grad is None


def _leaf_stopped_during_backward(t: Any) -> Any:
    w = t.ones(3, requires_grad=True)
    y = w * 2
    w.requires_grad_(False)
    y.sum().backward()
    return (w.grad,)


PROGRAMS: list[Callable[[Any], Any]] = [
    _view_of_a_detached_leaf,
    _view_of_a_detached_result,
    _view_of_a_stopped_leaf,
    _view_of_what_becomes_a_leaf,
    _view_of_what_was_assigned_and_detached,
    _leaf_detached_before_backward,
    _leaf_stopped_during_backward,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_as_in_pytorch(program: Callable[[Any], Any]) -> None:
    wanted = program(torch)
    assert program(ng) == wanted
    assert ng.compile(lambda: program(ng), backend="reference")() == wanted


def test_numbers_of_a_leaf_stopped_and_asked_again() -> None:
    w = ng.ones(3, requires_grad=True)
    y = w * 2
    w.requires_grad_(False).requires_grad_(True)
    y.sum().backward()
    assert w.grad is not None and w.grad.tolist() == [2, 2, 2]


def test_a_view_of_what_became_a_leaf_is_not_written() -> None:
    w = ng.ones(3)
    v = w[1:]
    w.requires_grad_()
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        v.mul_(2)
    assert w.tolist() == [1, 1, 1]
