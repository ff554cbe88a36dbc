"""A loop over time, which holds the graph of one step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.attributes import Subgraph
from nngraph.ir.builder import Builder
from nngraph.ir.dtypes import DType, float32, float64, int64
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Array, Op, Sample, Thunk, Trait, apply
from nngraph.ir.reverse import reverse
from nngraph.ir.types import TensorType, tensor_type
from nngraph.ops.broadcast import Sum, reshape
from nngraph.ops.broadcast import sum as total_of
from nngraph.ops.core import need
from nngraph.ops.creation import zeros_like
from nngraph.ops.elementwise.arithmetic import add, mul
from nngraph.ops.elementwise.transcendental import tanh
from nngraph.ops.family import operators_of
from nngraph.ops.fused import need_plain_body
from nngraph.ops.linalg import MatMul, matmul
from nngraph.ops.shape.joining import concat
from nngraph.ops.shape.slicing import slice_axis

__all__ = ["Scan", "scan"]


@dataclass(frozen=True)
class Scan(Op):
    """Runs ``body`` once for each step of time.

    Inputs are the first values of ``carries`` tensors, then ``consts`` tensors, then sequences
    with time on axis 0. The body takes carries, consts and one slice of each sequence; it returns
    the next carries, then values that are stacked on axis 0. Outputs are the final carries and
    those stacks. ``reverse`` runs from the last step to the first.
    """

    body: Subgraph
    carries: int
    consts: int
    length: int
    reverse: bool
    name: ClassVar[str] = "scan"
    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.CONTROL})

    def _split(self, values: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        first, second = self.carries, self.carries + self.consts
        return list(values[:first]), list(values[first:second]), list(values[second:])

    def without(self, outputs: Collection[int]) -> Scan:
        """The loop that does not stack these outputs."""
        source = self.body.graph
        graph = Graph(source.name)
        values = [graph.add_input(v.aval, v.hint) for v in source.inputs]
        with Builder(graph) as builder:
            results = source.copy_into(builder.copy, values)
        for i, value in enumerate(results):
            if i not in outputs:
                graph.add_output(value)
        return replace(self, body=Subgraph(graph))

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        graph = self.body.graph
        need_plain_body("scan", graph)
        need(
            len(types) == len(graph.inputs),
            "scan",
            "the number of inputs",
            len(types),
            f"{len(graph.inputs)}, as the body takes",
        )
        wanted = [v.aval for v in graph.inputs]
        for i in range(self.carries + self.consts, len(wanted)):
            wanted[i] = wanted[i].with_shape((self.length, *wanted[i].shape))
        for i, (got, want) in enumerate(zip(types, wanted, strict=True)):
            need(got == want, "scan", f"input {i}", got, f"{want}, as the body takes")
        results = [v.aval for v in graph.outputs]
        for i, (start, end) in enumerate(zip(types[: self.carries], results, strict=False)):
            need(start == end, "scan", f"the body's new carry {i}", end, f"{start}, as it starts")
        stacked = (t.with_shape((self.length, *t.shape)) for t in results[self.carries :])
        return (*results[: self.carries], *stacked)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        carries, consts, xs = self._split(inputs)
        stacks = [
            np.empty(t.static_shape, t.dtype.numpy)
            for t in self.infer(*map(_type_of, inputs))[self.carries :]
        ]
        steps = range(self.length)
        for t in reversed(steps) if self.reverse else steps:
            results = evaluate(
                self.body.graph, [*carries, *consts, *(np.asarray(x[t]) for x in xs)]
            )
            carries = list(results[: self.carries])
            for stack, y in zip(stacks, results[self.carries :], strict=True):
                stack[t] = y
        return (*carries, *stacks)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        @cache
        def gradients() -> tuple[Any, ...]:
            return _backward(self, inputs, outputs, grads)

        def thunk(position: int) -> Thunk | None:
            floating = inputs[position].aval.dtype.is_floating_point
            return (lambda: gradients()[position]) if floating else None

        return [thunk(i) for i in range(len(inputs))]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in (float64, float32):
            body = _sample_body(dtype)
            for length, backwards in ((3, False), (3, True), (1, False), (0, False)):
                x = np.sin(np.arange(2.0 * length)).reshape(length, 2).astype(dtype.numpy)
                first = (np.asarray([0.3, -0.2], dtype.numpy), np.asarray(5, np.int64))
                weight = np.asarray([0.8, 1.1], dtype.numpy)
                op = cls(body, 2, 1, length, backwards)
                yield Sample(op, (*first, weight, x), dtype is float64)


def _type_of(array: Array) -> TensorType:
    return tensor_type(array.dtype, array.shape)


def _sample_body(dtype: DType) -> Subgraph:
    """H' = tanh(h * w + x), counting the steps; gives h' * w and the old h."""
    graph = Graph("cell")
    h, n = graph.add_input(tensor_type(dtype, (2,))), graph.add_input(tensor_type(int64))
    w, x = (graph.add_input(tensor_type(dtype, (2,))) for _ in range(2))
    with Builder(graph):
        new = tanh(add(mul(h, w), x))
        for value in (new, add(n, 1), mul(new, w), h):
            graph.add_output(value)
    return Subgraph(graph)


# -- the gradient of Scan ------------------------------------------------------------------
def _floats(values: Sequence[Any]) -> list[int]:
    return [i for i, v in enumerate(values) if v.aval.dtype.is_floating_point]


def _backward(
    op: Scan, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
) -> tuple[Any, ...]:
    """One gradient for each input (None for integers), from a Scan that runs the other way."""
    carries, consts, xs = op._split(inputs)
    seeded = tuple(i for i in range(op.carries, len(outputs)) if grads[i] is not None)
    back = _step_back(op, seeded)
    given = [*consts, *_carries_before(op, inputs, outputs), *xs]
    given += [*outputs[op.carries :], *(grads[i] for i in seeded)]
    first = [zeros_like(outputs[i]) if grads[i] is None else grads[i] for i in _floats(carries)]
    first += [zeros_like(consts[i]) for i in back.totals]
    fixed = [given[i] for i in back.consts]
    scan = Scan(back.body, len(first), len(fixed), op.length, not op.reverse)
    results = apply(scan, *first, *fixed, *(given[i] for i in back.sequences), like=inputs[0])
    stacks, starts = list(results[len(first) :]), len(_floats(carries))
    found: dict[int, Any] = dict(zip(_floats(carries), results, strict=False))
    found |= {op.carries + i: v for i, v in zip(back.totals, results[starts:], strict=False)}
    found |= {op.carries + i: sum_of(given, stacks) for i, sum_of in back.sums.items()}
    behind = op.carries + op.consts
    found |= {behind + i: stacks[k] for k, i in enumerate(_floats(xs))}
    return tuple(found.get(i) for i in range(len(inputs)))


@dataclass(frozen=True)
class _StepBack:
    """One step of the gradient.

    Attributes:
        body: takes the gradients of the carries, ``totals``, ``consts`` and ``sequences``; gives
            the new ones of the first two, the gradients of the slices, and what ``sums`` read.
        totals: the consts whose gradients are added up step by step.
        consts, sequences: which of what the gradient may read it does read: the consts, then the
            carries before the step, the slices, what the step stacked, and the gradients of that.
        sums: of the other consts, how their gradients follow from what was stacked.
    """

    body: Subgraph
    totals: tuple[int, ...]
    consts: tuple[int, ...]
    sequences: tuple[int, ...]
    sums: dict[int, Callable[[Sequence[Any], Sequence[Any]], Any]]


@lru_cache(64)  # eager code asks at each backward pass
def _step_back(op: Scan, seeded: tuple[int, ...]) -> _StepBack:
    source = op.body.graph
    carries, consts, xs = op._split(source.inputs)
    stacked = source.outputs[op.carries :]
    graph = Graph(f"{source.name}_grad")

    def declare(values: Iterable[Value]) -> list[Value]:
        return [graph.add_input(v.aval) for v in values]

    grads = declare(carries[i] for i in _floats(carries))
    totals = dict(zip(_floats(consts), declare(consts[i] for i in _floats(consts)), strict=True))
    const_values, carry_values, x_values = declare(consts), declare(carries), declare(xs)
    known, stack_grads = declare(stacked), declare(source.outputs[i] for i in seeded)
    given = [*const_values, *carry_values, *x_values, *known, *stack_grads]
    with Builder(graph) as builder:
        results = source.copy_into(builder.copy, [*carry_values, *const_values, *x_values])
        seeds = [(results[i], g) for i, g in zip(_floats(carries), grads, strict=True)]
        seeds += [(results[i], g) for i, g in zip(seeded, stack_grads, strict=True)]
        seeds = [(r, g) for r, g in seeds if r.aval.dtype.is_floating_point]
        wanted = [
            v for v in (*carry_values, *const_values, *x_values) if v.aval.dtype.is_floating_point
        ]
        found = reverse(list(graph.nodes), seeds, wanted, add)
        whole = [zeros_like(w) if g is None else g for w, g in zip(wanted, found, strict=True)]
    # What the step stacked is read from there, and not computed again.
    replaced = dict(zip(results[op.carries :], known, strict=True))
    for value, there in replaced.items():
        if value not in given:
            value.replace_uses(there)
    whole = [replaced.get(v, v) for v in whole]
    start, stop = len(grads), len(grads) + len(totals)
    of_consts = dict(zip(_floats(consts), whole[start:stop], strict=True))
    sums = _Sums(given, len(const_values), len(_floats(xs)))
    kept = {i: sums.of(value) for i, value in of_consts.items()}
    added = [i for i, rule in kept.items() if rule is None]
    with Builder(graph):
        new = [add(totals[i], of_consts[i]) for i in added]
    outs = [*whole[:start], *new, *whole[stop:], *sums.stacks]
    body, used = _trimmed(graph, outs, [*grads, *(totals[i] for i in added)], given)
    size = len(const_values)
    return _StepBack(
        body,
        tuple(added),
        tuple(i for i in used if i < size),
        tuple(i for i in used if i >= size),
        {i: rule for i, rule in kept.items() if rule is not None},
    )


class _Sums:
    """Gradients of consts that one operator gives for all steps at once.

    A step adds ``a^T b``, or the sum of ``a`` over its rows: so do all rows of all steps.

    Attributes:
        stacks: what a step has to stack for that.
    """

    def __init__(self, given: Sequence[Value], fixed: int, before: int) -> None:
        self._given = {v: i for i, v in enumerate(given)}
        self._fixed = fixed  # the consts, which have no time
        self._before = before  # stacks that come first
        self.stacks: list[Value] = []

    def of(self, grad: Value) -> Callable[[Sequence[Any], Sequence[Any]], Any] | None:
        """How a gradient follows from what was given and stacked; None: it is added up."""
        node = grad.producer
        if node is None or any(self._given.get(v, self._fixed) < self._fixed for v in node.inputs):
            return None
        if node.op == MatMul(True, False) and all(v.aval.rank == 2 for v in node.inputs):
            a, b = map(self._place, node.inputs)
            return lambda given, stacks: matmul(
                _rows(a(given, stacks)), _rows(b(given, stacks)), True
            )
        if node.op == Sum((0,), False) and node.inputs[0].aval.rank == 2:
            x = self._place(node.inputs[0])
            return lambda given, stacks: total_of(_rows(x(given, stacks)), (0,))
        return None

    def _place(self, value: Value) -> Callable[[Sequence[Any], Sequence[Any]], Any]:
        position = self._given.get(value)
        if position is not None:
            return lambda given, _stacks: given[position]
        if value not in self.stacks:
            self.stacks.append(value)
        index = self._before + self.stacks.index(value)
        return lambda _given, stacks: stacks[index]


def _rows(x: Any) -> Any:
    """``[T, N, W]`` as ``[T N, W]``."""
    steps, count, width = x.aval.shape
    return reshape(x, (steps * count, width))


def _trimmed(
    graph: Graph, outs: Sequence[Value], first: Sequence[Value], given: Sequence[Value]
) -> tuple[Subgraph, list[int]]:
    """A body that takes ``first`` and what it reads of ``given``, and the positions of these."""
    needed, waiting = set[Value](), list(outs)
    while waiting:
        value = waiting.pop()
        if value not in needed:
            needed.add(value)
            waiting += value.producer.inputs if value.producer is not None else ()
    used = [i for i, v in enumerate(given) if v in needed]
    made = Graph(graph.name)
    values: dict[Value, Value] = {}
    for v in (*first, *(given[i] for i in used)):
        values[v] = made.add_input(v.aval)
    with Builder(made) as builder:
        for node in graph.nodes:
            if any(v in needed for v in node.outputs):
                copies = builder.copy(node, [values[v] for v in node.inputs])
                values |= dict(zip(node.outputs, copies, strict=True))
    for out in outs:
        made.add_output(values[out])
    return Subgraph(made), used


def _carries_before(op: Scan, inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    """The value of each carry before each step, stacked over time.

    A carry that the body also stacks is read from there; the others take another forward Scan.
    """
    results = op.body.graph.outputs
    stacked: dict[Value, Any] = dict(zip(results[op.carries :], outputs[op.carries :], strict=True))
    missing = [i for i in range(op.carries) if results[i] not in stacked]
    found: dict[int, Any] = {}
    if missing:
        saver = replace(op, body=_saving_body(op, tuple(missing)))
        outs = apply(saver, *inputs)[len(outputs) :]
        found = dict(zip(missing, outs, strict=True))
    return [
        found[i] if i in found else _shifted(op, inputs[i], stacked[results[i]])
        for i in range(op.carries)
    ]


def _saving_body(op: Scan, which: tuple[int, ...]) -> Subgraph:
    graph = op.body.graph.clone()
    for i in which:
        graph.add_output(graph.inputs[i])
    return Subgraph(graph)


def _shifted(op: Scan, first: Any, after: Any) -> Any:
    """From the carry after each step the carry before it."""
    if not op.length:
        return after
    start = reshape(first, (1, *first.aval.shape))
    if op.reverse:
        return concat([slice_axis(after, 0, 1, op.length - 1), start], 0)
    return concat([start, slice_axis(after, 0, 0, op.length - 1)], 0)


def scan(
    body: Subgraph,
    carries: Sequence[Any],
    consts: Sequence[Any],
    xs: Sequence[Any],
    length: int,
    reverse: bool = False,
) -> tuple[Any, ...]:
    """Final carries, then stacked results, of ``length`` steps of ``body``."""
    op = Scan(body, len(carries), len(consts), length, reverse)
    return apply(op, *carries, *consts, *xs)


OPERATORS = operators_of(globals())
