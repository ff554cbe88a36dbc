"""Programs whose states depend on each other: an order is found, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nngraph as ng
from nngraph import ops
from nngraph.backends.arrays import aligned_copy
from nngraph.backends.tvm.program.program import Place, Program
from nngraph.interpreter import interpret
from nngraph.ir.attributes import Subgraph
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Array
from nngraph.ir.types import tensor_type
from tests.support.conditioning import Run, Shake, require_insensitive
from tests.support.program_interpreter import run_program
from tests.support.tvm_programs import emit, load_all, lookup_step

SHAPES = ((), (3,), (1, 3), (2, 3), (3, 3))


def arguments(graph: Graph, seed: int) -> tuple[list[Array], list[Array]]:
    """Small whole numbers for inputs and states; indices are in range and no divisor is zero."""
    rng = np.random.default_rng(seed)
    inputs, states = (
        [rng.integers(1, 3, v.type.static_shape).astype(v.type.dtype.numpy) for v in values]
        for values in (graph.inputs, [s.input for s in graph.states])
    )
    return inputs, states


def check(graph: Graph, run: Callable[..., Any], program: Program, seed: int = 0) -> None:
    """One call of the program, in memory that kernels may have, gives what the graph says."""
    inputs, states = arguments(graph, seed)
    given = zip((s.name for s in graph.states), states, strict=True)
    wanted = interpret(graph, inputs, None, dict(given))
    inputs, states = ([aligned_copy(a) for a in arrays] for arrays in (inputs, states))
    outputs, new_states = run(inputs, [], states)
    pairs = [*zip(outputs, wanted.outputs, strict=True)]
    pairs += zip(new_states, wanted.states.values(), strict=True)
    for got, want in pairs:
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5, err_msg=str(program))


def check_interpreted(graph: Graph, seed: int = 0) -> Program:
    program = emit(graph.clone())
    check(graph, lambda *a: run_program(program, *a), program, seed)
    return program


# -- programs that were refused, never finished, or went wrong -------------------------------------


def counter() -> Graph:
    """N += 1; w -= z: the counter's update runs in the kernel that makes something else."""
    graph = Graph("counter")
    z = graph.add_input(tensor_type("f32", (4,)))
    n, w = (graph.add_state(s, tensor_type("f32", shape)) for s, shape in (("n", ()), ("w", (4,))))
    with Builder(graph):
        graph.set_state("n", ops.add(n, 1.0))
        graph.set_state("w", ops.sub(w, ops.mul(z, n)))
    return graph


def across() -> Graph:
    """A matrix times a state, folded along the axis that the state varies along."""
    graph = Graph("across")
    x = graph.add_input(tensor_type("f32", (40, 40)))
    w = graph.add_state("w", tensor_type("f32", (40,)))
    with Builder(graph):
        graph.set_state("w", ops.sum(ops.mul(x, w), (1,)))
    return graph


def outer() -> Graph:
    """A kernel that reads a state as a row and as a column, and makes its new value."""
    graph = Graph("outer")
    w = graph.add_state("w", tensor_type("f32", (8, 8)))
    with Builder(graph):
        column, row = ops.reshape(w, (64, 1)), ops.reshape(w, (1, 64))
        graph.set_state("w", ops.reshape(ops.max(ops.sub(column, row), (1,), True), (8, 8)))
    return graph


def read_again() -> Graph:
    """The first sweep makes the state's new value, the next one reads the old value again."""
    graph = Graph("read again")
    w = graph.add_state("w", tensor_type("f32", (6, 40)))
    with Builder(graph):
        shifted = ops.sub(w, ops.mean(w, (1,), True))
        size = ops.sum(ops.mul(shifted, shifted), (1,), True)
        graph.set_state("w", shifted)
        graph.add_output(ops.div(w, ops.add(size, 1.0)))
    return graph


def normalised() -> Graph:
    """The last sweep makes the state's new value; all others only read the old one."""
    graph = Graph("normalised")
    w = graph.add_state("w", tensor_type("f32", (6, 40)))
    with Builder(graph):
        shifted = ops.sub(w, ops.mean(w, (1,), True))
        size = ops.sum(ops.mul(shifted, shifted), (1,), True)
        graph.set_state("w", ops.div(w, ops.add(size, 1.0)))
        graph.add_output(shifted)
    return graph


