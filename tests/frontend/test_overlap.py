"""Memory that comes into a compiled call twice: what PyTorch does, or refused before it changes.

Each program runs in PyTorch and compiled. Where PyTorch's result depends on memory that two
operands share, the compiled function has to give that result or to name both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.backends.spans import Spans
from tests.support.backends import BACKENDS

#: A function, its arguments, and what it may change.
Program = tuple[Callable[..., Any], list[Any], list[Any]]


def _numbers(library: Any) -> Any:
    return library.tensor(np.arange(8, dtype="f4"))


def _arguments(cut: Callable[[Any, Any], tuple[Any, ...]]) -> Callable[[Any], Program]:
    """``cut`` makes the arguments of a base and of how an array becomes an argument."""

    def program(library: Any) -> Program:
        base = _numbers(library)

        def step(x: Any, *others: Any) -> Any:
            x.add_(1)
            return [x * 1, *(y * 2 for y in others)]

        return step, list(cut(base, _array_of(library))), [base]

    return program


def _array_of(library: Any) -> Callable[[Any], Any]:
    """PyTorch's functions take no arrays: there it is a tensor over the array."""
    return library.from_numpy if library is torch else lambda array: array


def _state(cut: Callable[[Any, Any], Any], argument_too: bool = False) -> Callable[[Any], Program]:
    """The function writes to a state, or to an argument that lies in a state which it reads."""

    def program(library: Any) -> Program:
        w = _numbers(library)

        def step(x: Any) -> Any:
            (x if argument_too else w).add_(1)
            return x * w.sum()

        return step, [cut(w, _array_of(library))], [w]

    return program


def _two_states(first: slice, second: slice) -> Callable[[Any], Program]:
    def program(library: Any) -> Program:
        memory = np.arange(8, dtype="f4")
        one, other = library.from_numpy(memory[first]), library.from_numpy(memory[second])

        def step() -> Any:
            one.add_(1)
            return other * 2

        return step, [], [one, other]

    return program


def _moment(library: Any) -> Program:
    nn, optim = (torch.nn, torch.optim) if library is torch else (ng.nn, ng.optim)
    w = nn.Parameter(_numbers(library))
    optimizer = optim.SGD([w], 0.5, momentum=0.9)
    (w * 2).sum().backward()
    optimizer.step()

    def step(x: Any) -> Any:
        optimizer.step()
        return x * 1

    return step, [optimizer.state[w]["momentum_buffer"][:2]], [w]


def _gradient(library: Any) -> Program:
    w = _numbers(library).requires_grad_()
    w.sum().backward()

    def step(x: Any) -> Any:
        (w * w).sum().backward()
        return x * 1

    return step, [w.grad], [w.grad]


def _gradient_of_an_argument(library: Any) -> Program:
    w = _numbers(library).requires_grad_()
    w.sum().backward()

    def step(x: Any, g: Any) -> Any:
        (x * x).sum().backward()
        return g * 1

    return step, [w, w.grad], [w.grad]


def _view_of_the_gradient(library: Any) -> Program:
    step, (w, gradient), changed = _gradient_of_an_argument(library)
    return step, [w, gradient[1:]], changed


def _kept(cut: Callable[[Any], Any]) -> Callable[[Any], Program]:
    """The function only reads."""

    def program(library: Any) -> Program:
        w = _numbers(library)

        def step(x: Any, y: Any) -> Any:
            return x.sum() * y * w

        return step, [w[1:2], cut(w)], [w]

    return program


REFUSED = {
    "views of one tensor": (_arguments(lambda b, _: (b[:4], b[2:6])), "'x'", "'arg1'"),
    "a view and the whole": (_arguments(lambda b, _: (b[:1], b)), "'x'", "'arg1'"),
    "the whole and a view": (_arguments(lambda b, _: (b, b[7:])), "'x'", "'arg1'"),
    "views of views": (_arguments(lambda b, _: (b[2:][:4], b[4:][1:])), "'x'", "'arg1'"),
    "the third argument": (_arguments(lambda b, _: (b[:2], b[2:], b[1:])), "'x'", "'arg2'"),
    "a transposed view": (
        _arguments(lambda b, _: (b.view(2, 4).t()[1:3], b.view(4, 2)[2:])),
        "'x'",
        "'arg1'",
    ),
    "a detached twin": (_arguments(lambda b, _: (b, b.detach())), "'x'", "'arg1'"),
    "a tensor and its array": (_arguments(lambda b, a: (b, a(b.numpy()))), "'x'", "'arg1'"),
    "an array and its tensor": (_arguments(lambda b, a: (a(b.numpy()), b[3:])), "'x'", "'arg1'"),
    "two arrays": (_arguments(lambda b, a: (a(b.numpy()[:4]), a(b.numpy()[3:]))), "'x'", "'arg1'"),
    "a view of a state": (_state(lambda w, _: w[1:3]), "'x'", "'tensor_0'"),
    "a state": (_state(lambda w, _: w), "'x'", "'tensor_0'"),
    "a detached state": (_state(lambda w, _: w.detach()), "'x'", "'tensor_0'"),
    "the array of a state": (_state(lambda w, a: a(w.numpy()[2:])), "'x'", "'tensor_0'"),
    "dlpack of a state": (_state(lambda w, a: a(np.from_dlpack(w))), "'x'", "'tensor_0'"),
    "a written view": (_state(lambda w, _: w[2:], argument_too=True), "'x'", "'tensor_0'"),
    "two states": (_two_states(slice(5), slice(3, 8)), "'tensor_0'", "'tensor_1'"),
    "two states of the same": (_two_states(slice(8), slice(8)), "'tensor_0'", "'tensor_1'"),
    "a moment": (_moment, "'x'", "momentum_buffer"),
    "a gradient": (_gradient, "'x'", ".grad"),
    "views of a gradient": (_view_of_the_gradient, "'x.grad'", "'g'"),
}

