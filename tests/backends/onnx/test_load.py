from __future__ import annotations

import os
import sys

import ml_dtypes
import numpy as np
import onnxruntime as ort
import pytest

from nngraph import ops
from nngraph.backends import get_backend
from nngraph.backends.base import BackendError, Target
from nngraph.backends.build import build
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.types import tensor_type
from tests.backends.onnx.graphs import built, reference, regression, start

RNG = np.random.default_rng(1)
X, Y = (RNG.standard_normal((4, n)).astype(np.float32) for n in (3, 2))


def copies(states: list[Array]) -> list[Array]:
    return [a.copy() for a in states]


@pytest.mark.parametrize("in_place", [True, False])
def test_steps_agree_with_the_reference(in_place: bool) -> None:
    graph = regression()
    fast, slow = built(graph, in_place=in_place).executable, reference(graph).executable
    a, b = start(graph), start(graph)
    for step in range(6):
        (loss,), a = fast.run([X, Y], [0.1 / (step + 1)], a)
        (wanted,), b = slow.run([X, Y], [0.1 / (step + 1)], b)
        np.testing.assert_allclose(loss, wanted, 1e-5)
    for got, want in zip(a, b, strict=True):
        np.testing.assert_allclose(got, want, 1e-4, 1e-6)


def test_two_sets_of_buffers_take_turns() -> None:
    graph = regression()
    run = built(graph).executable
    _, first = run.run([X, Y], [0.1], start(graph))
    _, second = run.run([X, Y], [0.1], first)
    kept = copies(second)
    _, third = run.run([X, Y], [0.1], second)
    assert all(a is b for a, b in zip(third[:3], first[:3], strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(second, kept, strict=True))
    assert not any(np.shares_memory(a, b) for a, b in zip(second[:3], third[:3], strict=True))


def test_new_states_are_aligned_and_an_unchanged_one_is_the_array_itself() -> None:
    graph = regression()
    states = start(graph)
    _, new = built(graph).executable.run([X, Y], [0.1], states)
    assert new[3] is states[3]
    assert all(a.ctypes.data % 64 == 0 and a.flags.writeable for a in new[:3])


def test_without_in_place_no_array_is_ever_written_again() -> None:
    graph = regression()
    run = built(graph, in_place=False).executable
    history = [start(graph)]
    kept = [copies(history[0])]
    for _ in range(4):
        history.append(run.run([X, Y], [0.1], history[-1])[1])
        kept.append(copies(history[-1]))
    for arrays, values in zip(history, kept, strict=True):
        assert all(np.array_equal(a, v) for a, v in zip(arrays, values, strict=True))


def test_foreign_arrays_are_taken_and_left_alone() -> None:
    graph = regression()
    run, check = built(graph).executable, reference(graph).executable
    _, states = run.run([X, Y], [0.1], start(graph))
    foreign = start(graph, 5)[0]
    before = foreign.copy()
    mixed = [foreign, *states[1:]]
    (wanted,), _ = check.run([X, Y], [0.1], copies(mixed))
    (loss,), new = run.run([X, Y], [0.1], mixed)
    np.testing.assert_allclose(loss, wanted, 1e-5)
    assert np.array_equal(foreign, before) and new[0] is not foreign


def test_arrays_of_the_other_set_are_not_written_while_they_are_read() -> None:
    graph = regression()
    run, check = built(graph).executable, reference(graph).executable
    _, first = run.run([X, Y], [0.1], start(graph))
    _, second = run.run([X, Y], [0.1], first)
    for mixed in ([first[0], *second[1:]], [second[0][:], first[1], *second[2:]]):
        (wanted,), states = check.run([X, Y], [0.1], copies(mixed))
        (loss,), new = run.run([X, Y], [0.1], mixed)
        np.testing.assert_allclose(loss, wanted, 1e-5)
        np.testing.assert_allclose(new[0], states[0], 1e-5)


def test_an_input_may_be_an_array_that_held_a_state() -> None:
    graph = Graph()
    x = graph.add_input(tensor_type("f32", (3,)), "x")
    s = graph.add_state("s", x.type)
    with Builder(graph):
        graph.set_state("s", ops.add(s, 1.0))
        graph.add_output(ops.add(s, x))
    run = built(graph).executable
    zeros = np.zeros(3, np.float32)
    _, first = run.run([zeros], [], [zeros])
    _, second = run.run([zeros], [], first)
    (out,), third = run.run([first[0]], [], second)  # writes where the input lies
    assert (out == 3).all() and (third[0] == 3).all()


@pytest.mark.parametrize("part", ["all", "start", "end", "inside"])
def test_an_input_in_the_memory_that_a_call_writes_is_read_as_it_was(part: str) -> None:
    """The output needs the new state first, so without a copy it would read what was written."""
    graph = Graph()
    x = graph.add_input(tensor_type("f32", (64 if part == "all" else 32,)), "x")
    other = graph.add_state("other", tensor_type("f32", (64,)))
    s = graph.add_state("s", tensor_type("f32", (64,)))
    with Builder(graph):
        new = ops.add(s, 1.0)
        graph.set_state("s", new)
        graph.set_state("other", ops.add(other, 1.0))
        graph.add_output(ops.add(x, ops.sum(new)))
    run = built(graph).executable
    zeros = [np.zeros(64, np.float32) for _ in range(2)]
    _, first = run.run([np.zeros(x.type.shape, np.float32)], [], zeros)
    _, second = run.run([np.zeros(x.type.shape, np.float32)], [], first)
    cut = {"all": slice(None), "start": slice(32), "end": slice(32, 64), "inside": slice(16, 48)}
    given = first[1][cut[part]]  # the third call writes its new state here
    (out,), third = run.run([given], [], second)
    assert np.shares_memory(given, third[1]), "the case is not the one that is meant"
    assert (out == 1 + 64 * 3).all() and (third[1] == 3).all()


def test_a_bank_knows_what_a_call_overwrites() -> None:
    run = built(regression()).executable
    (bank, _), memory = run._banks, np.zeros(100, np.float32)
    bank.write_to({0: memory[20:40], 1: memory[40:50], 2: memory[70:80], 3: memory[:0]})
    inside = ((20, 40), (0, 21), (39, 41), (49, 60), (60, 71), (79, 90), (25, 26), (0, 99))
    for low, high in inside:
        assert bank.spans.near(memory[low:high]), (low, high)
    for low, high in ((0, 20), (50, 70), (80, 100), (55, 55)):
        assert not bank.spans.near(memory[low:high]), (low, high)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")
def test_each_function_has_its_own_threads() -> None:
    """Threads of the process, by number: a session of two starts one more than the caller."""
    counts = []
    runs = []
    for threads in (1, 2, 1, 3):
        before = len(os.listdir("/proc/self/task"))
        target = Target("onnx", threads=threads)
        runs.append(build(get_backend("onnx"), regression(), target).executable)
        counts.append(len(os.listdir("/proc/self/task")) - before + 1)
        assert runs[-1].session.get_session_options().intra_op_num_threads == threads
    assert counts == [1, 2, 1, 3]
    results = [run.run([X, Y], [0.1], start(regression())) for run in runs]
    for (loss,), states in results[1:]:
        np.testing.assert_allclose(loss, results[0][0][0], 1e-6)
        np.testing.assert_allclose(states[0], results[0][1][0], 1e-6)


def test_a_value_written_into_a_state_array_counts_at_the_next_call() -> None:
    graph = regression()
    run, check = built(graph).executable, reference(graph).executable
    _, states = run.run([X, Y], [0.1], start(graph))
    _, states = run.run([X, Y], [0.1], states)
    states[0][...] = 0.5
    states[3][...] = 2.0
    (wanted,), _ = check.run([X, Y], [0.1], copies(states))
    (loss,), _ = run.run([X, Y], [0.1], states)
    np.testing.assert_allclose(loss, wanted, 1e-5)


def test_arrays_of_any_layout_are_read_right_at_every_call() -> None:
    graph = regression()
    run, check = built(graph).executable, reference(graph).executable
    states = start(graph)
    states[0] = np.asfortranarray(states[0])
    strange = [np.repeat(X, 2, 1)[:, ::2], Y.astype(">f4")]
    for value in (1.0, 3.0):
        states[0][0, 0] = value
        (wanted,), _ = check.run([np.ascontiguousarray(strange[0]), Y], [0.1], copies(states))
        (loss,), _ = run.run(strange, [0.1], states)
        np.testing.assert_allclose(loss, wanted, 1e-5)


def test_outputs_are_not_overwritten_by_later_calls() -> None:
    graph = Graph()
    x = graph.add_input(tensor_type("f32", (100, 100)), "x")
    with Builder(graph):
        graph.add_output(ops.mul(x, 2.0))
        graph.add_output(ops.sum(x))
    run = built(graph).executable
    ones = np.ones((100, 100), np.float32)
    (large, small), _ = run.run([ones], [], [])
    run.run([ones * 5], [], [])
    assert (large == 2).all() and small == 10000


def test_inputs_states_and_repeated_values_may_be_results() -> None:
    graph = Graph()
    x = graph.add_input(tensor_type("f32", (2,)), "x")
    a, b = (graph.add_state(n, x.type) for n in "ab")
    with Builder(graph):
        new = ops.add(a, x)
    for value in (x, b, new, new):
        graph.add_output(value)
    graph.set_state("a", new)
    graph.set_state("b", a)
    run = built(graph).executable
    arrays = [np.array([1, 2], np.float32), np.array([3, 4], np.float32)]
    one = np.ones(2, np.float32)
    for _ in range(3):
        wanted = [one, arrays[1].copy(), arrays[0] + one, arrays[0] + one]
        states = [arrays[0] + one, arrays[0].copy()]
        outputs, arrays = run.run([one], [], arrays)
        assert all(np.array_equal(o, w) for o, w in zip(outputs, wanted, strict=True))
        assert all(np.array_equal(s, w) for s, w in zip(arrays, states, strict=True))
        assert not any(np.shares_memory(o, s) for o in [*outputs, one] for s in arrays)


def test_states_may_change_places() -> None:
    graph = Graph()
    a, b = (graph.add_state(n, tensor_type("f32", (2,))) for n in "ab")
    graph.set_state("a", b)
    graph.set_state("b", a)
    run = built(graph).executable
    arrays = [np.zeros(2, np.float32), np.ones(2, np.float32)]
    for step in range(5):
        _, arrays = run.run([], [], arrays)
        assert arrays[0][0] == (step + 1) % 2 and arrays[1][0] == step % 2


def test_two_executables_share_states() -> None:
    graph = regression()
    one, other, check = built(graph), built(graph), reference(graph).executable
    a, b = start(graph), start(graph)
    for step in range(6):
        run = (one if step % 3 else other).executable
        (loss,), a = run.run([X, Y], [0.1], a)
        (wanted,), b = check.run([X, Y], [0.1], b)
        np.testing.assert_allclose(loss, wanted, 1e-5)


def indexed() -> Graph:
    graph = Graph()
    ids = graph.add_input(tensor_type("i64", (3,)), "ids")
    table = graph.add_state("table", tensor_type("f32", (4, 2)))
    with Builder(graph):
        graph.set_state("table", ops.add(table, 1.0))
        graph.add_output(ops.take(table, ids, 0))
    return graph


def test_a_call_that_fails_leaves_the_states_and_the_next_call_works() -> None:
    run = built(indexed()).executable
    states = [np.zeros((4, 2), np.float32)]
    for _ in range(3):
        _, states = run.run([np.array([0, 1, -1])], [], states)
        kept = copies(states)
        with pytest.raises(IndexError, match="out of range"):
            run.run([np.array([0, 9, 1])], [], states)
        assert np.array_equal(states[0], kept[0])
    assert states[0][0, 0] == 3


def test_a_wrong_shape_that_slips_through_is_a_backend_error() -> None:
    run = built(regression()).executable
    with pytest.raises(BackendError, match="ONNX Runtime fails"):
        run.run([X[:, :2].copy(), Y], [0.1], start(regression()))


def test_bfloat16_and_float16_states_are_shared() -> None:
    for dtype, kind in (("bfloat16", ml_dtypes.bfloat16), ("float16", np.float16)):
        graph = Graph()
        s = graph.add_state("s", tensor_type(dtype, (3,)))
        with Builder(graph):
            graph.set_state("s", ops.add(s, 1.0))
        graph.add_output(s)
        run = built(graph).executable
        states = [np.zeros(3, kind)]
        for step in range(4):
            (out,), states = run.run([], [], states)
            assert out.dtype == states[0].dtype == kind
            assert (out == kind(step)).all() and (states[0] == kind(step + 1)).all()


def test_symbolic_sizes_change_from_call_to_call() -> None:
    graph = Graph()
    x = graph.add_input(tensor_type("f32", ("n", "m")), "x")
    with Builder(graph):
        graph.add_output(ops.transpose(ops.mul(x, 2.0), (1, 0)))
        graph.add_output(ops.reshape(x, (x.type.shape[0] * x.type.shape[1],)))
    run = built(graph).executable
    for n, m in ((2, 3), (5, 1), (0, 4), (40, 200)):
        x0 = np.arange(n * m, dtype=np.float32).reshape(n, m)
        (twice, flat), _ = run.run([x0], [], [])
        assert np.array_equal(twice, 2 * x0.T) and np.array_equal(flat, x0.reshape(-1))


def test_loading_makes_no_warning(capfd: pytest.CaptureFixture[str]) -> None:
    ort.set_default_logger_severity(2)
    for graph in (regression(), regression("batch"), indexed()):
        built(graph)
    assert capfd.readouterr().err == ""


def calls_of_a_step(count: int) -> int:
    """Functions that Python calls in one warm run of a graph with ``count`` states."""
    graph = Graph()
    for i in range(count):
        s = graph.add_state(f"s{i}", tensor_type("f32", (16,)))
        with Builder(graph):
            graph.set_state(f"s{i}", ops.neg(s))
    run = built(graph).executable
    states = [np.zeros(16, np.float32) for _ in range(count)]
    for _ in range(4):
        _, states = run.run([], [], states)
    made = 0

    def tick(frame: object, event: str, argument: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(tick)
    try:
        run.run([], [], states)
    finally:
        sys.setprofile(None)
    return made


def test_a_call_does_no_work_for_each_state() -> None:
    """State that the backend wrote itself is neither bound nor copied anew (see benchmarks)."""
    assert calls_of_a_step(300) - calls_of_a_step(30) <= 270
