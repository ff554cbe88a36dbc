"""Calls that become one: which do, which do not, and that not a bit of the results changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nngraph import ops
from nngraph.backends.arrays import aligned_copy
from nngraph.backends.base import usable_cpus
from nngraph.backends.tvm.program import batch, layout
from nngraph.backends.tvm.program.batch import Batch
from nngraph.backends.tvm.program.program import Program, Table
from nngraph.backends.tvm.tensors import TensorTable
from nngraph.backends.tvm.threads import ThreadCount
from nngraph.backends.tvm.tiles import CHUNK, PARTS
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Array
from nngraph.ir.types import tensor_type
from tests.support.program_interpreter import run_program
from tests.support.tvm_programs import emit, load_all

Shapes = Sequence[tuple[int, ...]]


def momentum(shapes: Shapes, dtype: str = "f32") -> Graph:
    """``m = 0.9 m + g; p -= lr m`` for each shape."""
    graph = Graph("momentum")
    lr = graph.add_scalar("lr", tensor_type(dtype))
    with Builder(graph):
        for i, shape in enumerate(shapes):
            kind = tensor_type(dtype, shape)
            g, p, m = (
                graph.add_input(kind),
                graph.add_state(f"p{i}", kind),
                graph.add_state(f"m{i}", kind),
            )
            new = ops.add(ops.mul(m, 0.9), g)
            graph.set_state(f"m{i}", new)
            graph.set_state(f"p{i}", ops.sub(p, ops.mul(new, lr)))
    return graph


def calls(program: Program) -> list[int]:
    """For each call of how many it is made."""
    return [max(len(call.sizes), 1) for call in program.calls]


def test_updates_of_any_sizes_are_one_call_of_one_kernel() -> None:
    program = emit(momentum([(3, 5), (700,), (2, 3, 4), (64, 64)]))
    assert calls(program) == [4]
    assert program.calls[0].sizes == (15, 700, 24, 4096)
    (spec,) = program.kernels
    assert spec.table is Table.SERIAL and spec.aliases
    (other,) = emit(momentum([(8,), (9,)])).kernels
    assert other.key == spec.key  # sizes are no part of the kernel


def test_enough_work_is_shared_among_threads() -> None:
    (spec,) = emit(momentum([(100, 100), (50, 50)])).kernels
    assert spec.table is Table.PARALLEL


def test_a_single_update_is_as_it_was() -> None:
    program = emit(momentum([(3, 5)]))
    assert calls(program) == [1] and program.kernels[0].table is None


def of(*types: tuple[str, tuple[int, ...]]) -> tuple[Graph, list[Value]]:
    graph = Graph("case")
    return graph, [graph.add_state(f"s{i}", tensor_type(*t)) for i, t in enumerate(types)]


def other_operators() -> Graph:
    graph, (a, b) = of(("f32", (8,)), ("f32", (9,)))
    with Builder(graph):
        graph.set_state("s0", ops.add(a, 1.0))
        graph.set_state("s1", ops.mul(b, 2.0))
    return graph


def other_types() -> Graph:
    graph, (a, b) = of(("f32", (8,)), ("f64", (8,)))
    with Builder(graph):
        graph.set_state("s0", ops.add(a, 1.0))
        graph.set_state("s1", ops.add(b, 1.0))
    return graph


def with_rows() -> Graph:
    """A vector that is the same for each row has another place in each kernel."""
    graph, states = of(("f32", (8, 4)), ("f32", (9, 3)))
    vectors = [graph.add_input(tensor_type("f32", (n,))) for n in (4, 3)]
    with Builder(graph):
        for i, (a, v) in enumerate(zip(states, vectors, strict=True)):
            graph.set_state(f"s{i}", ops.add(a, v))
    return graph


def with_places() -> Graph:
    graph, states = of(("f32", (8,)), ("f32", (9,)))
    with Builder(graph):
        for i, a in enumerate(states):
            count = ops.iota(a.type.dtype, a.type.shape, 0, a)
            graph.set_state(f"s{i}", ops.add(a, count))
    return graph


def with_parts() -> Graph:
    graph, states = of(("f32", (8,)), ("f32", (9,)))
    with Builder(graph):
        for a in states:
            part = ops.slice_axis(a, 0, 1, 5)
            graph.add_output(ops.neg(part))
    return graph


def numbers_only() -> Graph:
    graph, (a, b) = of(("f32", ()), ("f32", (1,)))
    with Builder(graph):
        graph.set_state("s0", ops.add(a, 1.0))
        graph.set_state("s1", ops.add(b, 1.0))
    return graph


def chained() -> Graph:
    """The second needs what the first makes, and a product stands between."""
    graph = Graph("chained")
    x = graph.add_input(tensor_type("f32", (8, 8)))
    with Builder(graph):
        y = ops.matmul(ops.neg(x), x)
        graph.add_output(ops.neg(ops.transpose(y, (1, 0))))
    return graph


APART = (other_operators, other_types, with_rows, with_places, with_parts, numbers_only, chained)


@pytest.mark.parametrize("make", APART, ids=lambda make: make.__name__)
def test_others_stay_apart(make: Callable[[], Graph]) -> None:
    program = emit(make())
    assert set(calls(program)) == {1} and all(k.table is None for k in program.kernels)


def passed_on() -> Graph:
    """Each state takes the old value of the next one, and one reads a new value."""
    graph, states = of(*[("f32", (n,)) for n in (8, 8, 8, 9, 9)])
    with Builder(graph):
        for i, source in ((0, 1), (1, 2), (3, 4)):
            graph.set_state(f"s{i}", ops.neg(states[source]))
        new = ops.neg(ops.reshape(ops.neg(states[2]), (2, 4)))
        graph.set_state("s2", ops.reshape(new, (8,)))
    return graph


def test_what_overwrites_comes_after_what_reads() -> None:
    """The old value of s1 is read before it goes, that of s2 too; what is free of that is one."""
    program = emit(passed_on())
    assert sum(calls(program)) > len(program.calls)
    states = [
        aligned_copy(np.arange(1, n + 1, dtype=np.float32) * 10**i)
        for i, n in enumerate((8, 8, 8, 9, 9))
    ]
    old = [s.copy() for s in states]
    _, new = run_program(program, [], [], states)
    for got, want in zip(new, (-old[1], -old[2], old[2], -old[4], old[4]), strict=True):
        np.testing.assert_array_equal(got, want)


def test_much_that_later_calls_read_is_made_call_by_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> Graph:
        graph = Graph("read later")
        inputs = [graph.add_input(tensor_type("f32", (n, n))) for n in (64, 65)]
        with Builder(graph):
            made = [ops.neg(x) for x in inputs]
            for x, y in zip(inputs, made, strict=True):
                graph.add_output(ops.matmul(x, y))
        return graph

    assert 2 in calls(emit(make()))
    monkeypatch.setattr(batch, "MAX_MADE", 4 * (64 * 64 + 65 * 65) - 1)
    assert set(calls(emit(make()))) == {1}


def test_a_program_shows_and_keeps_its_batches() -> None:
    assert "fused#0 x2(" in str(emit(momentum([(3,), (4,)])))


# -- results -------------------------------------------------------------------------------------
def plain(make: Callable[[], Graph], monkeypatch: pytest.MonkeyPatch) -> Program:
    """The program with a call for each kernel."""
    with monkeypatch.context() as patch:
        patch.setattr(layout, "batches", lambda work, order, _: [Batch((work[i],)) for i in order])
        return emit(make())


def mixed(shapes: Shapes) -> Graph:
    """Costly functions, halves and bools, of each shape, some of them new tensors."""
    graph = Graph("mixed")
    for i, shape in enumerate(shapes):
        x, h = (graph.add_input(tensor_type(d, shape)) for d in ("f32", "f16"))
        w = graph.add_state(f"w{i}", tensor_type("f32", shape))
        c = graph.add_state(f"c{i}", tensor_type("bool", shape))
        with Builder(graph):
            positive = ops.gt(ops.tanh(x), ops.erf(w))
            graph.set_state(f"w{i}", ops.where(c, ops.exp(ops.mul(x, 0.5)), w))
            graph.set_state(f"c{i}", positive)
            graph.add_output(ops.add(ops.mul(h, h), 0.1))
    return graph


SHAPES = [(1, 7), (CHUNK,), (CHUNK + 1,), (CHUNK - 1,), (3, 5), (33, 1000), (2, 2, 2), (16,)]


def arguments(graph: Graph) -> tuple[list[Array], list[float], list[Array]]:
    rng = np.random.default_rng(0)

    def draw(values: Sequence[Value]) -> list[Array]:
        return [
            aligned_copy(rng.standard_normal(v.type.static_shape).astype(v.type.dtype.numpy))
            for v in values
        ]

    return draw(graph.inputs), [0.1] * len(graph.scalars), draw([s.input for s in graph.states])


@pytest.mark.parametrize("make", [momentum, mixed], ids=lambda make: make.__name__)
@pytest.mark.parametrize("threads", [1, 2])
def test_no_bit_changes(
    make: Callable[[Shapes], Graph], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = [emit(make(SHAPES)), plain(lambda: make(SHAPES), monkeypatch)]
    assert len(programs[0].calls) * 4 < len(programs[1].calls)
    runs = load_all(programs)
    found: list[list[Any]] = []
    for run in runs:
        run._threads = ThreadCount(min(threads, usable_cpus()))
        inputs, scalars, states = arguments(make(SHAPES))
        for _ in range(2):
            outputs, states = run.run([aligned_copy(a) for a in inputs], scalars, states)
        found.append([*outputs, *states])
    for got, want in zip(*found, strict=True):
        np.testing.assert_array_equal(got, want)


@st.composite
def updates(draw: st.DrawFn) -> Graph:
    """States that are updated by few forms, from each other's old and new values."""
    graph = Graph("random")
    size = st.sampled_from((1, 4, 9))
    values = [
        graph.add_state(f"s{i}", tensor_type("f32", (draw(size),)))
        for i in range(draw(st.integers(2, 7)))
    ]
    values += [graph.add_input(tensor_type("f32", (n,))) for n in (1, 4, 9)]
    with Builder(graph):
        for _ in range(draw(st.integers(2, 10))):
            x = draw(st.sampled_from(values))
            y = draw(st.sampled_from([v for v in values if v.type == x.type]))
            kind = draw(st.integers(0, 3))
            if kind == 0:  # no kernel goes on behind this
                values.append(ops.flip(x, (0,)))
            else:
                values.append((ops.add, ops.sub, ops.maximum)[kind - 1](x, y))
    for state in graph.states:
        fitting = [v for v in values if v.type == state.input.type]
        graph.set_state(state.name, draw(st.sampled_from(fitting)))
    graph.add_output(draw(st.sampled_from(values)))
    return graph


