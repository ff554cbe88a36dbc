"""The iteration space that the values of a fused group share.

Every dimension larger than 1 of every value of a group is one axis of the group's loops. Axes
follow from how the operators align their operands, so values of different ranks (with or without
kept dimensions, broadcast or not) meet in one space.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nngraph.backends.tvm.fuse.kinds import is_join
from nngraph.ir.graph import Node, Value
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import Reduction, Reshape
from nngraph.ops.shape.slicing import Slice

__all__ = ["Aligner", "Space", "align", "folded_axes", "joined"]


@dataclass(frozen=True)
class Space:
    """The loops of a group.

    Attributes:
        sizes: extents of the axes, outermost first.
        axes: for each value, the axis of each dimension (None where the dimension is 1). What
            the group reads or stores in parts only is in none of its loops.
        reduced: the axes that the group's reductions fold; the same for all of them.
    """

    sizes: tuple[int, ...]
    axes: Mapping[Value, tuple[int | None, ...]]
    reduced: frozenset[int]

    def of(self, value: Value) -> frozenset[int]:
        """The axes that a value varies along."""
        return frozenset(a for a in self.axes[value] if a is not None)

    @property
    def every(self) -> frozenset[int]:
        return frozenset(range(len(self.sizes)))

    @property
    def rows(self) -> frozenset[int]:
        """The axes that no reduction folds."""
        return self.every - self.reduced

    def extent(self, axes: Iterable[int]) -> int:
        return math.prod(self.sizes[a] for a in axes)

    def can_store(self, value: Value) -> bool:
        """True if a kernel may write it: at each point, or once for each row."""
        own = self.of(value)
        return own == self.every or (bool(self.reduced) and own == self.rows)


def joined(a: Space, b: Space) -> Space | None:
    """The space of two groups together where values in both of them show it at a glance.

    None says nothing: then the nodes of both have to be aligned anew.
    """
    if a.sizes != b.sizes or len({a.reduced, b.reduced} - {frozenset()}) > 1:
        return None
    few, many = sorted((a.axes, b.axes), key=len)
    shared: set[int | None] = {None}
    for value, axes in few.items():
        other = many.get(value)
        if other is not None:
            if other != axes:
                return None
            shared.update(axes)
    if len(shared) <= len(a.sizes):
        return None
    return Space(a.sizes, {**a.axes, **b.axes}, a.reduced | b.reduced)


def align(nodes: Sequence[Node]) -> Space | None:
    """The space of ``nodes``, or None if they do not share one."""
    return Aligner().align(nodes)


class Aligner:
    """Finds the spaces of many groups of nodes of one graph; looks at each node once.

    The dimensions (larger than 1) of values are numbered, and what a node says about them is kept.
    """

    def __init__(self) -> None:
        self._numbers: dict[Value, tuple[int | None, ...]] = {}
        self._sizes: list[int] = []  # of numbered dimensions
        self._facts: dict[Node, _Facts] = {}

    def align(self, nodes: Sequence[Node]) -> Space | None:
        """The space of ``nodes``, or None if they do not share one."""
        facts = [self._facts.get(n) or self._learn(n) for n in nodes]
        if not all(f.usable for f in facts):
            return None
        find = _classes(pair for f in facts for pair in f.pairs)
        values = dict.fromkeys(v for f in facts for v in f.values)
        numbers = self._numbers
        rows = {v: [find.get(d, d) for d in numbers[v] if d is not None] for v in values}
        order = _common_order(rows.values())
        if order is None:
            return None
        place = {root: position for position, root in enumerate(order)}
        axes = {v: _placed(numbers[v], [place[r] for r in row]) for v, row in rows.items()}
        folded = {frozenset(place[find.get(d, d)] for d in f.folded) for f in facts}
        folded.discard(frozenset())
        if len(folded) > 1:
            return None
        sizes = tuple(self._sizes[root] for root in order)
        return Space(sizes, axes, next(iter(folded), frozenset()))

    def _learn(self, node: Node) -> _Facts:
        values = tuple(dict.fromkeys(_walked(node)))
        usable = all(v.type.is_static and v.type.size != 0 for v in values)
        if not usable:
            facts = _Facts(values, (), (), False)
        else:
            numbers = {v: self._number(v) for v in values}
            pairs = tuple((numbers[a][i], numbers[b][j]) for (a, i), (b, j) in _relations(node))
            folded = tuple(numbers[node.inputs[0]][d] for d in folded_axes(node))
            facts = _Facts(values, pairs, folded, True)  # type: ignore[arg-type]
        self._facts[node] = facts
        return facts

    def _number(self, value: Value) -> tuple[int | None, ...]:
        if value not in self._numbers:
            shape, first = value.type.static_shape, len(self._sizes)
            self._sizes += [n for n in shape if n != 1]
            rest = itertools.count(first)
            self._numbers[value] = tuple(None if n == 1 else next(rest) for n in shape)
        return self._numbers[value]


def _walked(node: Node) -> tuple[Value, ...]:
    """The values that a kernel walks: not what it reads a part of, nor what it stores parts of."""
    if isinstance(node.op, Slice):
        return node.outputs
    return node.inputs if is_join(node) else (*node.inputs, *node.outputs)


class _Facts(NamedTuple):
    """What a node says about dimensions.

    Attributes:
        values: that it reads and makes.
        pairs: numbers of dimensions that are one axis.
        folded: numbers of the dimensions that it folds.
        usable: False if a value is symbolic or empty.
    """

    values: tuple[Value, ...]
    pairs: tuple[tuple[int, int], ...]
    folded: tuple[int, ...]
    usable: bool


def _placed(numbers: tuple[int | None, ...], places: Sequence[int]) -> tuple[int | None, ...]:
    if len(places) == len(numbers):
        return tuple(places)
    rest = iter(places)
    return tuple(None if n is None else next(rest) for n in numbers)


def _classes(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """The representative of each number of ``pairs``: the same for all that are connected."""
    above: dict[int, int] = {}

    def find(key: int) -> int:
        while (parent := above.get(key, key)) != key:
            above[key] = key = above.get(parent, parent)
        return key

    for a, b in pairs:
        a, b = find(a), find(b)
        if a != b:
            above[a] = b
    return {key: find(key) for key in above}


def _common_order(rows: Collection[list[int]]) -> list[int] | None:
    """One order of all axes that every value's dimensions keep; None if there is none."""
    master = max(rows, key=len, default=[])
    position = {root: i for i, root in enumerate(master)}
    if len(position) != len(master):
        return None  # a value with one axis twice, as in x + x.T
    for row in rows:
        if row == master:
            continue
        places = [position.get(root, -1) for root in row]
        if -1 in places or any(a >= b for a, b in itertools.pairwise(places)):
            return None
    return master


