"""A trace keeps its changes to itself: eager tensors are as they were, also while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

import nngraph as ng
from nngraph import optim
from nngraph.frontend.capture.recorder import Trace
from nngraph.frontend.errors import TraceError
from nngraph.frontend.world import EAGER, eagerly, inside, world
from nngraph.ir.graph import Graph


def reference(function: Callable[..., ng.Tensor | None]) -> Callable[..., ng.Tensor]:
    return ng.compile(function, backend="reference")  # type: ignore[return-value]


def parts(tensor: ng.Tensor) -> tuple[object, ...]:
    """What a tensor is made of, by identity."""
    storage = tensor._storage
    elements = storage.elements
    made = (storage, tensor._view, tensor._edge, tensor._seen, tensor._grad)
    return (*made, elements, elements.array, elements.value, elements.version, elements.left)


def change_everything(w: ng.Tensor, buffer: ng.Tensor, row: ng.Tensor) -> None:
    """Each kind of change, by each of its ways."""
    (w * w).sum().backward()
    with ng.no_grad():
        w.sub_(w.grad)
        w.data = w.data * 2
    w.grad = None
    buffer.add_(1)
    row.mul_(2)
    buffer[0] = w[0] * 3  # recorded
    buffer.t().mul_(w.sum())
    row.detach().zero_()


@pytest.fixture
def tensors() -> tuple[ng.Tensor, ng.Tensor, ng.Tensor]:
    w = ng.ones(3, requires_grad=True)
    (w * 3).sum().backward()
    buffer = ng.zeros(2, 3)
    return w, buffer, buffer[1]


def test_nothing_changes_while_the_trace_runs_nor_after_it(
    tensors: tuple[ng.Tensor, ng.Tensor, ng.Tensor],
) -> None:
    before = [parts(t) for t in tensors]

    def same() -> bool:
        now = [parts(t) for t in tensors]
        pairs = [p for a, b in zip(before, now, strict=True) for p in zip(a, b, strict=True)]
        return all(a is b for a, b in pairs)

    def step() -> None:
        change_everything(*tensors)
        assert same()

    ng.trace(step)
    assert same()


def test_the_trace_sees_its_own_changes_and_eager_code_inside_does_not() -> None:
    x = ng.zeros(2)
    trace = Trace(Graph())
    with inside(trace):
        version = trace.elements(x._storage).version
        x.add_(1)
        assert trace.elements(x._storage).version == version + 1
        with eagerly():
            assert world() is EAGER
            assert x.tolist() == [0, 0]
            assert x._storage.version == version
        assert world() is trace
    assert world() is EAGER


def test_a_version_counts_runs_and_not_traces() -> None:
    w, x = ng.ones(2, requires_grad=True), ng.ones(2)
    (recorded := (w * x).sum()).backward(retain_graph=True)

    def step() -> None:
        x.mul_(2)

    before = x._storage.version
    ng.trace(step)
    assert x._storage.version == before
    recorded.backward(retain_graph=True)  # what it saved is untouched
    reference(step)()
    assert x._storage.version == before + 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        recorded.backward()


def test_a_failed_trace_needs_nothing_undone(
    tensors: tuple[ng.Tensor, ng.Tensor, ng.Tensor],
) -> None:
    before = [parts(t) for t in tensors]

    @reference
    def step() -> None:
        change_everything(*tensors)
        raise KeyError("stop")

    with pytest.raises(KeyError):
        step()
    for old, t in zip(before, tensors, strict=True):
        assert all(a is b for a, b in zip(old, parts(t), strict=True))


def test_a_failed_trace_takes_new_optimizer_state_back() -> None:
    w, late = ng.ones(2, requires_grad=True), ng.ones(2, requires_grad=True)
    rule = optim.Adam([w, late])
    fail = False

    def step(both: bool) -> None:
        (w * w).sum().backward()
        if both:
            late.sum().backward()
        rule.step()
        rule.zero_grad()
        if fail:
            raise KeyError("stop")

    compiled = ng.compile(step, backend="reference")
    compiled(False)
    known = {p: dict(s) for p, s in rule.state.items()}
    fail = True
    with pytest.raises(KeyError):
        compiled(True)
    assert {p: dict(s) for p, s in rule.state.items()} == known
    assert all(rule.state[p][k] is v for p, s in known.items() for k, v in s.items())
    fail = False
    compiled(True)
    assert [float(rule.state[p]["step"]) for p in (w, late)] == [2, 1]


def test_a_history_that_was_recorded_before_can_be_walked_inside() -> None:
    w = ng.ones(3, requires_grad=True)

    def run(compiled: bool) -> list[float]:
        w.grad = None
        buffer = ng.full((3,), 2.0)
        first = buffer * w  # saves the elements that the next line replaces
        buffer.mul_(first)
        total = (buffer * first).sum()

        def back() -> None:
            total.backward()

        (reference(back) if compiled else back)()
        assert w.grad is not None
        found: list[float] = w.grad.tolist()
        return found

    assert run(True) == run(False) == [16, 16, 16]


def test_tensors_of_another_trace_are_refused_everywhere() -> None:
    kept = threading.local()  # no trace looks there
    ng.trace(lambda x: setattr(kept, "x", x * 2), ng.spec((2,)))
    leaked = kept.x
    assert "traced tensor" in repr(leaked)
    uses: list[Callable[[], object]] = [leaked.tolist, lambda: leaked + 1, lambda: leaked[0]]
    for use in uses:
        with pytest.raises(TraceError, match="leave a compiled function only by"):
            use()
        with pytest.raises(TraceError):
            ng.trace(use)
    with pytest.raises(TraceError, match="leave a compiled function only by"):
        leaked.zero_()


def test_names_of_states_come_from_modules_also_for_views() -> None:
    class Table(ng.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", ng.arange(6).reshape(2, 3))

        def forward(self, x: ng.Tensor) -> ng.Tensor:
            return x + self.table

    graph = ng.trace(Table(), np.zeros((2, 3), np.int64))
    assert [s.name for s in graph.states] == ["table"]
