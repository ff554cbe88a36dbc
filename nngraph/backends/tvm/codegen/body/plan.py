"""What a fused body asks of its kernel: loops, strides, and which sweep computes what.

A kernel runs over rows; for each row it sweeps over the inner axes once for each dependent
reduction, and once more for what comes after the last. A value's level is the number of reductions
before it: the sweep that can compute it first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nngraph.backends.tvm.fuse.kinds import is_join, is_reduction, stored
from nngraph.backends.tvm.fuse.space import Space, align, folded_axes
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Cost, Op
from nngraph.ir.text import print_graph
from nngraph.ops.creation import Iota
from nngraph.ops.shape.joining import Concat
from nngraph.ops.shape.slicing import Slice

__all__ = ["BodyPlan", "BodySpec", "Store", "plan_body"]

MAX_SCRATCH = 1 << 18  # bytes of a staged value of one row: more does not stay in the cache


class Store(NamedTuple):
    """Where a kernel stores a value.

    Attributes:
        target: the result in whose memory it goes, itself or what joins it with others.
        strides: elements between neighbours there, along each axis it has.
        offset: of its first element there.
    """

    value: Value
    target: Value
    strides: dict[int, int]
    offset: int


class _Layout(NamedTuple):
    """A part of a tensor: the space's axis of each dimension, its stride, and where it starts."""

    axes: tuple[int | None, ...]
    strides: tuple[int, ...]
    offset: int


@dataclass
class BodyPlan:
    """A fused body over its loops.

    Attributes:
        graph: the body.
        sizes: extents of the loops, adjacent ones that every value walks together merged.
        inner: the axes of a row's sweeps (those that reductions fold, else the last one).
        strides: for each value, elements between neighbours along each axis it has.
        parts: of what is a part of an input, that input and the offset of its first element.
        stores: what is stored, and where.
        counters: the axis that each ``iota`` counts along (none if that has one element).
        level: for each value, the sweep that first computes it.
        staged: values kept from the sweep that computes them to later ones.
    """

    graph: Graph
    sizes: tuple[int, ...]
    reduced: frozenset[int]
    strides: dict[Value, dict[int, int]]
    counters: dict[Value, int]
    parts: dict[Value, tuple[Value, int]] = field(default_factory=dict)
    stores: list[Store] = field(default_factory=list)
    level: dict[Value, int] = field(default_factory=dict)
    staged: dict[Value, None] = field(default_factory=dict)

    @property
    def inner(self) -> tuple[int, ...]:
        if self.reduced:
            return tuple(sorted(self.reduced))
        return (len(self.sizes) - 1,) if self.sizes else ()

    @property
    def rows(self) -> tuple[int, ...]:
        return tuple(a for a in range(len(self.sizes)) if a not in self.inner)

    @property
    def lanes_are_rows(self) -> bool:
        """True if neighbours in memory belong to different rows: vectors hold one of each."""
        return bool(self.reduced) and (len(self.sizes) - 1) not in self.reduced

    @property
    def results(self) -> list[Value]:
        """The values that are stored."""
        return list(dict.fromkeys(store.value for store in self.stores))

    def is_inner(self, value: Value) -> bool:
        """True if it varies within a row."""
        return any(a in self.strides[value] for a in self.inner)

    def folds(self, node: Node) -> bool:
        """True for a reduction that really folds an axis (not only axes of size 1)."""
        return is_reduction(node) and bool(folded_axes(node))

    @property
    def sweeps(self) -> int:
        """The number of sweeps of each row."""
        last = [self.level[v] for v in self.results if self.is_inner(v)]
        last += [self.level[n.inputs[0]] for n in self.graph.nodes if self.folds(n)]
        return 1 + max(last, default=-1)

    @property
    def inner_size(self) -> int:
        return math.prod(self.sizes[a] for a in self.inner)

    def work(self) -> int:
        """Scalar operations, transcendental ones counted as eight."""
        ops = sum(8 if n.op.cost is Cost.HEAVY else 1 for n in self.graph.nodes)
        return math.prod(self.sizes) * max(ops, 1)


