"""States, aliasing, odd inputs and failures of loaded programs."""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nngraph import ops
from nngraph.backends.arrays import aligned_copy, is_aligned
from nngraph.backends.base import BackendError, Target, UnsupportedGraph
from nngraph.backends.build import build
from nngraph.backends.tvm.backend import backend
from nngraph.backends.tvm.executable import TvmExecutable
from nngraph.backends.tvm.looping import run_calls
from nngraph.ir.attributes import Subgraph
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph
from nngraph.ir.types import tensor_type
from tests.support.tvm_programs import emit, load_all, lookup_step

Array = np.ndarray[Any, Any]
SIZE = 40


def _vector(*, seed: int = 0, size: int = SIZE) -> Array:
    return aligned_copy(np.random.default_rng(seed).standard_normal(size).astype(np.float32))


def momentum() -> Graph:
    """P -= lr * m; m = 0.9 m + g; gives back the old p and the new m."""
    graph = Graph("momentum")
    g = graph.add_input(tensor_type("f32", (SIZE,)), "g")
    lr = graph.add_scalar("lr", tensor_type("f32"))
    p, m = (graph.add_state(n, g.type) for n in "pm")
    with Builder(graph):
        new = ops.add(ops.mul(m, 0.9), g)
        graph.set_state("m", new)
        graph.set_state("p", ops.sub(p, ops.mul(new, lr)))
    graph.add_output(p, "old")
    graph.add_output(new, "new")
    return graph


def swap() -> Graph:
    """The states a and b exchange their values."""
    graph = Graph("swap")
    a, b = (graph.add_state(n, tensor_type("f32", (SIZE,))) for n in "ab")
    graph.set_state("a", b)
    graph.set_state("b", a)
    return graph


def products() -> Graph:
    """Two states of which each needs the other's old value in a product."""
    graph = Graph("products")
    a, b = (graph.add_state(n, tensor_type("f32", (8, 8))) for n in "ab")
    with Builder(graph):
        graph.set_state("a", ops.matmul(a, b))
        graph.set_state("b", ops.matmul(b, a))
    return graph


def lookup() -> Graph:
    """A table row by index, and a counter that counts calls."""
    graph = Graph("lookup")
    index = graph.add_input(tensor_type("i64", (3,)), "index")
    table = graph.add_state("table", tensor_type("f32", (5, 4)))
    count = graph.add_state("count", tensor_type("i64"))
    with Builder(graph):
        graph.set_state("count", ops.add(count, 1))
        rows = ops.take(table, index, 0)
        graph.set_state("table", ops.mul(table, 2.0))
    graph.add_output(rows)
    return graph


def divide() -> Graph:
    """A state, divided by an input that is broadcast, and by one that is computed first."""
    graph = Graph("divide")
    x, y = (graph.add_input(tensor_type("i32", shape)) for shape in ((2, 1), (3,)))
    state = graph.add_state("state", tensor_type("i32", (2, 3)))
    with Builder(graph):
        graph.set_state("state", ops.floor_divide(ops.add(state, 1), x))
        graph.add_output(ops.remainder(state, ops.sub(y, 1)))
    return graph


def walk() -> Graph:
    """The rows of a table that a loop looks up, one index a step."""
    body = lookup_step()
    graph = Graph("walk")
    values = [graph.add_input(v.type) for v in body.inputs[:2]]
    indices = graph.add_input(tensor_type("i64", (3, 1)))
    seen = graph.add_state("seen", tensor_type("i64"))
    with Builder(graph):
        steps, rows = ops.scan(Subgraph(body), values[:1], values[1:], [indices], 3)
        graph.add_output(rows)
        graph.set_state("seen", ops.add(seen, steps))
    return graph


def plain() -> Graph:
    graph = Graph("plain")
    x = graph.add_input(tensor_type("f32", (6, SIZE)), "x")
    with Builder(graph):
        graph.add_output(ops.add(x, 1.0))
    graph.add_output(x)
    return graph


GRAPHS: dict[str, tuple[Callable[[], Graph], bool]] = {
    "momentum": (momentum, True),
    "apart": (momentum, False),
    "swap": (swap, True),
    "products": (products, True),
    "lookup": (lookup, True),
    "plain": (plain, True),
    "divide": (divide, True),
    "walk": (walk, True),
}


@pytest.fixture(scope="module")
def loaded() -> dict[str, TvmExecutable]:
    programs = [emit(make(), in_place) for make, in_place in GRAPHS.values()]
    return dict(zip(GRAPHS, load_all(programs), strict=True))