CARRIED = {
    "the gradient of an argument": _gradient_of_an_argument,
    "the same tensor twice": _arguments(lambda b, _: (b, b)),
    "the same view thrice": _arguments(lambda b, _: (v := b[2:4], v, v)),
    "every other element": _arguments(lambda b, _: (b[::2], b[1::2])),
    "columns": _arguments(lambda b, _: (b.view(4, 2)[:, 0], b.view(4, 2)[:, 1])),
    "neighbours": _arguments(lambda b, _: (b[:4], b[4:])),
    "nothing": _arguments(lambda b, _: (b[:4], b[2:2])),
    "nothing of a state": _state(lambda w, _: w[3:3]),
    "a copy": _state(lambda w, _: w.clone()),
    "two states side by side": _two_states(slice(3), slice(3, 8)),
    "two states by turns": _two_states(slice(0, 8, 2), slice(1, 8, 2)),
    "only read": _kept(lambda w: w),
    "only read, of an array": _kept(lambda w: w.detach()),
}


def _run(program: Program, function: Callable[..., Any]) -> list[Any]:
    """The results and what may have changed, as lists."""
    _, arguments, changed = program
    results = function(*arguments)
    results = results if isinstance(results, list) else [results]
    return [t.detach().tolist() for t in (*results, *changed)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", REFUSED)
def test_memory_that_is_written_and_comes_in_twice_is_refused(name: str, backend: str) -> None:
    make, *names = REFUSED[name]
    step, _, changed = program = make(ng)
    before = [t.tolist() for t in changed]
    with pytest.raises(RuntimeError, match=r"shares? memory") as caught:
        _run(program, ng.compile(step, backend=backend))
    assert all(each in str(caught.value) for each in names)
    assert [t.tolist() for t in changed] == before


@pytest.mark.parametrize("name", REFUSED)
def test_refused_is_what_depends_on_the_memory(name: str) -> None:
    shared, alone = REFUSED[name][0](torch), REFUSED[name][0](torch)
    apart = (alone[0], [a.detach().clone().requires_grad_(a.requires_grad) for a in alone[1]], [])
    if not apart[1]:
        return  # both are states
    found = _run(shared, shared[0])
    assert found[: -len(shared[2])] != _run(apart, apart[0])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CARRIED)
def test_other_memory_that_comes_in_twice_is_as_in_pytorch(name: str, backend: str) -> None:
    theirs, ours = CARRIED[name](torch), CARRIED[name](ng)
    step = ng.compile(ours[0], backend=backend)
    for _ in range(3):
        assert _run(ours, step) == _run(theirs, theirs[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_result_may_be_the_next_argument(backend: str) -> None:
    w = ng.tensor([1.0, 2.0])

    @ng.compile(backend=backend)
    def step(x: Any) -> Any:
        w.mul_(2)
        x.add_(w)
        return x * 1, w * 1

    x = ng.tensor([0.0, 0.0])
    for _ in range(4):
        x, held = step(x)
    held.zero_()
    assert x.tolist() == [30, 60] and w.tolist() == [16, 32]


@pytest.mark.parametrize("backend", BACKENDS)
def test_overlap_is_seen_at_later_calls(backend: str) -> None:
    w, x = ng.tensor([1.0, 2.0, 3.0]), ng.tensor([1.0, 2.0])

    @ng.compile(backend=backend)
    def step(x: Any) -> Any:
        w.add_(1)
        return x * 1

    for calls in range(1, 7):
        step(x)
        for overlapping in (w[1:], w.numpy()[:2]):
            with pytest.raises(RuntimeError, match="'x' shares memory with 'tensor_0'"):
                step(overlapping)
        assert w.tolist() == [1 + calls, 2 + calls, 3 + calls]


@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays_that_calls_exchanged_are_freed(backend: str) -> None:
    w = ng.ones(1 << 16)
    unaligned = np.empty(w.numel() * 4 + 128, np.uint8)
    start = 4 - unaligned.ctypes.data % 64 + 64
    w._storage.array = unaligned[start : start + w.numel() * 4].view("f4")
    w.fill_(1.0)
    memory = ref(unaligned)
    del unaligned

    @ng.compile(backend=backend)
    def step(x: Any) -> Any:
        w.add_(x)
        return x * 1

    for _ in range(3):
        step(ng.ones(()))
    assert memory() is None
    assert w.min().item() == 4 == w.max().item()


def test_a_gradient_sees_both_places_of_an_argument() -> None:
    @ng.compile(backend="reference")
    def step(a: Any, b: Any) -> Any:
        (a * b).sum().backward()
        return a.grad * 1

    x = ng.tensor([3.0, 4.0], requires_grad=True)
    assert step(x, x).tolist() == [6, 8] == x.grad.tolist()


def test_spans_find_what_comes_near() -> None:
    rng, memory = np.random.default_rng(3), np.zeros(60, np.uint8)
    for _ in range(200):
        spans, members = Spans(), []
        for key in range(rng.integers(0, 8)):
            start, length, step = rng.integers(0, 50), rng.integers(0, 6), rng.integers(1, 4)
            members.append(memory[start : start + length * step : step])
            spans.add(members[-1], key)
        start = rng.integers(0, 60)
        asked = memory[start : start + rng.integers(0, 10)]
        near = spans.near(asked)
        assert len(near) == len({*near})
        touching = {k for k, m in enumerate(members) if np.may_share_memory(m, asked)}
        assert touching <= {*near}
        if near:  # each is joined to the range that was hit
            assert touching