@given(updates())
@settings(max_examples=150, deadline=None)
def test_random_updates_lose_nothing(graph: Graph) -> None:
    program = emit(graph.clone())
    check(graph, lambda *given: run_program(program, *given))


@given(st.lists(updates(), min_size=6, max_size=6))
@settings(
    max_examples=3, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
def test_random_updates_agree_when_compiled(graphs: list[Graph]) -> None:
    executables = load_all([emit(graph.clone()) for graph in graphs])
    for graph, executable in zip(graphs, executables, strict=True):
        check(graph, executable.run)


def check(graph: Graph, run: Callable[..., Any]) -> None:
    from nngraph.interpreter import interpret

    inputs, scalars, states = arguments(graph)
    named = zip((s.name for s in graph.states), (s.copy() for s in states), strict=True)
    wanted = interpret(graph, inputs, None, dict(named))
    outputs, new = run(inputs, scalars, states)
    for got, want in zip([*outputs, *new], [*wanted.outputs, *wanted.states.values()], strict=True):
        np.testing.assert_array_equal(got, want)


# -- the table -----------------------------------------------------------------------------------
def test_a_table_lists_pieces_and_shares_them_evenly() -> None:
    sizes = (5, 2 * CHUNK + 1, CHUNK)
    table = TensorTable(sizes, [tensor_type("f32", (CHUNK,)), tensor_type("f64")])
    data, counts, starts = table.arrays
    assert counts.tolist() == [5, CHUNK, CHUNK, 1, CHUNK]
    assert starts[0] == 0 and starts[-1] == 5 and len(starts) == PARTS + 1
    assert (np.diff(starts) >= 0).all() and (np.diff(starts) <= 2).all()
    vector, number = aligned_copy(np.zeros(sizes[1], np.float32)), aligned_copy(np.zeros(()))
    table[2], table[3] = vector, number
    begin = vector.ctypes.data
    assert data[1:4, 0, 0].tolist() == [begin, begin + 4 * CHUNK, begin + 8 * CHUNK]
    assert set(data[1:4, 1, 0].tolist()) == {number.ctypes.data}
    assert not data[0].any() and not data[4].any()
