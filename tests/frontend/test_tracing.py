"""Tracing: symbolic sizes, views written in place, errors that name the line, random numbers."""

from __future__ import annotations

import numpy as np
import pytest

import nngraph as ng
from nngraph.frontend.compile import trace
from nngraph.frontend.errors import TraceError
from nngraph.ir.evaluate import evaluate
from nngraph.ir.verify import verify

rng = np.random.default_rng(3)
WEIGHT = ng.tensor(rng.standard_normal((12, 5)).astype("f4"))

# Usual model code over a batch of unknown size; x is (batch, 3, 4).
SYMBOLIC = {
    "view": lambda x: x.view(x.shape[0], -1),
    "view of size()": lambda x: x.view(x.size(0), 12),
    "reshape -1": lambda x: x.reshape(-1, 12),
    "flatten": lambda x: x.flatten(1) @ WEIGHT,
    "slice": lambda x: x[:, :2],
    "index": lambda x: x[:, 0],
    "step": lambda x: x[:, ::2, 1:],
    "mean over the batch": lambda x: x.mean(0),
    "sum": lambda x: x.sum((1, 2)),
    "transpose": lambda x: x.transpose(1, 2) @ x,
    "permute and view": lambda x: x.permute(0, 2, 1).reshape(x.size(0), 12),
    "softmax": lambda x: x.softmax(-1),
    "cat": lambda x: ng.cat([x, x * 2], dim=1),
    "stack": lambda x: ng.stack([x, x], 1),
    "split": lambda x: x.split(2, dim=2)[1],
    "normalize": lambda x: (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True),
    "expand": lambda x: WEIGHT[:4, 0].expand(x.size(0), 3, 4) + x,
    "zeros": lambda x: ng.zeros(x.size(0), 3, 4) + x,
    "where": lambda x: ng.where(x > 0, x, 0.0),
    "argmax": lambda x: x.argmax(1),
    "einsum": lambda x: ng.einsum("bij,bkj->bik", x, x),
    "unsqueeze": lambda x: (x.unsqueeze(1) * x.unsqueeze(2)).sum(-1),
}


@pytest.mark.parametrize("name", SYMBOLIC)
def test_a_batch_of_unknown_size(name):
    function = SYMBOLIC[name]
    graph = trace(function, ng.spec((None, 3, 4)))
    verify(graph)
    x = ng.tensor(rng.standard_normal((6, 3, 4)).astype("f4"))
    compiled = ng.compile(function, backend="reference")(x)
    np.testing.assert_allclose(compiled.numpy(), function(x).numpy(), rtol=1e-5, atol=1e-6)
    out = graph.outputs[0].type
    assert out.rank == compiled.ndim
    known = [(d, n) for d, n in zip(out.shape, compiled.shape, strict=True) if isinstance(d, int)]
    assert all(d == n for d, n in known)


def compiled_and_eager(function, *arrays):
    """Results and arguments after the call, compiled and eager."""
    out = []
    for run in (ng.compile(function, backend="reference"), function):
        given = [ng.tensor(a) for a in arrays]
        result = run(*given)
        out.append([t.detach().numpy() for t in (result, *given)])
    for got, wanted in zip(*out, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_an_argument_changed_in_place():
    def function(x):
        x.mul_(2)
        x[0, 0] = 9
        return x.sum()

    compiled_and_eager(function, np.ones((2, 3), np.float32))


def test_views_of_views_write_to_their_base():
    def function(x):
        part = x[1:].t()[1:]
        part[0] = 7
        sibling = x[:, 2]
        x.add_(1)
        part.mul_(2)
        return sibling + x.view(-1)[:3]

    compiled_and_eager(function, np.arange(9, dtype=np.float32).reshape(3, 3))


def test_a_view_made_before_the_trace_follows_its_base():
    base = ng.zeros(2, 3)
    row = base[1]

    @ng.compile(backend="reference")
    def step(x):
        base.add_(x)
        return row * 1

    assert step(ng.ones(3)).tolist() == [1, 1, 1]
    assert row.tolist() == [1, 1, 1]
    assert step(ng.ones(3)).tolist() == [2, 2, 2]
    assert base.tolist() == [[2, 2, 2]] * 2


def test_a_buffer_that_takes_a_recorded_result_keeps_its_values_and_history():
    buffer = ng.zeros(3)
    w = ng.tensor([1.0, 2.0, 3.0], requires_grad=True)

    @ng.compile(backend="reference")
    def step(x):
        buffer[1:] = (w * x)[1:]
        buffer.mul_(2)
        return buffer.sum()

    assert step(ng.ones(3)).item() == 10
    assert buffer.tolist() == [0, 4, 6]
    assert buffer.requires_grad
    assert step(ng.ones(3)).item() == 10
    buffer.sum().backward()
    assert w.grad.tolist() == [0, 2, 2]


@pytest.mark.parametrize("wrong", [lambda x: x + ng.ones(5), lambda x: x @ x, lambda x: x.view(5)])
def test_shape_errors_while_tracing_are_runtime_errors(wrong):
    with pytest.raises(RuntimeError, match=r"2.*3"):
        trace(wrong, ng.spec((2, 3)))


def test_a_misfit_names_the_line():
    def wrong(x):
        return x + ng.ones(5)

    with pytest.raises(RuntimeError, match=r"test_tracing.py:\d+: return x \+ ng.ones\(5\)"):
        trace(wrong, ng.spec((2, 3)))


def test_values_that_a_mask_would_choose_are_refused_with_the_line():
    def wrong(x):
        x[x > 0] = ng.ones(3)
        return x

    with pytest.raises(TraceError, match=r"test_tracing.py:\d+"):
        trace(wrong, ng.spec((2, 3)))


def test_random_numbers_are_the_same_compiled_and_eager():
    def draw(x):
        return x + ng.rand(3) * ng.randn(3)

    ng.manual_seed(5)
    eager = [draw(ng.zeros(3)).tolist() for _ in range(2)]
    ng.manual_seed(5)
    compiled = ng.compile(draw, backend="reference")
    assert [compiled(ng.zeros(3)).tolist() for _ in range(2)] == eager
    assert eager[0] != eager[1]


def test_gradients_of_two_leaves_do_not_share_memory():
    def step(a, b):
        (a + b).sum().backward()
        a.grad.mul_(3)
        return a.grad + 0, b.grad + 0

    for run in (step, ng.compile(step, backend="reference")):
        a, b = (ng.ones(2, requires_grad=True) for _ in range(2))
        assert [t.tolist() for t in run(a, b)] == [[3, 3], [1, 1]]


def test_graphs_evaluate_with_numpy():
    graph = trace(lambda x: x * 2, ng.spec((2,)))
    assert evaluate(graph, [np.ones(2, np.float32)])[0].tolist() == [2, 2]
