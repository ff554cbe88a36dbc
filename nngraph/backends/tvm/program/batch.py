"""Horizontal fusion: calls that do the same to tensors of any sizes become one call over all.

The updates of an optimizer are many short kernels that know nothing of each other. Each would start
its threads, and wait for the last of them, by itself. Neighbours in the order of calls are put
together where one kernel has their form: elementwise over contiguous tensors of one size, and
tensors without axes. What a call needs of its neighbours keeps its order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from nngraph.backends.tvm.codegen.body.plan import BodyPlan, plan_body
from nngraph.backends.tvm.fuse.kinds import GroupKind, is_join, is_part, kind_of
from nngraph.backends.tvm.machine import PARALLEL_WORK
from nngraph.backends.tvm.program.order import Step
from nngraph.backends.tvm.program.program import KernelSpec, Table
from nngraph.backends.tvm.program.work import Work
from nngraph.backends.tvm.tiles import CHUNK
from nngraph.ir.attributes import Subgraph
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Op, Trait
from nngraph.ops.broadcast import BroadcastTo, Reshape
from nngraph.ops.core import Literal
from nngraph.ops.creation import Constant, Full
from nngraph.ops.fused import Fused

__all__ = ["Batch", "batches"]

MAX_MADE = 1 << 20
"""Bytes that a batch may make for later calls: more is better read while it is in the cache, and
before the memory is needed for what comes next.
"""


@dataclass(frozen=True)
class Batch:
    """Calls that are one.

    Attributes:
        members: the work, each of another size.
        spec: of the kernel that takes them all; None for a single call, which has its own.
        sizes: elements of each member.
    """

    members: tuple[Work, ...]
    spec: KernelSpec | None = None
    sizes: tuple[int, ...] = ()

    @property
    def step(self) -> Step:
        """What all members read and write; they are done at one time."""
        steps = [work.step for work in self.members]
        return Step(
            tuple(s for step in steps for s in step.reads),
            tuple(s for step in steps for s in step.writes),
            tuple(s for step in steps for s in step.overwrites),
            any(step.checked for step in steps),
        )


@dataclass(frozen=True)
class _Form:
    """A kernel without its size.

    Attributes:
        body: over vectors of one size, and numbers.
        work: of an element.
    """

    body: Subgraph
    work: int


def batches(work: Sequence[Work], order: Sequence[int], arena: Sequence[int | None]) -> list[Batch]:
    """The calls in a right order, some of them put together.

    Args:
        work: all of it.
        order: a right order.
        arena: for each storage its bytes, if it is in the arena; else None.
    """
    found: list[Batch] = []
    run: list[tuple[Work, _Form, int]] = []
    for i in order:
        known = _known(work[i])
        if known is None:
            found += _put_together(run, arena)
            run = []
            found.append(Batch((work[i],)))
        else:
            run.append((work[i], *known))
    return found + _put_together(run, arena)


def _put_together(
    run: Sequence[tuple[Work, _Form, int]], arena: Sequence[int | None]
) -> list[Batch]:
    """Neighbours by what they need of each other, and those of one depth by their form."""
    groups: dict[tuple[int, _Form, object], list[tuple[Work, int]]] = {}
    depths = _depths([work.step for work, _, _ in run])
    for (work, form, size), depth in zip(run, depths, strict=True):
        groups.setdefault((depth, form, work.spec.aliases), []).append((work, size))
    found = []
    for (_, form, _), members in sorted(groups.items(), key=lambda item: item[0][0]):
        batch = _batch(form, members)
        made = sum(arena[s] or 0 for s in batch.step.writes)
        if len(members) > 1 and made <= MAX_MADE:
            found.append(batch)
        else:
            found += [Batch((work,)) for work, _ in members]
    if len(found) == len(run):
        return [Batch((work,)) for work, _, _ in run]  # as they were
    return found


def _batch(form: _Form, members: Sequence[tuple[Work, int]]) -> Batch:
    sizes = tuple(size for _, size in members)
    graph = form.body.graph
    inputs, outputs = (tuple(v.type for v in vs) for vs in (graph.inputs, graph.outputs))
    table = Table.PARALLEL if sum(sizes) * form.work >= PARALLEL_WORK else Table.SERIAL
    aliases = members[0][0].spec.aliases
    spec = KernelSpec(Fused(form.body), inputs, outputs, aliases, table)
    return Batch(tuple(work for work, _ in members), spec, sizes)


def _depths(steps: Sequence[Step]) -> list[int]:
    """For each step how many of the others, one after the other, have to be done before it."""
    written: dict[int, int] = {}
    read: dict[int, int] = {}
    depths = []
    for step in steps:
        writes = (*step.writes, *step.overwrites)
        before = [written[s] for s in (*step.reads, *writes) if s in written]
        before += [read[s] for s in writes if s in read]
        depth = 1 + max(before, default=-1)
        depths.append(depth)
        written.update((s, max(depth, written.get(s, 0))) for s in writes)
        read.update((s, max(depth, read.get(s, 0))) for s in step.reads)
    return depths


# -- forms ---------------------------------------------------------------------------------------
def _known(work: Work) -> tuple[_Form, int] | None:
    """The form of a call, and its size; None if it has none."""
    op = work.spec.op
    if not isinstance(op, Fused) or work.status is not None or work.loop is not None:
        return None
    return _form(op.body)


@lru_cache(maxsize=4096)
def _form(body: Subgraph) -> tuple[_Form, int] | None:
    graph = body.graph
    nodes = list(graph.nodes)
    if kind_of(nodes) is not GroupKind.LOOP or not all(map(_has_no_place, nodes)):
        return None
    plan = plan_body(graph)
    if len(plan.sizes) != 1:
        return None
    (size,) = plan.sizes
    sized = _sized(graph, plan)
    if any(v.type.shape != (CHUNK,) for v in sized.outputs):
        return None  # made of numbers only
    return _Form(Subgraph(sized), plan.work() // size), size


def _has_no_place(node: Node) -> bool:
    """True for what computes each element without its index."""
    if is_part(node) or is_join(node):
        return False
    shaped = isinstance(node.op, BroadcastTo | Reshape | Full | Constant)
    return shaped or Trait.ELEMENTWISE in node.op.traits


def _sized(source: Graph, plan: BodyPlan) -> Graph:
    """The body over vectors of ``CHUNK`` elements, and numbers. Its nodes are in the order in which
    its results need them: constants that several bodies share stand elsewhere in each.
    """
    graph = Graph("each")
    table: dict[Value, Value] = {}
    for value in source.inputs:
        shape = (CHUNK,) if plan.strides[value] else ()
        table[value] = graph.add_input(value.type.with_shape(shape))
    builder = Builder(graph)
    waiting = list(reversed(source.outputs))
    while waiting:
        value = waiting[-1]
        node = value.producer
        missing = [v for v in node.inputs if v not in table] if node is not None else []
        if value in table or not missing:
            waiting.pop()
        if value not in table and node is not None:
            waiting += reversed(missing)
            if not missing:
                table[value] = _copied(builder, node, [table[v] for v in node.inputs])
    for value in source.outputs:
        graph.add_output(table[value])
    return graph


def _copied(builder: Builder, node: Node, operands: Sequence[Value]) -> Value:
    match node.op:
        case BroadcastTo() | Reshape():
            return operands[0]
        case Full(value=number, dtype=dtype):
            op: Op = Full(number, dtype, ())
        case Constant(literal=literal):
            op = Constant(Literal(literal.array.reshape(())))
        case _:
            op = node.op
    return builder.apply(op, operands)[0]
