"""Loops whose carries are stacked, exchanged, or one value: at every step, first and last."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from nngraph import ops
from nngraph.backends.arrays import aligned_copy
from nngraph.backends.base import Target
from nngraph.backends.tvm.artifact import TvmArtifact
from nngraph.backends.tvm.backend import backend
from nngraph.backends.tvm.executable import TvmExecutable
from nngraph.backends.tvm.fuse.kernels import FuseKernels
from nngraph.backends.tvm.program.program import Program
from nngraph.ir.attributes import Subgraph
from nngraph.ir.builder import Builder
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Array
from nngraph.ir.types import tensor_type
from nngraph.passes.base import Context
from nngraph.passes.nested import InBodies
from tests.support.program_interpreter import run_program
from tests.support.tvm_programs import emit, load_all

Step = Callable[[Value, Value, Value], tuple[Value, ...]]


def stacked(a: Value, b: Value, x: Value) -> tuple[Value, ...]:
    """Both carries are stacked, and so is something else."""
    new = ops.add(ops.mul(a, 0.5), x)
    other = ops.sub(b, new)
    return new, other, other, new, ops.mul(new, other)


def one_of_two(a: Value, b: Value, x: Value) -> tuple[Value, ...]:
    """A carry is stacked before and after the step, the other is not."""
    new = ops.add(a, x)
    return new, ops.add(b, new), a, new


def same(a: Value, b: Value, x: Value) -> tuple[Value, ...]:
    """Both carries get one value, which nobody stacks."""
    new = ops.sub(ops.add(a, x), ops.mul(b, 0.5))
    return new, new, ops.neg(new)


def same_stacked(a: Value, b: Value, x: Value) -> tuple[Value, ...]:
    new = ops.sub(ops.add(a, x), ops.mul(b, 0.5))
    return new, new, new


def exchanged(a: Value, b: Value, x: Value) -> tuple[Value, ...]:
    """One takes what the other had, which is stacked; and the sequence goes through."""
    new = ops.add(a, x)
    return b, new, new, b, x


def twice(a: Value, b: Value, x: Value) -> tuple[Value, ...]:
    """Where nobody merged the stacks, each has a copy."""
    new = ops.add(a, x)
    return new, ops.sub(b, x), new, new


STEPS: tuple[Step, ...] = (stacked, one_of_two, same, same_stacked, exchanged, twice)
SIZES = (16, 3)  # slices are aligned, or are not
LENGTHS = (0, 1, 2, 5)
CASES = list(itertools.product(STEPS, SIZES, LENGTHS, (False, True)))


def loop(step: Step, size: int, length: int, reverse: bool) -> Graph:
    kind = tensor_type("f32", (size,))
    body = Graph("body")
    inputs = [body.add_input(kind) for _ in range(3)]
    with Builder(body):
        for value in step(*inputs):
            body.add_output(value)
    graph = Graph("loop")
    start = [graph.add_input(kind) for _ in range(2)]
    xs = graph.add_input(kind.with_shape((length, size)))
    with Builder(graph):
        for value in ops.scan(Subgraph(body), start, [], [xs], length, reverse):
            graph.add_output(value)
    return graph


def plain(graph: Graph) -> Program:
    """Emitted with no pass that could merge anything."""
    for step in (InBodies(FuseKernels()), FuseKernels()):
        step.run(graph, Context())
    artifact = backend.emit(graph, Target("tvm"))
    assert isinstance(artifact, TvmArtifact)
    return artifact.program


@pytest.fixture(scope="module")
def loaded() -> list[TvmExecutable]:
    programs = [(plain if case[0] is twice else emit)(loop(*case)) for case in CASES]
    return load_all(programs)


def arguments(size: int, length: int, seed: int) -> list[Array]:
    rng = np.random.default_rng(seed)
    shapes = ((size,), (size,), (length, size))
    return [aligned_copy(rng.standard_normal(s).astype(np.float32)) for s in shapes]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_every_call_gives_what_the_loop_says(number: int, loaded: list[TvmExecutable]) -> None:
    case, run = CASES[number], loaded[number]
    given = [arguments(*case[1:3], seed) for seed in (0, 1)]
    for arrays in (given[0], given[1], given[0]):
        wanted = evaluate(loop(*case), arrays)
        outputs, _ = run.run(arrays, [], [])
        if case[2]:
            outputs += run_program(run.program, arrays)[0]
            wanted *= 2
        for got, want in zip(outputs, wanted, strict=True):
            np.testing.assert_allclose(got, want, 1e-5, 1e-6)


@pytest.mark.parametrize(
    ("step", "size", "copies"),
    [(stacked, 16, 0), (stacked, 3, 2), (same_stacked, 16, 0), (twice, 16, 1)],
)
def test_what_is_stacked_is_not_copied(step: Step, size: int, copies: int) -> None:
    program = (plain if step is twice else emit)(loop(step, size, 4, False))
    (nested,) = (inner.program for inner in program.loops)
    names = [
        [n.op.name for n in spec.op.body.graph.nodes]
        for spec in nested.kernels
        if isinstance(spec.op, ops.Fused)
    ]
    found = [call for call in nested.calls if names[call.kernel] == ["copy"]]
    assert len(found) == copies