def rotate() -> Graph:
    """Three states pass their values on, and a fourth takes one of them as well."""
    graph = Graph("rotate")
    values = {n: graph.add_state(n, tensor_type("f32", (5,))) for n in "abcd"}
    for name, source in zip("abcd", "bcaa", strict=True):
        graph.set_state(name, values[source])
    graph.add_output(values["a"])
    return graph


def same() -> Graph:
    """Two states and an output get one value, a third an input."""
    graph = Graph("same")
    x = graph.add_input(tensor_type("f32", (5,)))
    a, *_ = (graph.add_state(n, x.type) for n in "abc")
    with Builder(graph):
        new = ops.add(a, x)
    for name, value in zip("abc", (new, new, x), strict=True):
        graph.set_state(name, value)
    graph.add_output(new)
    return graph


def tangled() -> Graph:
    """Products of old values, a lookup that may fail behind an update, and a shared sum."""
    graph = Graph("tangled")
    index = graph.add_input(tensor_type("i64", (3,)))
    a, b = (graph.add_state(n, tensor_type("f32", (3, 3))) for n in "ab")
    count = graph.add_state("count", tensor_type("i64"))
    with Builder(graph):
        new = ops.add(count, 1)
        graph.set_state("count", new)
        rows = ops.take(a, ops.sub(index, new), 0)
        graph.set_state("a", ops.matmul(a, b))
        graph.set_state("b", ops.add(ops.matmul(b, a), rows))
    return graph


def stacked() -> Graph:
    """A state takes what a loop stacks, step by step, while later steps may still fail."""
    body = lookup_step()
    graph = Graph("stacked")
    start, table = (graph.add_input(v.type) for v in body.inputs[:2])
    indices = graph.add_input(tensor_type("i64", (3, 1)))
    graph.add_state("rows", tensor_type("f32", (3, 1, 4)))
    with Builder(graph):
        _, rows = ops.scan(Subgraph(body), [start], [table], [indices], 3)
        graph.set_state("rows", rows)
    return graph


def joined() -> Graph:
    """A state's new value, and the old one joined with it, element by element and row by row."""
    graph = Graph("joined")
    w, r = (graph.add_state(n, tensor_type("f32", s)) for n, s in (("w", (6, 40)), ("r", (6, 1))))
    with Builder(graph):
        graph.set_state("w", ops.add(w, w))
        graph.add_output(ops.concat([ops.add(w, w), w, ops.neg(w)], 1))
        total = ops.add(ops.sum(w, (1,), True), r)
        graph.set_state("r", total)
        graph.add_output(ops.concat([total, r], 1))
    return graph


def cut() -> Graph:
    """A state, and what one part of it makes of another."""
    graph = Graph("cut")
    w, h = (graph.add_state(n, tensor_type("f32", s)) for n, s in (("w", (6, 40)), ("h", (6, 20))))
    with Builder(graph):
        left, right = ops.split(w, (20, 20), 1)
        graph.set_state("h", ops.mul(left, right))
        both = ops.concat([ops.add(right, h), ops.sub(left, h)], 1)
        graph.set_state("w", both)
    return graph


_MAKERS = (
    joined,
    cut,
    counter,
    across,
    outer,
    read_again,
    normalised,
    rotate,
    same,
    tangled,
    stacked,
)
GRAPHS = {make.__name__: make for make in _MAKERS}


@pytest.mark.parametrize("name", GRAPHS)
def test_nothing_is_lost(name: str) -> None:
    check_interpreted(GRAPHS[name]())


@pytest.fixture(scope="module")
def loaded() -> dict[str, Any]:
    programs = {name: emit(make()) for name, make in GRAPHS.items()}
    executables = load_all(list(programs.values()))
    return dict(zip(programs, executables, strict=True))


@pytest.mark.parametrize("name", GRAPHS)
def test_compiled_programs_agree(name: str, loaded: dict[str, Any]) -> None:
    check(GRAPHS[name](), loaded[name].run, loaded[name].program)


def test_a_loop_that_fails_leaves_the_state_it_would_fill(loaded: dict[str, Any]) -> None:
    table = np.arange(20, dtype=np.float32).reshape(5, 4)
    rows = aligned_copy(np.full((3, 1, 4), 7, np.float32))
    with pytest.raises(IndexError, match="index 5 is out of range"):
        loaded["stacked"].run([np.asarray(0), table, np.array([[1], [5], [0]])], [], [rows])
    np.testing.assert_array_equal(rows, 7)


