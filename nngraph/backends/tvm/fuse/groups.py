"""Groups of nodes that will be one kernel each: a partition of a graph that stays acyclic.

Merging two groups is refused if a path from one to the other runs through a third: the merged group
would have to run both before and after it. Each group knows all groups it depends on, as the bits
of an integer, so the question is one test for each neighbour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nngraph.backends.tvm.fuse.kinds import (
    is_join,
    is_part,
    is_point,
    is_reduction,
    is_unit_reshape,
)
from nngraph.backends.tvm.fuse.space import Aligner, Space, joined
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ops.broadcast import BroadcastTo
from nngraph.ops.creation import Constant, Full, Iota
from nngraph.ops.shape.slicing import Slice

__all__ = ["Group", "Partition", "is_free"]

MAX_FREE_CONSTANT = 1  # elements of a literal that is folded into kernels


def is_free(node: Node) -> bool:
    """True for nodes that cost nothing inside any kernel: each group has its own copy of them."""
    if isinstance(node.op, Constant):
        return node.output.type.size == MAX_FREE_CONSTANT
    return isinstance(node.op, Full | Iota | BroadcastTo) or is_unit_reshape(node)


def _is_free_part(node: Node) -> bool:
    """True for a part of what is in memory, if only kernels read it that can read it there."""
    if not is_part(node):
        return False
    source = node.inputs[0].producer
    if source is not None and (is_free(source) or is_part(source)):
        return False
    return all(is_point(u) or is_reduction(u) or is_join(u) for u in node.output.users)


@dataclass(frozen=True)
class Content:
    """What a kernel would hold.

    Attributes:
        nodes: its own, in the graph's order; free ones excluded.
        whole: these and the free nodes that they read, in the graph's order.
        space: the iteration space of ``whole``; None if it has none, or holds other nodes than
            elementwise ones and reductions.
        cut: free nodes that are read and yet not in ``whole``: with them a value would walk one
            axis of the kernel along several others, as x does in ``x.outer(x)``. What they make is
            read from memory.
    """

    nodes: Sequence[Node]
    whole: Sequence[Node]
    space: Space | None
    cut: Sequence[Node] = ()


class Group:
    """The content of a kernel; the groups that it reads from, that read it, that it depends on."""

    __slots__ = ("before", "content", "depends", "id", "readers")

    def __init__(self, id: int, content: Content) -> None:
        self.id = id
        self.content = content
        self.before: dict[Group, None] = {}
        self.readers: dict[Group, None] = {}
        self.depends = 0

    @property
    def nodes(self) -> Sequence[Node]:
        """Its own, in the graph's order; free ones excluded."""
        return self.content.nodes

    def __repr__(self) -> str:
        return f"Group({self.id}: {' '.join(n.op.name for n in self.nodes)})"


