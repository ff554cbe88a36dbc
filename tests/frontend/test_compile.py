"""Compiled functions: state, guards, gradients, in-place changes, errors."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from nngraph.backends.base import BackendError
from nngraph.frontend.compile import compile, trace
from nngraph.frontend.compiled import CompiledFunction
from nngraph.frontend.errors import ConcretizationError, TraceError
from nngraph.frontend.functional import random
from nngraph.frontend.functional.creation import zeros
from nngraph.frontend.functional.data import from_numpy, tensor
from nngraph.frontend.functional.selection import where
from nngraph.frontend.host import host_number
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.ir.verify import verify
from nngraph.optim import SGD
from nngraph.runtime.finite import NonFiniteError

X = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)


@pytest.fixture
def w() -> Tensor:
    return tensor([1.0, 2.0], requires_grad=True)


def reference(function=None, **options):
    made = compile(backend="reference", **options)
    return made if function is None else made(function)


def traces(function: CompiledFunction) -> int:
    return sum(line.startswith("trace ") for line in function.explain().splitlines())


def test_a_step_changes_its_parameter_and_returns_its_loss(w):
    @reference
    def step(x):
        loss = (x @ w).sum()
        w.grad = None
        loss.backward()
        with no_grad():
            w.sub_(w.grad * 0.1)
        return loss

    losses = [float(step(X)) for _ in range(3)]
    weight, expected = np.array([1.0, 2.0], np.float32), []
    for _ in range(3):
        expected.append(float((X @ weight).sum()))
        weight = weight - np.float32(0.1) * X.sum(0)
    assert losses == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(w.detach().numpy(), weight, rtol=1e-6)
    assert traces(step) == 1


def test_the_traced_graph_is_valid_and_names_its_parts(w):
    def step(x):
        return (x @ w).sum()

    graph = trace(step, X)
    verify(graph)
    assert [v.hint for v in graph.inputs] == ["x"]
    assert len(graph.states) == 1
    assert not graph.states[0].is_changed
    node = next(n for n in graph.nodes if n.op.name == "matmul")
    assert node.origin.file.endswith("test_compile.py")
    assert node.origin.line == step.__code__.co_firstlineno + 1


def test_tracing_alone_changes_nothing(w):
    def step(x):
        (x @ w).sum().backward()
        with no_grad():
            w.zero_()

    trace(step, X)
    assert w.grad is None
    assert w.tolist() == [1.0, 2.0]


def test_nested_arguments_and_results_keep_their_structure():
    @reference
    def f(pair, *, named):
        a, b = pair
        return {"sum": a + b, "parts": [a, None, 3, (named["c"] * 2,)]}

    out = f((tensor([1.0]), tensor([2.0])), named={"c": tensor([4.0])})
    assert out["sum"].tolist() == [3.0]
    assert out["parts"][1:3] == [None, 3]
    assert out["parts"][3][0].tolist() == [8.0]


def test_float_arguments_are_read_at_each_call_and_integers_specialise():
    @reference
    def f(x, scale, count):
        return x * scale + count

    assert f(tensor([2.0]), 0.5, 1).tolist() == [2.0]
    assert f(tensor([2.0]), 1.5, 1).tolist() == [4.0]
    assert traces(f) == 1
    assert f(tensor([2.0]), 1.5, 2).tolist() == [5.0]
    assert traces(f) == 2


def test_a_new_shape_or_dtype_traces_anew_and_old_ones_are_remembered():
    @reference
    def f(x):
        return x + x

    for array in (X, X[:1], X.astype(np.float64), X, X[:1]):
        out = f(array)
        np.testing.assert_array_equal(out.numpy(), array + array)
        assert out.numpy().dtype == array.dtype
    assert traces(f) == 3


def test_host_numbers_change_without_a_new_trace(w):
    rule = SGD([w], lr=0.5)

    @reference
    def step():
        with no_grad():
            w.sub_(host_number(rule.param_groups[0], "lr"))

    step()
    rule.param_groups[0]["lr"] = 0.25
    step()
    assert w.tolist() == [0.25, 1.25]
    assert traces(step) == 1


def test_two_functions_see_each_others_updates(w):
    @reference
    def grow():
        with no_grad():
            w.add_(1)

    @reference
    def read():
        return w * 2

    grow()
    assert read().tolist() == [4.0, 6.0]
    grow()
    assert read().tolist() == [6.0, 8.0]
    with no_grad():
        w.zero_()
    assert read().tolist() == [0.0, 0.0]
    grow()
    assert w.tolist() == [1.0, 1.0]


def test_a_parameter_assigned_between_calls_counts(w):
    @reference
    def read():
        return w + 0

    read()
    w.data = tensor([7.0, 8.0])
    assert read().tolist() == [7.0, 8.0]
    w.data = tensor([1.0, 2.0, 3.0])
    assert read().tolist() == [1.0, 2.0, 3.0]
    assert traces(read) == 2


def test_a_changed_requires_grad_traces_anew(w):
    @reference
    def f(x):
        return x.requires_grad

    assert f(tensor([1.0])) is False
    assert f(tensor([1.0], requires_grad=True)) is True


def test_gradients_of_arguments_can_be_returned():
    @reference
    def f(x):
        (x * x).sum().backward()
        return x.grad

    x = tensor([1.0, 2.0], requires_grad=True)
    assert f(x).tolist() == [2.0, 4.0]
    assert x.grad.tolist() == [2.0, 4.0]
    f(x)
    assert x.grad.tolist() == [4.0, 8.0]


def test_gradients_accumulate_over_calls_and_another_function_uses_them(w):
    @reference
    def accumulate(x):
        (x @ w).sum().backward()

    @reference
    def update():
        with no_grad():
            w.sub_(w.grad)
        w.grad = None

    for _ in range(3):
        accumulate(X)
    assert w.grad.tolist() == [12.0, 18.0]
    update()
    assert w.grad is None
    assert w.tolist() == [-11.0, -16.0]
    accumulate(X)
    assert w.grad.tolist() == [4.0, 6.0]


def test_assignment_in_place_to_arguments_and_views():
    def f(x):
        x[0, 1:] = 7
        x.view(-1)[3] = 9
        x.t()[0].add_(100)
        return x.sum()

    eager, compiled = from_numpy(X.copy()), from_numpy(X.copy())
    assert float(f(eager)) == float(reference(f)(compiled))
    np.testing.assert_array_equal(eager.numpy(), [[101, 7], [103, 9]])
    np.testing.assert_array_equal(compiled.numpy(), eager.numpy())


def test_random_numbers_continue_one_sequence():
    @reference
    def draw():
        return random.rand(4), random.rand(4)

    random.manual_seed(3)
    compiled = [t.tolist() for _ in range(2) for t in draw()]
    random.manual_seed(3)
    eager = [random.rand(4).tolist() for _ in range(4)]
    assert compiled == eager
    assert len({tuple(row) for row in eager}) == 4


def test_a_failing_call_leaves_state_as_it_was(w):
    @reference
    def step(i):
        with no_grad():
            w.add_(1)
        return w[i]

    step(tensor([1]))
    with pytest.raises(IndexError, match="out of range"):
        step(tensor([5]))
    assert w.tolist() == [2.0, 3.0]


def test_a_failing_trace_leaves_everything_as_it_was(w):
    @reference
    def step(x):
        (x @ w).sum().backward()
        with no_grad():
            w.zero_()
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        step(X)
    assert w.grad is None
    assert w.tolist() == [1.0, 2.0]
    assert (w + 1).tolist() == [2.0, 3.0]


def test_needing_a_value_shows_the_line_and_the_fix(w):
    @reference
    def f(x):
        if x.sum() > 0:
            return x
        return -x

    with pytest.raises(ConcretizationError, match=r"if x\.sum") as caught:
        f(X)
    assert "ng.where" in str(caught.value)
    fixed = reference(lambda x: where(x.sum() > 0, x, -x))
    np.testing.assert_array_equal(fixed(X).numpy(), X)


def test_a_leaked_tensor_is_reported():
    kept = threading.local()  # no trace looks there

    @reference
    def f(x):
        kept.x = x * 2
        return x

    f(X)
    with pytest.raises(TraceError, match="leave a compiled function only by"):
        reference(lambda: kept.x + 1)()


def test_a_result_whose_backward_ran_inside_has_no_history(w):
    def step(x):
        loss = (x @ w).sum()
        loss.backward()
        return loss

    out = reference(step)(X)
    assert not out.requires_grad
    with pytest.raises(RuntimeError, match="called backward"):
        out.backward()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_check_finite_names_the_argument_and_keeps_the_state(w, bad):
    @reference(check_finite=True)
    def step(x):
        loss = (x @ w).sum()
        w.grad = None
        loss.backward()
        with no_grad():
            w.sub_(w.grad)
        return loss

    batch = X.copy()
    batch[1, 1] = bad
    with pytest.raises(NonFiniteError, match="x"):
        step(batch)
    assert w.tolist() == [1.0, 2.0]
    step(X)
    assert w.tolist() == [-3.0, -4.0]


def test_check_finite_names_the_first_operator(w):
    @reference(check_finite=True)
    def step(x):
        with no_grad():
            w.copy_(x.log())
        return w.exp()

    with pytest.raises(NonFiniteError, match=r"log.*test_compile\.py"):
        step(tensor([0.0, 1.0]))
    assert w.tolist() == [1.0, 2.0]


def test_without_check_finite_nan_propagates(w):
    out = reference(lambda x: x.log())(tensor([-1.0]))
    assert np.isnan(out.numpy()).all()


def test_bad_use_gets_clear_errors():
    with pytest.raises(BackendError, match="'onnx', 'tvm'"):
        compile(lambda x: x, backend="onnxx")
    with pytest.raises(TypeError, match="takes tensors, NumPy arrays"):
        reference(lambda x: x)(object())
    with pytest.raises(TraceError, match="returned set"):
        reference(lambda x: {1})(X)
    with pytest.raises(RuntimeError, match="nothing was traced yet"):
        _ = reference(lambda x: x).graph


def test_numpy_arrays_met_inside_are_constants_and_tensors_are_state():
    table = np.array([10.0, 20.0], np.float32)
    held = zeros(2)

    @reference
    def f(x):
        return x + tensor(table) + held

    assert f(tensor([1.0, 1.0])).tolist() == [11.0, 21.0]
    held.add_(5)
    assert f(tensor([1.0, 1.0])).tolist() == [16.0, 26.0]
    assert len(f.graph.states) == 1
