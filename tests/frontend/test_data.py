"""``.data`` and ``set_``: memory that tensors share, and writes that the tape does not hear of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS


def _leaf(library: Any, *numbers: float) -> Any:
    return library.tensor(list(numbers), requires_grad=True)


def _shares(library: Any) -> Any:
    x, other = _leaf(library, 1.0, 2.0), library.tensor([5.0, 6.0])
    x.data = other
    other.add_(1)
    seen = [x.tolist()]
    with library.no_grad():
        x.mul_(2)
    return [*seen, other.tolist(), x.requires_grad, x.is_leaf]


def _swapped(library: Any) -> Any:
    """Weights of an average, put in for a while."""
    x, average = _leaf(library, 1.0, 2.0), library.tensor([5.0, 6.0])
    kept = x.data
    x.data = average
    during = x.tolist(), kept.tolist()
    with library.no_grad():
        x.add_(1)
    x.data = kept
    with library.no_grad():
        x.sub_(1)
    return [during, x.tolist(), kept.tolist(), average.tolist()]


def _buffer_swapped(library: Any) -> Any:
    x, average = library.tensor([1.0, 2.0]), library.tensor([5.0, 6.0])
    kept = x.data
    x.data = average
    x.add_(1)
    x.data = kept
    return [x.tolist(), average.tolist()]


def _of_another_shape(library: Any) -> Any:
    x, other = _leaf(library, 1.0, 2.0), library.tensor([[5.0, 6.0, 7.0]])
    x.data = other
    other.zero_()
    return [x.tolist(), list(x.shape)]


def _of_another_dtype(library: Any) -> Any:
    x, other = library.tensor([1.0, 2.0]), library.tensor([5, 6])
    x.data = other
    other.add_(1)
    return [x.tolist(), str(x.dtype).split(".")[-1]]


def _of_a_view(library: Any) -> Any:
    x, other = _leaf(library, 1.0, 2.0), library.tensor([[5.0, 6.0], [7.0, 8.0]])
    x.data = other[:, 1]
    other.add_(1)
    with library.no_grad():
        x.mul_(2)
    return [x.tolist(), other.tolist()]


def _into_a_view(library: Any) -> Any:
    base = library.tensor([1.0, 2.0, 3.0])
    view = base[1:]
    view.data = library.tensor([8.0, 9.0])
    view.add_(1)
    return [base.tolist(), view.tolist()]


def _of_itself(library: Any) -> Any:
    x = _leaf(library, 1.0, 2.0)
    x.data = x.data
    x.data = x.data * 3
    x.data = x.data.clamp(0, 4)
    return x.tolist()


def _quiet_writes(library: Any) -> Any:
    w = _leaf(library, 1.0, 2.0)
    y = w * w
    w.data.add_(10)
    w.data[0] = 5
    y.sum().backward()
    return [w.tolist(), w.grad.tolist()]


def _writes_to_the_data_of_a_result(library: Any) -> Any:
    w = _leaf(library, 1.0, 2.0)
    y = w.exp()
    z = y * y
    y.data.zero_()
    z.sum().backward()
    return w.grad.tolist()


def _heard_writes(library: Any) -> Any:
    w = _leaf(library, 1.0, 2.0)
    y = w * w
    w.detach().add_(10)
    y.sum().backward()
    return w.grad.tolist()


def _data_follows_what_is_recorded(library: Any) -> Any:
    w = _leaf(library, 1.0, 2.0)
    y = w * 2
    d = y.data
    y.mul_(w)
    y.sum().backward()
    return [d.tolist(), w.grad.tolist()]


def _parameter_of_data(library: Any) -> Any:
    nn = torch.nn if library is torch else ng.nn
    w = _leaf(library, 1.0, 2.0)
    p = nn.Parameter(w.data)
    with library.no_grad():
        p.add_(1)
    y = p * p
    with library.no_grad():
        p.add_(1)
    y.sum().backward()
    return w.tolist()


def _set(library: Any) -> Any:
    x, other = library.tensor([1.0, 2.0]), library.tensor([5.0, 6.0, 7.0])
    x.set_(other)
    other.add_(1)
    return [x.tolist(), list(x.shape)]


def _set_of_a_leaf(library: Any) -> Any:
    return _leaf(library, 1.0).set_(library.tensor([2.0]))


def _set_of_another_dtype(library: Any) -> Any:
    return library.tensor([1.0]).set_(library.tensor([2]))


def _aliases_keep_what_they_show(library: Any) -> Any:
    x, other = _leaf(library, 1.0, 2.0), library.tensor([5.0, 6.0])
    detached, view, both = x.detach(), x[1:], x.detach().view(2, 1)
    x.data = other
    seen = [detached.tolist(), view.tolist(), both.tolist()]
    detached.add_(10)
    with library.no_grad():
        x.mul_(3)
    return [*seen, detached.tolist(), view.tolist(), both.tolist(), x.tolist(), other.tolist()]


def _the_history_of_a_view_stays(library: Any) -> Any:
    x = _leaf(library, 1.0, 2.0)
    view = x[1:]
    x.data = library.tensor([5.0, 6.0])
    (view * view).sum().backward()
    return [view.tolist(), view.requires_grad, x.grad.tolist()]


def _an_alias_leaves(library: Any) -> Any:
    x = library.tensor([1.0, 2.0])
    alias = x.detach()
    alias.data = library.tensor([5.0, 6.0])
    alias.add_(1)
    x.mul_(3)
    return [x.tolist(), alias.tolist()]


def _a_parameter_leaves_what_it_was_made_of(library: Any) -> Any:
    nn = torch.nn if library is torch else ng.nn
    x = library.tensor([1.0, 2.0])
    p = nn.Parameter(x)
    p.data = library.tensor([5.0, 6.0])
    x.add_(1)
    return [x.tolist(), p.tolist()]


def _what_backward_reads_is_the_new_data(library: Any) -> Any:
    w, h = _leaf(library, 1.0, 2.0), _leaf(library, 3.0, 4.0)
    m = h * 2
    y, z, e = w * w, m * m, w.exp()
    w.data = library.tensor([5.0, 6.0])
    m.data = library.tensor([7.0, 8.0])
    w.data = w.data * 2
    (y.sum() + z.sum() + e.sum()).backward()
    return np.round([w.grad.tolist(), h.grad.tolist()], 4).tolist()


def _what_backward_reads_of_an_input_is_the_new_data(library: Any) -> Any:
    x, w = library.tensor([1.0, 2.0]), _leaf(library, 3.0, 4.0)
    alias = x.detach()
    y = (x * w).sum() + (alias * w).sum()
    x.data = library.tensor([10.0, 20.0])
    y.backward()
    return w.grad.tolist()


def _new_data_changed_before_backward(library: Any) -> Any:
    w, other = _leaf(library, 1.0, 2.0), library.tensor([5.0, 6.0])
    y = w * w
    w.data = other
    with library.no_grad():
        w.add_(1)
    y.sum().backward()
    return w.grad.tolist()


def _new_data_of_another_shape_before_backward(library: Any) -> Any:
    w = _leaf(library, 1.0, 2.0)
    y = w * w
    w.data = library.tensor([5.0, 6.0, 7.0])
    y.sum().backward()
    return w.grad.tolist()


def _assigned_after_it_was_shared(library: Any) -> Any:
    x, other, w = library.tensor([1.0, 2.0]), library.tensor([5.0, 6.0]), _leaf(library, 1.0, 1.0)
    x.data = other
    x.add_(w)
    x.sum().backward()
    return [x.tolist(), other.tolist(), w.grad.tolist()]


PROGRAMS: list[Callable[[Any], Any]] = [
    _aliases_keep_what_they_show,
    _the_history_of_a_view_stays,
    _an_alias_leaves,
    _a_parameter_leaves_what_it_was_made_of,
    _what_backward_reads_is_the_new_data,
    _what_backward_reads_of_an_input_is_the_new_data,
    _new_data_changed_before_backward,
    _new_data_of_another_shape_before_backward,
    _assigned_after_it_was_shared,
    _shares,
    _swapped,
    _buffer_swapped,
    _of_another_shape,
    _of_another_dtype,
    _of_a_view,
    _into_a_view,
    _of_itself,
    _quiet_writes,
    _writes_to_the_data_of_a_result,
    _heard_writes,
    _data_follows_what_is_recorded,
    _parameter_of_data,
    _set,
    _set_of_a_leaf,
    _set_of_another_dtype,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_eager(program: Callable[[Any], Any]) -> None:
    try:
        wanted = program(torch)
    except RuntimeError as error:
        with pytest.raises(RuntimeError) as caught:
            program(ng)
        known = "modified by an inplace operation"
        assert (known in str(error)) == (known in str(caught.value))
    else:
        assert program(ng) == wanted


def _trained(library: Any, wrap: Callable[[Any], Any]) -> Any:
    """Steps, an evaluation with averaged weights, and steps again."""
    w, average = _leaf(library, 1.0, 2.0), library.tensor([5.0, 6.0])

    @wrap
    def step(x: Any) -> Any:
        loss = (w * w * x).sum()
        loss.backward()
        with library.no_grad():
            w.sub_(w.grad * 0.1)
        w.grad = None
        return loss

    @wrap
    def evaluate(x: Any) -> Any:
        return (w * x).sum()

    x, seen = library.tensor([1.0, 0.5]), []
    for _ in range(3):
        seen.append(float(step(x).detach()))
        kept = w.data
        w.data = average
        seen.append(float(evaluate(x).detach()))
        w.data = kept
        seen += [w.tolist(), average.tolist(), float(evaluate(x).detach())]
        average.mul_(0.5).add_(w.detach() * 0.5)
        w.data = w.data.clamp(0, 1)
    return seen


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_swapped_between_compiled_calls(backend: str) -> None:
    functions = []

    def wrap(function: Any) -> Any:
        functions.append(ng.compile(function, backend=backend))
        return functions[-1]

    np.testing.assert_allclose(
        np.hstack(_trained(ng, wrap)), np.hstack(_trained(torch, lambda f: f)), 1e-6
    )
    assert all(f.explain().count("trace ") == 1 for f in functions)


def _clamped(library: Any, wrap: Callable[[Any], Any]) -> Any:
    w, other = _leaf(library, 1.0, 3.0), library.tensor([9.0, 9.0])

    @wrap
    def step(x: Any) -> Any:
        y = w * w
        w.data.add_(x)
        y.sum().backward()
        w.data = w.data.clamp(0, 4)
        held = w.data
        w.data = w.data * 0.5
        other.data = held + 0
        return held + w.data

    seen = []
    for _ in range(3):
        seen += [step(library.tensor([1.0, 2.0])).tolist(), w.tolist(), other.tolist()]
        seen.append(list(w.grad.tolist()))
        w.grad = None
    return seen


@pytest.mark.parametrize("backend", BACKENDS)
def test_data_inside_a_compiled_function(backend: str) -> None:
    found = _clamped(ng, lambda f: ng.compile(f, backend=backend))
    np.testing.assert_allclose(found, _clamped(torch, lambda f: f), 1e-6)


def _decayed(library: Any, wrap: Callable[[Any], Any]) -> Any:
    """What shows the parameter's memory outside, made before the first call and between calls."""
    w = _leaf(library, 1.0, 3.0)

    @wrap
    def step(x: Any) -> Any:
        column, plain = w.view(2, 1), w.detach()
        loss = (w * x).sum()
        loss.backward()
        w.data = w.data - w.grad
        w.grad = None
        return loss.detach() + column.sum().detach() + plain.sum()

    seen = []
    for _ in range(2):
        seen.append([step(library.tensor([1.0, 2.0])).item(), *w.tolist()])
        plain, row, data, array = w.detach(), w.view(1, 2), w.data, w.detach().numpy()
        seen.append([step(library.tensor([1.0, 2.0])).item(), *w.tolist()])
        seen += [plain.tolist(), row[0].tolist(), data.tolist(), array.tolist()]
        plain.mul_(0)
        seen += [row[0].tolist(), data.tolist(), array.tolist(), w.tolist()]
    return np.hstack(seen)


