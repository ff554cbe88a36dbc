"""Fusion: groups of operators that run as one kernel become one ``Fused`` node each.

Three sorts of groups: elementwise operators over one space; those with reductions over the same
axes (softmax, normalisations, losses and their gradients: all stages of a row together); a matrix
product or convolution and the elementwise operators that follow it. Counters, fills, broadcasts
and reshapes by axes of size 1 are copied into each group, and so are parts of what is in memory: a
kernel reads them where they are. What it joins last it stores in place.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from nngraph.backends.tvm.fuse.groups import Content, Group, Partition, is_free
from nngraph.backends.tvm.fuse.kinds import is_join, is_point, is_product, is_reduction, stored
from nngraph.backends.tvm.fuse.space import Space
from nngraph.ir.attributes import Subgraph
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Cost, Trait
from nngraph.ops.creation import Full
from nngraph.ops.fused import Fused
from nngraph.passes.base import Context

__all__ = ["FuseKernels", "Limits", "may_divide_by_zero", "source_of"]


@dataclass(frozen=True)
class Limits:
    """Where a group stops growing.

    Attributes:
        nodes: operators in a kernel.
        buffers: inputs and outputs of a kernel.
        epilogue: operators after a product.
        neighbours: how many of the next readers of a tensor each reader is tried with.
        few_rows: a kernel with fewer rows than this does not continue after its reductions, if
        long_row: its rows are longer than this (one thread would do all of the rest).
    """

    nodes: int = 64
    buffers: int = 32
    epilogue: int = 12
    neighbours: int = 4
    few_rows: int = 8
    long_row: int = 8192


@dataclass(frozen=True)
class FuseKernels:
    """Groups producers with their readers, last readers first, then neighbours.

    Attributes:
        limits: where groups stop growing.
        products: fuse elementwise operators into the products before them.
    """

    limits: Limits = Limits()
    products: bool = True
    name: str = "fuse-kernels"

    def run(self, graph: Graph, context: Context) -> int:
        partition = Partition(graph)
        for node in reversed(list(partition.order)):
            if node in partition.home:
                self._join_readers(partition, partition.home[node])
        self._join_neighbours(partition)
        return _rewrite(graph, partition)

    def _join_readers(self, partition: Partition, group: Group) -> None:
        """Merges a producer with every reader that it may share a kernel with."""
        for reader in sorted(group.readers, key=lambda g: g.id):
            if reader not in group.readers:
                continue  # merged away meanwhile
            content = self._together(partition, group, reader)
            if content is not None:
                group = partition.join(group, reader, content)

    def _join_neighbours(self, partition: Partition) -> None:
        """Merges groups that read the same large value, so that it is loaded once."""
        for node in partition.order:
            for value in node.outputs:
                self._join_sharing(partition, value)
        for value in partition.graph.parameters:
            self._join_sharing(partition, value)

    def _join_sharing(self, partition: Partition, value: Value) -> None:
        if value.type.rank == 0:
            return
        readers = [partition.home[u] for u in value.users if u in partition.home]
        groups = list(dict.fromkeys(readers))
        for position, first in enumerate(groups):
            for second in groups[position + 1 : position + 1 + self.limits.neighbours]:
                if not (partition.is_alive(first) and partition.is_alive(second)):
                    continue
                content = self._together(partition, first, second)
                if content is not None:
                    partition.join(first, second, content)

    def _together(self, partition: Partition, a: Group, b: Group) -> Content | None:
        """What the kernel of two groups holds; None if they do not share one."""
        if len(a.nodes) + len(b.nodes) > self.limits.nodes or not partition.can_join(a, b):
            return None
        content = partition.together(a, b)
        return content if content and self._fits(partition, content) else None

    def _fits(self, partition: Partition, content: Content) -> bool:
        nodes, space = content.nodes, content.space
        if _makes_divisor(partition, nodes):
            return False
        products = [n for n in nodes if is_product(n)]
        if products:
            return self.products and self._is_epilogue(partition, products, content)
        if space is None:
            return False
        if _buffers(partition, content.whole) > self.limits.buffers:
            return False
        return self._is_row_group(nodes, partition.outputs(nodes), space)

    def _is_epilogue(
        self, partition: Partition, products: Sequence[Node], content: Content
    ) -> bool:
        """True for one product followed by elementwise operators of its result's shape."""
        nodes = content.nodes
        if len(products) != 1 or nodes[0] is not products[0]:
            return False
        if any(v.producer in partition.free for v in products[0].inputs):
            return False  # the product's kernel reads its operands from memory
        rest = nodes[1:]
        shape = products[0].output.type.shape
        if len(rest) > self.limits.epilogue or not all(is_point(n) for n in rest):
            return False
        made = set(nodes)
        for node in rest:
            if node.output.type.shape != shape or not (set(partition.sources(node)) & made):
                return False
        first = next(iter(partition.outputs(nodes)))
        if first.type.dtype is not products[0].output.type.dtype:
            return False
        return partition.content(rest).space is not None and _nested(content.whole) <= 48

    def _is_row_group(self, nodes: Sequence[Node], outputs: Sequence[Value], space: Space) -> bool:
        if not all(space.can_store(part) for v in outputs for part in stored(v)):
            return False
        if _repeats(nodes, space):
            return False
        if not space.reduced:
            return True
        rows, inner = space.extent(space.rows), space.extent(space.reduced)
        if rows >= self.limits.few_rows or inner <= self.limits.long_row:
            return True
        after = _after_reductions(nodes)
        return not any(space.of(v) & space.reduced for v in after if v in space.axes)


