"""Views: chains of them read and write the memory under them, eagerly, recorded and traced."""

from __future__ import annotations

import gc
from weakref import ref

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.frontend.capture.recorder import Trace
from nngraph.frontend.world import inside
from nngraph.ir.graph import Graph

# Each takes a part of a tensor of shape (2, 3, 4) or of what another left of it.
STEPS = {
    "rotate": lambda t: t.permute(*[*range(1, t.ndim), 0]),  # its inverse turns the other way
    "flip axes": lambda t: t.permute(*reversed(range(t.ndim))),
    "rows": lambda t: t[1:],
    "every second": lambda t: t[..., ::2],
    "pick": lambda t: t[-1] if t.ndim > 1 else t,
    "unsqueeze": lambda t: t.unsqueeze(1),
    "part": lambda t: part_of(t),
    "reshape": lambda t: t.reshape(-1, t.shape[-1]),
}
CHAINS = [
    *(("rotate", name) for name in STEPS),
    *((name, "rotate") for name in STEPS if name != "rotate"),
    ("rotate", "rows", "rotate", "every second"),
    ("part", "rotate", "part", "unsqueeze"),
    ("every second", "flip axes", "pick"),
]


def part_of(t):
    """The output of an operator with several, where PyTorch lets it be written to."""
    if isinstance(t, torch.Tensor):
        return t.narrow(0, 1, t.shape[0] - 1)
    return t.split([1, t.shape[0] - 1])[1]


def start(library):
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    return library.tensor(values)


def view_of(t, chain):
    for name in chain:
        t = STEPS[name](t)
    return t


def assigned(x, chain):
    """Writes to a view at the end of a chain; gives it, the base and a sibling."""
    sibling = x.permute(1, 2, 0)
    part = view_of(x, chain)
    part.mul_(-2)
    part.add_(x.sum())
    return part + 0, x + 0, sibling * 1


@pytest.mark.parametrize("chain", CHAINS, ids=" ".join)
def test_a_write_to_a_view_reaches_the_base(chain):
    wanted = [t.numpy() for t in assigned(start(torch), chain)]
    eager = [t.numpy() for t in assigned(start(ng), chain)]
    compiled = ng.compile(assigned, backend="reference")
    given = start(ng)
    traced = [t.numpy() for t in compiled(given, chain)]
    for want, now, then in zip(wanted, eager, traced, strict=True):
        np.testing.assert_array_equal(now, want)
        np.testing.assert_array_equal(then, want)
    np.testing.assert_array_equal(given.numpy(), wanted[1])


def recorded(library, chain):
    w = start(library).requires_grad_()
    x = w * 2
    part = view_of(x, chain)
    part.mul_(part.detach() + 1)
    view_of(x, chain).pow_(2)
    (x * w).sum().backward()
    return [x.detach(), part.detach(), w.grad]


@pytest.mark.parametrize("chain", CHAINS, ids=" ".join)
def test_gradients_flow_through_writes_to_views(chain):
    wanted = [t.numpy() for t in recorded(torch, chain)]
    eager = [t.numpy() for t in recorded(ng, chain)]
    compiled = ng.compile(lambda: recorded(ng, chain), backend="reference")()
    for want, now, then in zip(wanted, eager, compiled, strict=True):
        np.testing.assert_allclose(now, want, rtol=1e-6)
        np.testing.assert_allclose(then.numpy(), want, rtol=1e-6)


def read_attributes(t):
    """All that can be asked of a tensor without an operator."""
    read = (t.requires_grad, t.is_leaf, t.grad_fn, t.grad, t.shape, t.dtype, t.stride())
    return (*read, t.detach().shape, t.data.requires_grad)


def program(library, look):
    w = library.ones(3, 4, requires_grad=True)
    a = w * 2
    row, column = a[1], a.t()[0]
    look(row, column, a)
    a.mul_(w + 1)
    look(row, column, a)
    column.add_(row[0])
    look(row, column, a)
    (row * row).sum().backward()
    look(w, row)
    return w.grad


def test_reading_attributes_changes_nothing():
    def ask(*tensors):
        for t in tensors:
            first, second = read_attributes(t), read_attributes(t)
            assert first[:3] == second[:3] and first[2] is second[2]
            before = (t._storage, t._view, t._grad, t._storage.elements, t._storage.version)
            read_attributes(t)
            after = (t._storage, t._view, t._grad, t._storage.elements, t._storage.version)
            assert all(a is b for a, b in zip(before, after, strict=True))

    wanted = program(torch, lambda *_: None)
    for look in (ask, lambda *_: None):
        assert program(ng, look).tolist() == wanted.tolist()


def test_reading_attributes_adds_no_node_to_a_trace():
    base = ng.zeros(3, 4)
    outer = base[1]
    trace = Trace(Graph())
    with inside(trace):
        row = base.t()[2]
        base.add_(1)
        count, versions = len(trace.graph), (base._storage.version, len(trace.cells))
        for t in (base, row, outer):
            read_attributes(t)
        assert len(trace.graph) == count
        assert (base._storage.version, len(trace.cells)) == versions


def test_a_view_detached_in_a_trace_still_shows_its_base():
    def clear(x):
        x.view(-1).detach()[::2].zero_()
        return x + 0

    for run in (clear, ng.compile(clear, backend="reference")):
        x = ng.ones(2, 2)
        assert run(x).tolist() == x.tolist() == [[0, 1], [0, 1]]


def test_a_view_with_a_history_is_not_detached_in_place():
    w = ng.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="Can't detach views in-place"):
        (w * 2)[0].detach_()


def test_views_made_before_their_base_turns_keep_their_elements():
    x = ng.arange(6).reshape(2, 3).clone()
    row = x[1]
    x.t_()
    x[0, 1] = 9
    assert row.tolist() == [9, 4, 5]
    assert x.shape == (3, 2)


def test_assigning_keeps_memory_that_numpy_sees():
    array = np.zeros(3, np.float32)
    x, w = ng.from_numpy(array), ng.ones(3, requires_grad=True)
    x.add_(w * 2)
    x[1:].mul_(w[1:])
    assert array.tolist() == [2, 2, 2]
    x.sum().backward()
    assert w.grad.tolist() == [2, 4, 4]


def test_backward_frees_what_it_saved_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        w = ng.ones(3, requires_grad=True)
        a = w * 2
        saved = ref(a._storage)
        loss = (a.exp() * a[1:].sum()).sum()
        loss.backward()
        del a, loss
        assert saved() is None
    finally:
        gc.enable()


OVERWRITTEN = {
    "whole": lambda a, y: a.detach().zero_(),
    "through a view": lambda a, y: a.detach().t()[1:].zero_(),
    "through a view made before": lambda a, y: y.detach().zero_(),
}


@pytest.mark.parametrize("how", OVERWRITTEN)
@pytest.mark.parametrize("compiled", [False, True])
def test_what_was_saved_and_overwritten_is_refused(how, compiled):
    def run():
        w = ng.ones(2, 3, requires_grad=True)
        a = w * 2
        y = a.view(-1)
        out = a.exp() if how == "whole" else (a * a)
        OVERWRITTEN[how](out if how == "whole" else a, y)
        out.sum().backward()

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        (ng.compile(run, backend="reference") if compiled else run)()