def _aliases(program: Program) -> list[tuple[int, int]]:
    return [pair for spec in program.kernels for pair in spec.aliases]


def test_a_kernel_that_reads_again_does_not_overwrite() -> None:
    assert _aliases(emit(read_again())) == []
    assert _aliases(emit(across())) == []
    assert _aliases(emit(outer())) == []


def test_a_kernel_that_stores_last_overwrites_at_once() -> None:
    program = emit(normalised())
    assert len(program.calls) == 1
    assert len(_aliases(program)) == 1


# -- random programs -------------------------------------------------------------------------------


@st.composite
def updates(draw: st.DrawFn) -> Graph:
    """States that are updated from each other, with checks, folds, products and exchanges."""
    graph = Graph("random")
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=2, max_size=5))
    values = [graph.add_state(f"s{i}", tensor_type("f32", s)) for i, s in enumerate(shapes)]
    values.append(graph.add_input(tensor_type("f32", draw(st.sampled_from(SHAPES)))))
    index = graph.add_input(tensor_type("i64", (2,)))
    with Builder(graph):
        for _ in range(draw(st.integers(1, 9))):
            x = values[draw(st.integers(0, len(values) - 1))]
            values.append(_step(draw, x, values, index))
    for state in graph.states:
        fitting = [v for v in values if v.type == state.input.type]
        graph.set_state(state.name, fitting[-draw(st.integers(1, len(fitting)))])
    for _ in range(draw(st.integers(0, 2))):
        graph.add_output(values[draw(st.integers(0, len(values) - 1))])
    return graph


def _step(draw: st.DrawFn, x: Value, values: list[Value], index: Value) -> Value:
    kind = draw(st.integers(0, 11))
    shape = x.type.static_shape
    if kind == 0 and shape == (3, 3):
        others = [v for v in values if v.type == x.type]
        return ops.remainder(ops.matmul(x, draw(st.sampled_from(others))), 5.0)
    if kind == 1 and x.type.rank:
        return ops.remainder(ops.sum(x, (draw(st.integers(0, x.type.rank - 1)),), True), 5.0)
    if kind == 2 and x.type.rank == 2:
        return ops.remainder(ops.sum(x, (draw(st.integers(0, 1)),)), 5.0)
    if kind == 3 and shape == (3, 3):
        return ops.transpose(x, (1, 0))
    if kind == 4 and shape == (3,):
        return ops.take(x, ops.sub(index, 3), 0) if draw(st.booleans()) else ops.flip(x, (0,))
    if kind in (5, 6) and x.type.rank:
        return _pieces(draw, x, values)
    others = [v for v in values if _broadcasts(x, v)]
    y = draw(st.sampled_from(others))
    return draw(st.sampled_from((ops.add, ops.sub, ops.maximum)))(x, y)


def _pieces(draw: st.DrawFn, x: Value, values: list[Value]) -> Value:
    """Joins x with what has its type, and cuts what comes of it to its size again."""
    axis = draw(st.integers(0, x.type.rank - 1))
    y = draw(st.sampled_from([v for v in values if v.type == x.type]))
    both = ops.concat([ops.add(x, y), ops.maximum(x, y)], axis)
    size = x.type.static_shape[axis]
    first, second = (draw(st.integers(0, size)) for _ in range(2))
    return ops.sub(*(ops.slice_axis(both, axis, start, size) for start in (first, second)))


def _broadcasts(a: Value, b: Value) -> bool:
    pairs = zip(a.type.shape[::-1], b.type.shape[::-1], strict=False)
    return a.type.dtype is b.type.dtype and all(m == n or 1 in (m, n) for m, n in pairs)


@given(updates(), st.integers(0, 9))
@settings(max_examples=150, deadline=None)
def test_random_programs_lose_nothing(graph: Graph, seed: int) -> None:
    check_interpreted(graph, seed)