def may_divide_by_zero(node: Node) -> bool:
    """True for a division of integers by what is no number: its divisor has to be checked."""
    if Trait.DIVIDES not in node.op.traits or node.output.type.dtype.is_floating_point:
        return False
    producer = source_of(node.inputs[1]).producer
    return producer is None or not isinstance(producer.op, Full) or producer.op.value == 0


def source_of(value: Value) -> Value:
    """What a value shows through broadcasts and reshapes that kernels copy."""
    producer = value.producer
    while producer is not None and is_free(producer) and producer.inputs:
        value = producer.inputs[0]
        producer = value.producer
    return value


def _makes_divisor(partition: Partition, nodes: Sequence[Node]) -> bool:
    """True if a divisor that has to be checked first would be made within the kernel."""
    inside = set(nodes)
    return any(
        inside.intersection(partition.sources(n, operand=1)) for n in nodes if may_divide_by_zero(n)
    )


def _repeats(nodes: Sequence[Node], space: Space) -> bool:
    """True if much would be computed again in each row that could be computed once."""
    nodes = [n for n in nodes if not is_join(n)]
    smaller = (
        [n for n in nodes if not space.can_store(n.output) and not space.of(n.output) <= space.rows]
        if space.reduced
        else [n for n in nodes if space.of(n.output) != space.every]
    )
    return len(smaller) > 4 or any(n.op.cost > Cost.CHEAP for n in smaller)


def _after_reductions(nodes: Sequence[Node]) -> set[Value]:
    found: set[Value] = set()
    for node in nodes:
        if is_reduction(node) or any(v in found for v in node.inputs):
            found.update(node.outputs)
    return found


def _buffers(partition: Partition, nodes: Sequence[Node]) -> int:
    made = {v for n in nodes for v in n.outputs}
    read = {v for n in nodes for v in n.inputs} - made
    return len(read) + len(partition.outputs(nodes))


def _nested(nodes: Sequence[Node]) -> int:
    """Operators of all outputs written out as expressions, shared parts counted each time."""
    size: dict[Value, int] = {}
    for node in nodes:
        if not is_product(node):
            size[node.output] = 1 + sum(size.get(v, 0) for v in node.inputs)
    return max(size.values(), default=0)


def _rewrite(graph: Graph, partition: Partition) -> int:
    """Makes each fusable group one node."""
    _sort(graph, partition)
    changes = 0
    for group in partition.groups:
        if _is_kernel(group.content):
            _replace(graph, partition, group)
            changes += 1
    for node in graph.reversed_nodes:
        if node in partition.free and not any(v.is_used for v in node.outputs):
            graph.erase(node)
    return changes


def _is_kernel(content: Content) -> bool:
    """True for what becomes one fused node; other nodes have kernels of their own."""
    if is_product(content.nodes[0]):
        return len(content.nodes) > 1
    if len(content.whole) == 1 and is_join(content.nodes[0]):
        return False  # only moves what is there
    return content.space is not None  # None: symbolic, empty, or of another kind


def _sort(graph: Graph, partition: Partition) -> None:
    """Reorders nodes so that each group is contiguous, as close to the old order as can be."""
    waiting = {g: len(g.before) for g in partition.groups}
    groups = {g.id: g for g in waiting}
    ready = [g.id for g, n in waiting.items() if not n]
    heapq.heapify(ready)
    order: list[Node] = []
    placed: set[Node] = set()
    while ready:
        group = groups[heapq.heappop(ready)]
        for node in partition.in_order(group.content):
            if node not in placed:
                placed.add(node)
                order.append(node)
        for reader in group.readers:
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, reader.id)
    order += [n for n in partition.order if n not in placed]
    for node, following in reversed(list(itertools.pairwise(order))):
        graph.move_before(node, following)


def _replace(graph: Graph, partition: Partition, group: Group) -> None:
    nodes = group.content.whole
    made = {v for n in nodes for v in n.outputs}
    operands = list(dict.fromkeys(v for n in nodes for v in n.inputs if v not in made))
    results = partition.outputs(group.nodes)
    body = Graph("group")
    table: dict[Value, Value] = {v: body.add_input(v.type) for v in operands}
    builder = Builder(body)
    for node in nodes:
        outs = builder.add(node.op, [table[v] for v in node.inputs], node.origin)
        table.update(zip(node.outputs, outs, strict=True))
    for value in results:
        body.add_output(table[value])
    first = group.nodes[0]
    fused = graph.add_node(
        Fused(Subgraph(body)), operands, first.origin.through("fuse"), before=first
    )
    for old, new in zip(results, fused.outputs, strict=True):
        new.hint = old.hint
        old.replace_uses(new)
    for node in reversed(nodes):
        if node not in partition.free or not node.output.is_used:
            graph.erase(node)