@pytest.mark.parametrize("backend", BACKENDS)
def test_new_data_inside_leaves_what_others_show(backend: str) -> None:
    functions = []

    def wrap(function: Any) -> Any:
        functions.append(ng.compile(function, backend=backend))
        return functions[-1]

    found = _decayed(ng, wrap)
    np.testing.assert_allclose(found, _decayed(torch, lambda f: f), 1e-6)
    assert functions[0].explain().count("trace ") == 1


def test_new_data_inside_is_refused_while_others_show_the_memory() -> None:
    w = ng.nn.Parameter(ng.tensor([1.0, 2.0]))
    outside = w.view(2, 1)

    def step() -> None:
        w.data = w.data * 2

    with pytest.raises(ng.TraceError, match=r"Write t\.copy_\(other\)"):
        ng.compile(step, backend="reference")()
    assert w.tolist() == [1, 2] and outside[0].tolist() == [1]
    del outside
    ng.compile(step, backend="reference")()
    assert w.tolist() == [2, 4]


def test_new_data_of_a_view_or_of_another_type_is_refused_inside() -> None:
    w = ng.tensor([1.0, 2.0])

    def of_a_view() -> None:
        w[1:].data = ng.ones(1)

    def of_another_type() -> None:
        w.data = ng.ones(3)

    for step, words in (
        (of_a_view, "gives a view t memory of its own"),
        (of_another_type, r"makes a f32\[2\] a f32\[3\]"),
    ):
        with pytest.raises(ng.TraceError, match=words):
            ng.compile(step, backend="reference")()
    assert w.tolist() == [1, 2]


