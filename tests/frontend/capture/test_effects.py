"""What a call leaves behind: each kind of effect, in traces and in calls."""

from __future__ import annotations

from weakref import ref

import numpy as np
import pytest

import nngraph as ng
from nngraph import optim
from nngraph.frontend.capture.effects import (
    ArgumentGradient,
    ArgumentWritten,
    GradientsCleared,
    GradientSet,
    LeavesSet,
    Returned,
)
from nngraph.ir.roles import Role


def compiled(function):
    return ng.compile(function, backend="reference")


def test_every_effect_names_its_output():
    w, v = (ng.ones(2, requires_grad=True) for _ in range(2))

    @compiled
    def step(x, y):
        (x * w).sum().backward()
        y.add_(1)
        v.grad = None
        return {"a": x.detach() * 2, "b": [3, y + 0]}

    x, y = ng.ones(2, requires_grad=True), ng.zeros(2)
    out = step(x, y)
    assert step.traced.effects == [
        Returned(0, 0),
        Returned(1, 2),
        ArgumentWritten(2, 1),
        GradientSet(3, ref(w)),
        GradientsCleared((ref(v),)),
        ArgumentGradient(4, 0),
    ]
    roles = [(o.role, o.of) for o in step.traced.signature.outputs]
    assert roles == [
        (Role.RESULT, ""),
        (Role.RESULT, ""),
        (Role.ARGUMENT, "y"),
        (Role.GRADIENT, "tensor_0"),
        (Role.ARGUMENT_GRADIENT, "x"),
    ]
    assert out["b"][0] == 3 and out["b"][1].tolist() == y.tolist() == [1, 1]
    assert w.grad.tolist() == x.grad.tolist() == [1, 1]
    assert out["a"].tolist() == [2, 2]


def test_a_gradient_is_cleared_also_where_there_was_none_at_the_trace():
    w = ng.ones(2, requires_grad=True)

    @compiled
    def clear():
        w.grad = None

    clear()
    (w * 2).sum().backward()
    clear()
    assert w.grad is None
    assert clear.explain().count("\ntrace ") == 1


def test_a_gradient_that_the_code_only_reads_stays_the_same_tensor():
    w = ng.ones(2, requires_grad=True)
    (w * 2).sum().backward()
    known = w.grad

    @compiled
    def look():
        return w.grad * 2

    assert look().tolist() == [4, 4]
    assert w.grad is known and known.tolist() == [2, 2]


def test_a_step_that_freezes_a_parameter_freezes_it():
    w, v = (ng.ones(2, requires_grad=True) for _ in range(2))
    rule = optim.SGD([w, v], lr=1.0)

    def step(freeze):
        w.requires_grad_(not freeze)
        (w * v).sum().backward()
        rule.step()
        rule.zero_grad()
        return w.requires_grad

    fast = compiled(step)
    assert fast(False) is True
    assert w.tolist() == v.tolist() == [0, 0]
    assert w.requires_grad
    assert fast(True) is False
    assert not w.requires_grad
    assert LeavesSet(((ref(w), False),)) in fast.traced.effects
    assert fast(False) is True
    assert w.requires_grad


def test_the_gradient_of_a_tensor_that_is_made_inside_needs_no_new_trace():
    p = ng.ones(3)

    @compiled
    def step(x):
        q = p.detach().requires_grad_()
        (q * x).sum().backward()
        return q.grad * 1

    assert [step(ng.full((3,), v)).tolist() for v in (1.0, 2.0)] == [[1, 1, 1], [2, 2, 2]]
    assert step.explain().count("\ntrace ") == 1
    assert p.grad is None and not p.requires_grad


def test_a_flag_that_changes_between_calls_traces_anew():
    w, scale = ng.ones(2, requires_grad=True), ng.ones(2)

    @compiled
    def step():
        (w * scale).sum().backward()

    step()
    assert w.grad is not None and scale.grad is None
    w.requires_grad_(False)
    scale.requires_grad_()
    w.grad = None
    step()
    assert w.grad is None and scale.grad.tolist() == [1, 1]
    assert "requires_grad of a tensor changed" in step.explain()
    scale.grad = None
    step()
    assert step.explain().count("\ntrace ") == 2


def test_a_trace_alone_toggles_nothing():
    w = ng.ones(2, requires_grad=True)

    def step():
        w.requires_grad_(False)
        return w + 1

    ng.trace(step)
    assert w.requires_grad


def test_written_arguments_may_be_views_and_arrays():
    @compiled
    def double(x):
        x.mul_(2)

    base = ng.arange(6).reshape(2, 3).clone()
    double(base.t()[1:])
    assert base.tolist() == [[0, 2, 4], [3, 8, 10]]
    array = np.ones(2, np.float32)
    double(array)
    assert array.tolist() == [2, 2]
    with pytest.raises(ValueError, match="read-only: pass a copy"):
        double(ng.ones(1).expand(3))
