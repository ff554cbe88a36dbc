"""Every operator on a batch is the operator on each element, by rule or in a loop."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from nngraph.ir.builder import Builder
from nngraph.ir.dims import sym
from nngraph.ir.dtypes import float32
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array, Op, Sample
from nngraph.ir.types import TensorType, TypeMismatch, type_of_array
from nngraph.ops import REGISTRY
from nngraph.ops.batching import Lane, batch, rule_of
from nngraph.ops.window import Conv
from tests.support.tolerances import assert_close

TAKING = sorted(n for n, c in REGISTRY.items() if any(s.inputs for s in c.samples()))

#: What runs once for each element: neither a rule nor a decomposition serves.
IN_A_LOOP: set[str] = set()


def variants(array: Array, count: int) -> Array:
    """Arrays that an operator takes wherever it takes this one."""
    if array.dtype.kind in "iub":
        each = [np.roll(array.ravel(), i).reshape(array.shape) for i in range(count)]
    else:
        with np.errstate(all="ignore"):
            each = [(array * array.dtype.type(1 - i / 8)).astype(array.dtype) for i in range(count)]
    return np.stack(each) if each else np.empty((0, *array.shape), array.dtype)


def choices(count: int) -> list[tuple[bool, ...]]:
    """Which operands have a batch axis: each alone, all but one, all."""
    every = itertools.product((False, True), repeat=count)
    return [c for c in every if sum(c) in (1, count - 1, count) and any(c)]


def batched(op: Op, inputs: Sequence[Array], which: Sequence[bool], size: int) -> list[Array]:
    graph = Graph("batch")
    values = [graph.add_input(type_of_array(a)) for a in inputs]
    lanes = [Lane(v, size, b) for v, b in zip(values, which, strict=True)]
    with Builder(graph):
        for out in batch(op, lanes, lanes[0]):
            graph.add_output(out.whole)
    return list(evaluate(graph, inputs))


def check(sample: Sample, which: Sequence[bool], size: int) -> None:
    op = sample.op
    given = [variants(a, size) if b else a for a, b in zip(sample.inputs, which, strict=True)]
    found = batched(op, given, which, size)
    one = [[a[i] if b else a for a, b in zip(given, which, strict=True)] for i in range(size)]
    with np.errstate(all="ignore"):
        runs = [op.eval(*map(np.asarray, inputs)) for inputs in one]
    if not size:
        for got, kind in zip(found, op.infer(*sample.types), strict=True):
            assert (got.shape, got.dtype) == ((0, *kind.shape), kind.dtype.numpy)
        return
    for got, wanted in zip(found, zip(*runs, strict=True), strict=True):
        assert_close(got, np.stack(wanted), f"{op} {which} {sample.note}", scale=4)


@pytest.mark.parametrize("name", TAKING)
def test_a_batch_is_a_loop(name: str) -> None:
    cls = REGISTRY[name]
    for sample in cls.samples():
        if not sample.inputs:
            continue
        for which in choices(len(sample.inputs)):
            for size in (3, 1, 0) if all(which) else (2,):
                check(sample, which, size)


@pytest.mark.parametrize("name", TAKING)
def test_what_has_no_rule_is_known(name: str) -> None:
    cls = REGISTRY[name]
    op = next(s.op for s in cls.samples() if s.inputs)
    loops = rule_of(op) is None and not cls.defines("decompose")
    assert loops is (name in IN_A_LOOP)


def test_what_does_not_differ_is_computed_once() -> None:
    graph = Graph("batch")
    x, y = (graph.add_input(TensorType(float32, (2, 3))) for _ in range(2))
    with Builder(graph):
        lanes = [Lane(x, 4, False), Lane(y, 4, False)]
        (out,) = batch(REGISTRY["add"](), lanes, lanes[0])
    assert not out.is_batched and out.aval == x.aval and len(graph) == 1


@dataclass(frozen=True)
class Reversed(Op):
    """An operator that no rule knows."""

    name = "reversed_for_the_test"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return types[:1]

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return (inputs[0][::-1] + inputs[1],)


def test_what_has_no_rule_runs_in_a_loop() -> None:
    x, y = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    for which in ((True, False), (False, True)):
        given = [x, y] if which[0] else [y, x]
        (found,) = batched(Reversed(), given, which, 2)
        assert found.tolist() == [
            (row[::-1] + y if which[0] else y[::-1] + row).tolist() for row in x
        ]


def test_a_loop_needs_a_number() -> None:
    graph = Graph("batch")
    size = sym("n")
    x = graph.add_input(TensorType(float32, (size, 3)))
    with Builder(graph), pytest.raises(TypeMismatch, match=r"vmap: .* known to the call only"):
        lane = Lane(x, size, True)
        batch(Reversed(), [lane, lane], lane)
    weight = graph.add_input(TensorType(float32, (size, 1, 1, 1)))
    with Builder(graph), pytest.raises(TypeMismatch, match=r"vmap: conv of weights that differ"):
        lane = Lane(graph.add_input(TensorType(float32, (2, 1, 3))), size, False)
        batch(Conv((1,), ((0, 0),), (1,), 1), [lane, Lane(weight, size, True)], lane)