def test_a_call_that_fails_leaves_shared_memory_shared() -> None:
    w = ng.tensor([1.0, 2.0])

    @ng.compile(backend="reference")
    def step(i: ng.Tensor) -> None:
        w.data = w.data[i] * 2

    step(ng.tensor([1, 0]))
    alias = w.detach()
    with pytest.raises(IndexError):
        step(ng.tensor([1, 2]))
    alias.add_(1)
    assert w.tolist() == alias.tolist() == [5, 3]
    step(ng.tensor([0, 1]))
    assert w.tolist() == [10, 6] and alias.tolist() == [5, 3]


def test_two_tensors_of_one_memory_that_part_are_traced_again() -> None:
    a, b = ng.tensor([1.0, 2.0]), ng.tensor([3.0, 4.0])
    own = a.data
    a.data = b
    step = ng.compile(lambda: a.add_(1).sum() + b.sum(), backend="reference")
    assert step().item() == 18 and b.tolist() == [4, 5]
    a.data = own
    assert step().item() == 14 and b.tolist() == [4, 5] and a.tolist() == [2, 3]


def test_memory_of_a_tensor_that_stays_is_not_shared_inside() -> None:
    a, b = ng.tensor([1.0]), ng.tensor([2.0])

    def share() -> None:
        a.data = b

    with pytest.raises(ng.TraceError, match=r"Write t\.data = other\.clone\(\)"):
        ng.compile(share, backend="reference")()

    def take(x: Any) -> None:
        a.data = x

    with pytest.raises(ng.TraceError, match=r"Write t\.data = other\.clone\(\)"):
        ng.compile(take, backend="reference")(b)
    assert a.tolist() == [1]


def test_asarray_copies_where_it_is_told_to() -> None:
    array = np.ones(3, np.float32)
    x = ng.asarray(array)
    assert np.shares_memory(x.numpy(), array) and ng.asarray(x) is x
    assert not np.shares_memory(ng.asarray(array, copy=True).numpy(), array)
    assert ng.asarray(x, copy=True) is not x
    assert ng.asarray(array, copy=False).tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="copy=None"):
        ng.asarray([1.0], copy=False)
    with pytest.raises(ValueError, match="copy=None"):
        ng.asarray(array, dtype=ng.float64, copy=False)
    assert ng.asarray([1.0], requires_grad=True).requires_grad