_Dim = tuple[Value, int]


def _relations(node: Node) -> Iterator[tuple[_Dim, _Dim]]:
    """Pairs of dimensions (larger than 1) of operands and results that are one axis."""
    if isinstance(node.op, Slice):
        return
    if is_join(node):
        first, *rest = node.inputs
        places = _places(first.type)
        yield from (((first, d), (other, d)) for other in rest for d in places)
        return
    for source in node.inputs:
        if isinstance(node.op, Reshape):
            pairs = list(zip(_places(source.type), _places(node.output.type), strict=True))
        elif isinstance(node.op, Reduction):
            pairs = _kept_pairs(node.op, source.type)
        else:
            shift = node.output.type.rank - source.type.rank
            pairs = [(d, d + shift) for d in _places(source.type)]
        for i, j in pairs:
            yield (source, i), (node.output, j)


def _kept_pairs(op: Reduction, source: TensorType) -> list[tuple[int, int]]:
    kept = [d for d in range(source.rank) if d not in op.axes]
    targets = kept if op.keepdims else range(len(kept))
    return [(d, t) for d, t in zip(kept, targets, strict=True) if source.shape[d] != 1]


def folded_axes(node: Node) -> list[int]:
    """The axes larger than 1 of its operand that a node folds; none if it is no reduction."""
    axes = node.op.axes if isinstance(node.op, Reduction) else ()
    return [d for d in axes if node.inputs[0].type.shape[d] != 1]


def _places(kind: TensorType) -> list[int]:
    return [d for d, n in enumerate(kind.shape) if n != 1]
