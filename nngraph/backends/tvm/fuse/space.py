"""The iteration space that the values of a fused group share.

Every dimension larger than 1 of every value of a group is one axis of the group's loops. Axes
follow from how the operators align their operands, so values of different ranks (with or without
kept dimensions, broadcast or not) meet in one space.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nngraph.backends.tvm.fuse.kinds import is_reduction
from nngraph.ir.graph import Node, Value
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import Reduction, Reshape

__all__ = ["Space", "align", "folded_axes"]


@dataclass(frozen=True)
class Space:
    """The loops of a group.

    Attributes:
        sizes: extents of the axes, outermost first.
        axes: for each value, the axis of each dimension (None where the dimension is 1).
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


def align(nodes: Sequence[Node]) -> Space | None:
    """The space of ``nodes``, or None if they do not share one."""
    classes = _Classes()
    folded: list[list[tuple[Value, int]]] = []
    values = _values(nodes)
    if not all(v.type.is_static and v.type.size != 0 for v in values):
        return None
    for node in nodes:
        for (a, i), (b, j) in _relations(node):
            classes.join((a, i), (b, j))
        if is_reduction(node):
            folded.append([(node.inputs[0], d) for d in folded_axes(node)])
    table = {v: _roots(v, classes) for v in values}
    order = _common_order(table.values())
    if order is None:
        return None
    number = {root: position for position, root in enumerate(order)}
    axes = {v: tuple(None if r is None else number[r] for r in t) for v, t in table.items()}
    reduced = {frozenset(number[classes.find(k)] for k in dims) for dims in folded} - {frozenset()}
    if len(reduced) > 1:
        return None
    sizes = tuple(int(root[0].type.static_shape[root[1]]) for root in order)
    return Space(sizes, axes, next(iter(reduced), frozenset()))


_Dim = tuple[Value, int]


class _Classes:
    """Union-find over dimensions of values."""

    def __init__(self) -> None:
        self._parent: dict[_Dim, _Dim] = {}

    def find(self, key: _Dim) -> _Dim:
        parent = self._parent
        while (above := parent.get(key, key)) != key:
            parent[key] = parent.get(above, above)
            key = above
        return key

    def join(self, a: _Dim, b: _Dim) -> None:
        a, b = self.find(a), self.find(b)
        if a != b:
            self._parent[a] = b


def _values(nodes: Sequence[Node]) -> list[Value]:
    found: dict[Value, None] = {}
    for node in nodes:
        found.update(dict.fromkeys(node.inputs))
        found.update(dict.fromkeys(node.outputs))
    return list(found)


def _roots(value: Value, classes: _Classes) -> tuple[_Dim | None, ...]:
    shape = value.type.shape
    return tuple(None if n == 1 else classes.find((value, d)) for d, n in enumerate(shape))


def _common_order(rows: Iterable[tuple[_Dim | None, ...]]) -> list[_Dim] | None:
    """One order of all axes that every value's dimensions keep; None if there is none."""
    listed = [[r for r in row if r is not None] for row in rows]
    master = max(listed, key=len, default=[])
    position = {root: i for i, root in enumerate(master)}
    if len(position) != len(master):
        return None  # a value with one axis twice, as in x + x.T
    for row in listed:
        places = [position.get(root, -1) for root in row]
        if -1 in places or any(a >= b for a, b in itertools.pairwise(places)):
            return None
    return master


def _relations(node: Node) -> Iterator[tuple[_Dim, _Dim]]:
    """Pairs of dimensions (larger than 1) of operands and results that are one axis."""
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