@dataclass(frozen=True)
class BodySpec:
    """A fused body to choose a strategy for.

    Attributes:
        sizes: extents of its loops.
        reduced: the axes that its reductions fold.
        operators: number of operators.
        work: element updates, costly functions counted as several.
        plan: all of it; None for a spec that is only to be chosen for.
        aliases: (result, input) pairs that are one buffer.
    """

    sizes: tuple[int, ...]
    reduced: tuple[int, ...]
    operators: int
    work: int
    plan: BodyPlan | None = field(default=None, repr=False, compare=False)
    aliases: tuple[tuple[int, int], ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def of(cls, graph: Graph, aliases: tuple[tuple[int, int], ...] = ()) -> BodySpec:
        """The spec of a body.

        Raises:
            ValueError: as ``plan_body``.
        """
        plan = plan_body(graph)
        reduced = tuple(sorted(plan.reduced))
        return cls(plan.sizes, reduced, len(list(graph.nodes)), plan.work(), plan, aliases)


def plan_body(graph: Graph) -> BodyPlan:
    """Plans a fused body.

    Raises:
        ValueError: if its values do not share one iteration space.
    """
    space = align(list(graph.nodes))
    if space is None:
        text = print_graph(graph)
        raise ValueError(f"the values of this body do not share an iteration space:\n{text}")
    plan = _collapse(graph, space)
    for value in graph.parameters:
        plan.strides.setdefault(value, {})
        plan.level[value] = 0
    for node in graph.nodes:
        if is_join(node):
            continue
        level = max((plan.level[v] for v in node.inputs), default=0)
        plan.level[node.output] = level + plan.folds(node)
    _stage(plan)
    return plan


def _collapse(graph: Graph, space: Space) -> BodyPlan:
    """Merges neighbouring axes that no value tells apart."""
    rank = len(space.sizes)
    parts = {n.output: _part_layout(n, n.op, space) for n in _slices(graph)}
    pieces = [(v, target, layout) for v, target, layout in _pieces(graph, space)]
    layouts = [*parts.values(), *(layout for _, _, layout in pieces)]
    joined = [a for a in range(1, rank) if _merges(graph, space, a - 1, a, layouts)]
    target: dict[int, int] = {}
    sizes: list[int] = []
    for axis, size in enumerate(space.sizes):
        if axis in joined:
            sizes[-1] *= size
        else:
            sizes.append(size)
        target[axis] = len(sizes) - 1

    def collapsed(layout: _Layout) -> dict[int, int]:
        own: dict[int, int] = {}
        for axis, stride in zip(reversed(layout.axes), reversed(layout.strides), strict=True):
            if axis is not None:
                own.setdefault(target[axis], stride)
        return own

    strides = {
        value: collapsed(parts.get(value) or _Layout(axes, _contiguous(value), 0))
        for value, axes in space.axes.items()
    }
    counted = {n.output: a for n, a in _counted(graph, space) if a is not None}
    counters = {value: target[axis] for value, axis in counted.items()}
    reduced = frozenset(target[a] for a in space.reduced)
    plan = BodyPlan(graph, tuple(sizes), reduced, strides, counters)
    sources = {n.output: n.inputs[0] for n in _slices(graph)}
    plan.parts = {v: (sources[v], layout.offset) for v, layout in parts.items()}
    plan.stores = [Store(v, out, collapsed(layout), layout.offset) for v, out, layout in pieces]
    return plan


def _slices(graph: Graph) -> list[Node]:
    return [n for n in graph.nodes if isinstance(n.op, Slice)]


def _contiguous(value: Value) -> tuple[int, ...]:
    """Strides of a tensor's own memory."""
    steps = itertools.accumulate(reversed(value.type.static_shape), lambda a, b: a * b, initial=1)
    return tuple(reversed(list(steps)[:-1]))


def _part_layout(node: Node, op: Op, space: Space) -> _Layout:
    assert isinstance(op, Slice)
    strides = _contiguous(node.inputs[0])
    starts = zip(op.starts, strides, strict=True)
    offset = sum(int(str(start)) * stride for start, stride in starts)
    steps = tuple(step * stride for step, stride in zip(op.steps, strides, strict=True))
    return _Layout(space.axes[node.output], steps, offset)


def _pieces(graph: Graph, space: Space) -> Iterator[tuple[Value, Value, _Layout]]:
    """(value, result in whose memory it goes, its place there)."""
    for result in dict.fromkeys(graph.outputs):
        strides, offset = _contiguous(result), 0
        node = result.producer
        for value in stored(result):
            yield value, result, _Layout(space.axes[value], strides, offset)
            if node is not None and isinstance(node.op, Concat):
                offset += strides[node.op.axis] * value.type.static_shape[node.op.axis]


def _counted(graph: Graph, space: Space) -> list[tuple[Node, int | None]]:
    """Each ``iota`` with the axis that it counts along."""
    return [(n, space.axes[n.output][n.op.axis]) for n in graph.nodes if isinstance(n.op, Iota)]


def _merges(graph: Graph, space: Space, a: int, b: int, layouts: Sequence[_Layout]) -> bool:
    if (a in space.reduced) != (b in space.reduced):
        return False
    if any((a in axes) != (b in axes) for axes in space.axes.values()):
        return False
    for axes, strides, _ in layouts:
        step = dict(zip(axes, strides, strict=True))
        if a in step and b in step and step[a] != step[b] * space.sizes[b]:
            return False
    counted = {axis for _, axis in _counted(graph, space)}
    return a not in counted and b not in counted


def _stage(plan: BodyPlan) -> None:
    """Values with costly functions that later sweeps read again are kept, the others recomputed."""
    kept, costly = set(plan.results), _costly(plan)

    def visit(value: Value, sweep: int) -> None:
        node = value.producer
        if node is None or not plan.is_inner(value) or plan.folds(node):
            return
        if plan.level[value] < sweep:
            if value in kept or value in plan.staged:
                return
            if value in costly and _fits(plan, value):
                plan.staged[value] = None
                return
        for operand in node.inputs:
            visit(operand, sweep)

    for node in plan.graph.nodes:
        if plan.folds(node):
            visit(node.inputs[0], plan.level[node.inputs[0]])
    for value in plan.results:
        visit(value, plan.level[value])


def _costly(plan: BodyPlan) -> set[Value]:
    """Values within a row that take a transcendental function to recompute."""
    found: set[Value] = set()
    for node in plan.graph.nodes:
        if is_join(node):
            continue
        costly = node.op.cost is Cost.HEAVY or any(v in found for v in node.inputs)
        if costly and plan.is_inner(node.output) and not plan.folds(node):
            found.add(node.output)
    return found


def _fits(plan: BodyPlan, value: Value) -> bool:
    lanes = 64 if plan.lanes_are_rows else 1
    return plan.inner_size * lanes * value.type.dtype.itemsize <= MAX_SCRATCH