class Partition:
    """All groups of a graph; at first each node that is not free is one.

    Attributes:
        free: nodes that each group has its own copies of: what costs nothing, and parts of what is
            in memory.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.results = set(graph.results)
        self.free = {n for n in graph.nodes if is_free(n) or _is_free_part(n)}
        self._aligner = Aligner()
        self.order: dict[Node, int] = {}
        self.home: dict[Node, Group] = {}
        for position, node in enumerate(graph.nodes):
            self.order[node] = position
            if node not in self.free:
                self._add(Group(position, self.content([node])))

    def _add(self, group: Group) -> None:
        (node,) = group.nodes
        self.home[node] = group
        for source in self.sources(node):
            above = self.home[source]
            if above is not group:
                group.before[above] = None
                above.readers[group] = None
                group.depends |= above.depends | 1 << above.id

    @property
    def groups(self) -> list[Group]:
        """Each once, by their first nodes."""
        return list(dict.fromkeys(self.home.values()))

    def is_alive(self, group: Group) -> bool:
        """False once the group was merged into another."""
        return self.home[group.nodes[0]] is group

    def sources(self, node: Node, operand: int | None = None) -> Iterator[Node]:
        """The nodes, looked up through free ones, that make what ``node`` reads.

        ``operand``: of this operand only.
        """
        for value in node.inputs if operand is None else (node.inputs[operand],):
            producer = value.producer
            if producer is None:
                continue
            if producer in self.free:
                yield from self.sources(producer)
            else:
                yield producer

    def with_free(self, nodes: Sequence[Node]) -> list[Node]:
        """``nodes`` and the free nodes that they read, in the graph's order."""
        found: dict[Node, None] = dict.fromkeys(nodes)
        work = list(nodes)
        while work:
            for value in work.pop().inputs:
                producer = value.producer
                if producer is not None and producer in self.free and producer not in found:
                    found[producer] = None
                    work.append(producer)
        return sorted(found, key=self.order.__getitem__)

    def outputs(self, nodes: Sequence[Node]) -> list[Value]:
        """What is read outside of ``nodes``."""
        inside = set(nodes)
        return [v for n in nodes for v in n.outputs if self._escapes(v, inside)]

    def _escapes(self, value: Value, inside: set[Node]) -> bool:
        """True if a result or another kernel reads it, also through a free node."""
        if value in self.results:
            return True
        for user in value.iter_users():
            if user in inside:
                continue
            if user not in self.free or self._escapes(user.outputs[0], inside):
                return True
        return False

    def content(self, nodes: Sequence[Node]) -> Content:
        """What a kernel of ``nodes``, in the graph's order, would hold."""
        whole = self.with_free(nodes)
        if not all(is_point(n) or is_reduction(n) or is_join(n) for n in nodes):
            return Content(nodes, whole, None)
        space = self._aligner.align(whole)
        return Content(nodes, whole, space) if space else self._without_some(nodes, whole)

    def _without_some(self, nodes: Sequence[Node], whole: Sequence[Node]) -> Content:
        """The content of nodes that share a space only without some of the free ones they read.

        Those next to ``nodes`` stay first: what is cut is likely a reshape, which is no work.
        """
        kept, space = list(nodes), self._aligner.align(nodes)
        if space is None:
            return Content(nodes, whole, None)  # symbolic or empty
        own = set(nodes)
        cut: list[Node] = []
        for node in (n for n in reversed(whole) if n not in own):
            if not any(node.output in n.inputs for n in kept):
                continue  # another that is cut reads it
            wider = self._merged(kept, [node])
            found = self._aligner.align(wider)
            if found is None:
                cut.append(node)
            else:
                kept, space = list(wider), found
        return Content(nodes, kept, space, tuple(reversed(cut)))

    def together(self, a: Group, b: Group) -> Content | None:
        """What the kernel of two groups would hold; None if it would read from memory what it
        makes itself.
        """
        first, second = a.content, b.content
        nodes = self._merged(first.nodes, second.nodes)
        whole = self._merged(first.whole, second.whole)
        cut = [n for n in self._merged(first.cut, second.cut) if n not in whole]
        if any(source in nodes for n in cut for source in self.sources(n)):
            return None
        if self._reads_a_part_of_its_own(nodes, whole):
            return None
        if first.space is None or second.space is None:
            return Content(nodes, whole, None, cut)
        space = joined(first.space, second.space)
        return Content(nodes, whole, space or self._aligner.align(whole), cut)

    def _reads_a_part_of_its_own(self, nodes: Sequence[Node], whole: Sequence[Node]) -> bool:
        """True if a kernel made what it reads in parts, or read what it stores in parts."""
        parts = [n for n in whole if isinstance(n.op, Slice)]
        joined = {n.output for n in nodes if is_join(n)}
        if not parts and not joined:
            return False
        inside = set(nodes)
        if any(not inside.isdisjoint(self.sources(n)) for n in parts):
            return True
        return any(not joined.isdisjoint(n.inputs) for n in whole)

    def _merged(self, a: Sequence[Node], b: Sequence[Node]) -> Sequence[Node]:
        return sorted(dict.fromkeys((*a, *b)), key=self.order.__getitem__)

    def in_order(self, content: Content) -> list[Node]:
        """All that has to stand where a kernel is: first what its cut nodes need, then its own."""
        return list(dict.fromkeys((*self.with_free(content.cut), *content.whole)))

    def can_join(self, a: Group, b: Group) -> bool:
        """True if no path between the two runs through a third group."""
        for first, second in ((a, b), (b, a)):
            bit = 1 << first.id
            if any(p is not first and p.depends & bit for p in second.before):
                return False
        return True

    def join(self, a: Group, b: Group, content: Content) -> Group:
        """Merges two groups (that ``can_join``) into one that holds ``content``; the one with the
        smaller number stays.
        """
        if a.id > b.id:
            a, b = b, a
        a.content = content
        for node in b.nodes:
            self.home[node] = a
        self._relink(a, b)
        a.depends = (a.depends | b.depends) & ~(1 << a.id | 1 << b.id)
        self._spread(a)
        return a

    @staticmethod
    def _relink(a: Group, b: Group) -> None:
        for above in b.before:
            del above.readers[b]
            if above is not a:
                above.readers[a] = None
                a.before[above] = None
        for below in b.readers:
            del below.before[b]
            if below is not a:
                below.before[a] = None
                a.readers[below] = None
        a.before.pop(b, None)
        a.readers.pop(b, None)

    @staticmethod
    def _spread(group: Group) -> None:
        """Tells everything below what the group depends on."""
        added = group.depends | 1 << group.id
        work, seen = list(group.readers), set(group.readers)
        while work:
            below = work.pop()
            if below.depends | added == below.depends:
                continue
            below.depends |= added
            for next_ in below.readers:
                if next_ not in seen:
                    seen.add(next_)
                    work.append(next_)