def _check_momentum(loaded: TvmExecutable, p: Array, m: Array) -> tuple[list[Array], list[Array]]:
    g = _vector(seed=3)
    old, before = p.copy(), m.copy()
    outputs, states = loaded.run([g], [0.1], [p, m])
    new = before * np.float32(0.9) + g
    np.testing.assert_array_equal(outputs[0], old)
    np.testing.assert_allclose(outputs[1], new, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(states[1], new, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(states[0], old - new * np.float32(0.1), rtol=1e-5, atol=1e-6)
    return outputs, states


def test_states_are_updated_in_the_callers_arrays(loaded: dict[str, TvmExecutable]) -> None:
    p, m = _vector(), _vector(seed=1)
    outputs, states = _check_momentum(loaded["momentum"], p, m)
    assert states[0] is p and states[1] is m
    assert not np.shares_memory(outputs[1], m)


def test_states_stay_untouched_where_that_is_asked_for(loaded: dict[str, TvmExecutable]) -> None:
    p, m = _vector(), _vector(seed=1)
    kept = p.copy(), m.copy()
    _, states = _check_momentum(loaded["apart"], p, m)
    np.testing.assert_array_equal(p, kept[0])
    np.testing.assert_array_equal(m, kept[1])
    assert not np.shares_memory(states[0], p)


def test_other_arrays_may_be_passed_at_each_call(loaded: dict[str, TvmExecutable]) -> None:
    for seed in range(3):
        _check_momentum(loaded["momentum"], _vector(seed=seed), _vector(seed=seed + 9))


def test_misaligned_states_move_to_an_aligned_array(loaded: dict[str, TvmExecutable]) -> None:
    storage = _vector(size=SIZE + 1)
    p = storage[1:]
    _, states = _check_momentum(loaded["momentum"], p, _vector(seed=1))
    assert is_aligned(states[0])
    _check_momentum(loaded["momentum"], states[0], states[1])


def test_outputs_are_not_overwritten_by_the_next_call(loaded: dict[str, TvmExecutable]) -> None:
    p, m = _vector(), _vector(seed=1)
    first, _ = _check_momentum(loaded["momentum"], p, m)
    kept = [a.copy() for a in first]
    _check_momentum(loaded["momentum"], p, m)
    for array, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_states_may_exchange_their_values(loaded: dict[str, TvmExecutable]) -> None:
    a, b = _vector(seed=1), _vector(seed=2)
    old = a.copy(), b.copy()
    _, states = loaded["swap"].run([], [], [a, b])
    np.testing.assert_array_equal(states[0], old[1])
    np.testing.assert_array_equal(states[1], old[0])


def test_states_that_need_each_others_old_value(loaded: dict[str, TvmExecutable]) -> None:
    a, b = (_vector(seed=s, size=64).reshape(8, 8) for s in (1, 2))
    wanted = a @ b, b @ a
    _, states = loaded["products"].run([], [], [a, b])
    for got, want in zip(states, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bad", [5, -6])
def test_an_index_out_of_range_raises_and_leaves_states(
    bad: int, loaded: dict[str, TvmExecutable]
) -> None:
    table, count = aligned_copy(np.ones((5, 4), np.float32)), aligned_copy(np.asarray(7))
    text = rf"take: index {bad} is out of range for axis 0 of size 5"
    with pytest.raises(IndexError, match=text):
        loaded["lookup"].run([np.array([0, bad, 1])], [], [table, count])
    np.testing.assert_array_equal(table, 1.0)
    assert count == 7
    (rows,), _ = loaded["lookup"].run([np.array([0, -1, 4])], [], [table, count])
    np.testing.assert_array_equal(rows, 1.0)
    np.testing.assert_array_equal(table, 2.0)
    assert count == 8


@pytest.mark.parametrize("offset", [0, 16, 32])
def test_an_input_in_a_states_memory_is_read_before_the_state_changes(
    offset: int, loaded: dict[str, TvmExecutable]
) -> None:
    memory, m = _vector(size=2 * SIZE), _vector(seed=1)
    p, g = memory[:SIZE], memory[offset : offset + SIZE]
    for given in (_vector(seed=5), g):  # the second call only changes the input
        old, before, gradient = p.copy(), m.copy(), given.copy()
        (shown, _), (new_p, new_m) = loaded["momentum"].run([given], [0.1], [p, m])
        wanted = before * np.float32(0.9) + gradient
        np.testing.assert_array_equal(shown, old)
        np.testing.assert_allclose(new_m, wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(new_p, old - wanted * np.float32(0.1), rtol=1e-5, atol=1e-6)


def test_an_input_that_becomes_a_state_is_copied(loaded: dict[str, TvmExecutable]) -> None:
    x, m = _vector(seed=3), _vector(seed=1)
    loaded["momentum"].run([x], [0.1], [_vector(), m])
    old, before = x.copy(), m.copy()
    _, (p, new) = loaded["momentum"].run([x], [0.1], [x, m])
    wanted = before * np.float32(0.9) + old
    np.testing.assert_allclose(new, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(p, old - wanted * np.float32(0.1), rtol=1e-5, atol=1e-6)


def test_states_that_share_memory_come_apart(loaded: dict[str, TvmExecutable]) -> None:
    shared = _vector()
    outputs, (p, m) = loaded["swap"].run([], [], [shared, shared[:]])
    assert not outputs and not np.shares_memory(p, m)
    np.testing.assert_array_equal(p, m)
    g, old = _vector(seed=3), shared.copy()
    _, (p, m) = loaded["momentum"].run([g], [0.1], [shared, shared])
    new = old * np.float32(0.9) + g
    np.testing.assert_allclose(m, new, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(p, old - new * np.float32(0.1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("x", "y"), [((1, 0), (2, 3, 4)), ((2, 3), (2, 1, 3))])
def test_division_of_integers_by_zero_raises_and_leaves_states(
    x: tuple[int, ...], y: tuple[int, ...], loaded: dict[str, TvmExecutable]
) -> None:
    state = aligned_copy(np.full((2, 3), 7, np.int32))
    given = [np.array(x, np.int32).reshape(2, 1), np.array(y, np.int32)]
    with pytest.raises(ZeroDivisionError, match="an integer is divided by zero"):
        loaded["divide"].run(given, [], [state])
    np.testing.assert_array_equal(state, 7)
    good = [np.array([[2], [3]], np.int32), np.array([3, 4, 5], np.int32)]
    (rest,), _ = loaded["divide"].run(good, [], [state])
    np.testing.assert_array_equal(rest, [[1, 1, 3]] * 2)
    np.testing.assert_array_equal(state, [[4] * 3, [2] * 3])


def test_division_by_a_known_zero_raises_when_it_is_compiled() -> None:
    graph = Graph("known")
    x = graph.add_input(tensor_type("i32", (2, 3)))
    with Builder(graph):
        graph.add_output(ops.remainder(x, 0))
    with pytest.raises(ZeroDivisionError, match="remainder: an integer"):
        emit(graph)


def test_an_index_out_of_range_in_a_loop_raises(loaded: dict[str, TvmExecutable]) -> None:
    seen, table = aligned_copy(np.asarray(2)), np.arange(20, dtype=np.float32).reshape(5, 4)
    with pytest.raises(IndexError, match="take: index 5 is out of range for axis 0 of size 5"):
        loaded["walk"].run([np.asarray(0), table, np.array([[1], [5], [0]])], [], [seen])
    assert seen == 2
    (rows,), _ = loaded["walk"].run([np.asarray(0), table, np.array([[1], [-1], [0]])], [], [seen])
    np.testing.assert_array_equal(rows[:, 0], table[[1, 4, 0]])
    assert seen == 5


def _odd_arrays() -> dict[str, Array]:
    base = np.arange(2 * 6 * SIZE, dtype=np.float32)
    frozen = base[: 6 * SIZE].reshape(6, SIZE).copy()
    frozen.setflags(write=False)
    return {
        "misaligned": aligned_copy(base)[1 : 6 * SIZE + 1].reshape(6, SIZE),
        "transposed": base[: 6 * SIZE].reshape(SIZE, 6).T,
        "strided": base.reshape(6, 2 * SIZE)[:, ::2],
        "read-only": frozen,
    }


@pytest.mark.parametrize("kind", ["misaligned", "transposed", "strided", "read-only"])
def test_inputs_in_any_form(kind: str, loaded: dict[str, TvmExecutable]) -> None:
    x = _odd_arrays()[kind]
    good = aligned_copy(np.zeros((6, SIZE), np.float32))
    for given in (x, good, x):
        (y, same), _ = loaded["plain"].run([given], [], [])
        np.testing.assert_array_equal(y, given + 1)
        np.testing.assert_array_equal(same, given)
        assert not np.shares_memory(same, given)


def test_all_gaps_come_in_one_error() -> None:
    graph = Graph("gaps")
    x = graph.add_input(tensor_type("f32", ("batch", 4)), "x")
    with Builder(graph):
        graph.add_output(ops.exp(x))
        graph.add_output(ops.broadcast_to(ops.sum(x), (1 << 31,)))
    with pytest.raises(UnsupportedGraph) as error:
        build(backend, graph, Target("tvm"))
    text = str(error.value)
    assert "symbolic shape of f32[batch,4]" in text and "the size of f32[2147483648]" in text
    with pytest.raises(BackendError, match="tvm backend does not run on device 'cuda'; use 'cpu'"):
        build(backend, graph, Target("tvm", device="cuda"))


def test_the_program_says_what_it_does() -> None:
    text = str(emit(momentum()))
    assert "state 0 f32[40]" in text
    assert "states are overwritten from here on" in text


def test_an_interrupt_waits_until_all_calls_are_done() -> None:
    """Calls follow each other without Python between them, where a signal would be handled."""
    interrupt = getattr(ctypes.CDLL(None), "raise")  # the signal arrives; Python handles it later
    done: list[int] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    with pytest.raises(KeyboardInterrupt):
        run_calls([[done.append, 0], [interrupt, int(signal.SIGINT)], [done.append, 2]])
        done.append(3)
    signal.signal(signal.SIGINT, before)
    assert done == [0, 2]