@given(st.lists(updates(), min_size=4, max_size=4))
@settings(
    max_examples=3, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
def test_random_programs_agree_when_compiled(graphs: list[Graph]) -> None:
    programs = [emit(graph.clone()) for graph in graphs]
    for graph, program, executable in zip(graphs, programs, load_all(programs), strict=True):
        check(graph, executable.run, program)


# -- the checker itself: broken programs are found -------------------------------------------------


def chain() -> Graph:
    """A state that is read by a product, and updated with what comes of it."""
    graph = Graph("chain")
    x = graph.add_input(tensor_type("f32", (3, 3)))
    w = graph.add_state("w", x.type)
    with Builder(graph):
        y = ops.matmul(x, w)
        z = ops.matmul(ops.transpose(y, (1, 0)), ops.flip(y, (0,)))
        graph.set_state("w", ops.add(w, z))
        graph.add_output(ops.matmul(w, y))
    return graph


def _fails(graph: Graph, program: Program) -> bool:
    try:
        check(graph, lambda *a: run_program(program, *a), program)
    except AssertionError:
        return True
    return False


def test_an_overwriting_before_a_reader_is_found() -> None:
    graph = chain()
    program = emit(graph.clone())
    last = program.before
    found = []
    for earlier in range(last):
        calls = list(program.calls)
        calls.insert(earlier, calls.pop(last))
        found.append(_fails(graph, replace(program, calls=tuple(calls), before=earlier)))
    assert all(found) and found


def test_overlapping_storages_are_found() -> None:
    graph = chain()
    program = emit(graph.clone())
    moved = [replace(s, index=0) if s.place is Place.ARENA else s for s in program.storages]
    assert not _fails(graph, program)
    assert _fails(graph, replace(program, storages=tuple(moved)))


def test_a_check_after_an_overwriting_is_found() -> None:
    graph = tangled()
    program = emit(graph.clone())
    assert _fails(graph, replace(program, before=0))


# -- training steps that did not finish ------------------------------------------------------------


def _adagrad(fw: Any, optim: Any, nn: Any) -> Any:
    parameters = [nn.Parameter(fw.full(s, 0.5)) for s in ((4, 3), (3,), (2, 2, 2), ())]
    optimizer = optim.Adagrad(parameters, lr=0.1)

    def step() -> Any:
        optimizer.zero_grad()
        loss = sum((p * (i + 1.0)).sum() for i, p in enumerate(parameters))
        loss.backward()
        optimizer.step()
        return loss

    return step, parameters


def _counting(fw: Any, optim: Any, nn: Any) -> Any:
    n, w, z = fw.zeros(()), fw.full((4,), 2.0), fw.full((4,), 0.25)

    def step() -> Any:
        n.add_(1)
        w.sub_(z)
        return (w * n).sum()

    return step, [n, w]


def _layer_norm(fw: Any, optim: Any, nn: Any) -> Any:
    # Of no symmetry, in which the rows' variances or the loss would cancel to rounding errors.
    weight = nn.Parameter((fw.linspace(-1.0, 2.0, 24) * 11.0).cos().reshape(4, 6))
    scale = nn.Parameter(fw.linspace(0.2, 0.6, 6))
    x = (fw.linspace(-2.0, 3.0, 20).reshape(5, 4) * 9.0).sin()
    optimizer = optim.SGD([weight, scale], lr=0.1)

    def step() -> Any:
        optimizer.zero_grad()
        y = x @ weight
        centred = y - y.mean(-1, keepdim=True)
        variance = (centred * centred).mean(-1, keepdim=True)
        out = centred / (variance + 1e-5).sqrt() * scale
        loss = (out * out * out).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step, [weight, scale]


def _trained(make: Any, dtype: str, shake: Shake) -> Run:
    """Four steps in PyTorch."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    step, tensors = make(torch, torch.optim, torch.nn)
    losses = []
    for _ in range(4):
        shake(tensors)
        losses.append(float(step().detach()))
    torch.set_default_dtype(before)
    return Run(losses, {str(i): t.detach().numpy() for i, t in enumerate(tensors)})


@pytest.mark.parametrize("make", [_adagrad, _counting, _layer_norm])
def test_training_steps_that_did_not_finish_agree_with_pytorch(make: Any) -> None:
    relative, absolute = tolerance = 1e-5, 1e-6
    wanted = require_insensitive(make.__name__, partial(_trained, make), "float32", tolerance)
    ours, got = make(ng, ng.optim, ng.nn)
    ours = ng.compile(ours, backend="tvm", threads=1)
    for loss in wanted.losses:
        assert float(ours()) == pytest.approx(loss, rel=relative, abs=absolute)
    for mine, other in zip(got, wanted.arrays.values(), strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), other, rtol=relative, atol=absolute)
