"""What an operator on selected positions becomes on all of them."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from nngraph import ops
from nngraph.ir.attributes import attributes
from nngraph.ir.dims import Dim, PositivePart, Quotient, Symbol, SymDim
from nngraph.ir.dtypes import DType, bool_, int64
from nngraph.ir.graph import Value
from nngraph.ir.op import Op, Trait, apply
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import Reduction
from nngraph.ops.composite import wide
from nngraph.passes.selected.ops import Select, Unselect, is_selected

__all__ = ["Case", "rule_for"]

Values = Sequence[Value]


@dataclass
class Case:
    """One operator with selected axes.

    Attributes:
        op: as it was traced.
        types: of its operands, with the sizes of selections.
        values: its operands, with all positions.
        outputs: its output types, with the sizes of selections.
        masks: by the names of sizes: which positions are selected, and how many there are in all.
        layouts: by the names of products of sizes: the axes that were joined to one.
        is_part: whether the operator is a part of another one, which knows of empty tensors.
    """

    op: Op
    types: Sequence[TensorType]
    values: Values
    outputs: Sequence[TensorType]
    masks: dict[str, Value]
    layouts: dict[str, tuple[Dim, ...]]
    is_part: bool

    def selected(self, kind: TensorType) -> dict[int, Value]:
        """The selected axes of a type, and their masks."""
        found = ((axis, dim) for axis, dim in enumerate(kind.shape) if is_selected(dim))
        return {axis: self.masks[str(dim)] for axis, dim in found if str(dim) in self.masks}

    def whole(self, dim: Any) -> Any:
        """A size, or a tuple of sizes, of all positions."""
        if isinstance(dim, tuple):
            return tuple(map(self.whole, dim))
        if not is_selected(dim):
            return dim
        return dim.substitute({name: mask.type.shape[0] for name, mask in self.masks.items()})

    def lanes(self, values: Values | None = None) -> tuple[Value, ...]:
        """The operator, for which positions do not meet."""
        named = {name: self.whole(value) for name, value in attributes(self.op)}
        op = dataclasses.replace(self.op, **named)
        return apply(op, *(self.values if values is None else values), like=self.like)

    @property
    def like(self) -> Value:
        """Any value of the graph."""
        return next(iter(self.masks.values()))

    def filled(self, position: int, axes: Sequence[int], fill: float) -> Value:
        """An operand with a number at the positions of these axes that are not selected."""
        value, kind = self.values[position], self.types[position]
        for axis, mask in self.selected(kind).items():
            if axis in axes:
                row = ops.reshape(mask, _along(axis, mask.type.shape[0], kind.rank))
                value = ops.where(row, value, ops.full(fill, kind.dtype, (), value))
        return value

    def indices(self, position: int) -> Value:
        """An operand of indices, 0 at all positions that are not selected."""
        return self.filled(position, range(self.types[position].rank), 0)

    def count(self, size: Dim) -> Value:
        """A size as an int64 without axes."""
        if not is_selected(size):
            return ops.extent(size, self.like) if isinstance(size, SymDim) else self._int(size)
        assert isinstance(size, SymDim)
        total = self._int(0)
        for monomial, coefficient in size.terms:
            product = self._int(coefficient)
            for atom in monomial:
                product = ops.mul(product, self._atom(atom))
            total = ops.add(total, product)
        return total

    def _atom(self, atom: Symbol | Quotient | PositivePart) -> Value:
        if isinstance(atom, Quotient):
            denominator = self._int(atom.denominator)
            return ops.floor_divide(self.count(atom.numerator), denominator)
        if isinstance(atom, PositivePart):
            return ops.maximum(self.count(atom.value), self._int(0))
        if atom.name in self.masks:
            return ops.sum(ops.cast(self.masks[atom.name], int64))
        return ops.extent(SymDim((((atom,), 1),)), self.like)

    def _int(self, value: int) -> Value:
        return ops.full(value, int64, (), self.like)


Rule = Callable[[Case], tuple[Value, ...] | None]


def _along(axis: int, size: Dim, rank: int) -> tuple[Dim, ...]:
    return tuple(size if a == axis else 1 for a in range(rank))


def _extreme(dtype: DType, lowest: bool) -> float:
    if dtype.is_floating_point:
        return -math.inf if lowest else math.inf
    if dtype is bool_:
        return not lowest
    limits = np.iinfo(dtype.numpy)
    return int(limits.min if lowest else limits.max)


# -- selections themselves -------------------------------------------------------------------
def _select(case: Case) -> tuple[Value, ...] | None:
    op = case.op
    assert isinstance(op, Select)
    return _chosen(case, case.masks[str(op.size)], op.axis)


def _unselect(case: Case) -> tuple[Value, ...] | None:
    op = case.op
    assert isinstance(op, Unselect)
    return _chosen(case, case.masks[str(op.size)], op.axis)


def _chosen(case: Case, mask: Value, axis: int) -> tuple[Value, ...]:
    """The first operand, and zeros where the mask does not hold."""
    x = case.values[0]
    row = ops.reshape(mask, _along(axis, mask.type.shape[0], x.type.rank))
    return (ops.where(row, x, ops.full(0, x.type.dtype, (), x)),)


def _iota(case: Case) -> tuple[Value, ...] | None:
    """The number of a selected position among them."""
    op = case.op
    assert isinstance(op, ops.Iota)
    mask = case.selected(case.outputs[0]).get(op.axis)
    if mask is None:
        return case.lanes()
    rank = ops.cumsum(ops.cast(mask, int64), 0)
    line = ops.maximum(ops.sub(rank, case._int(1)), case._int(0))
    shape = case.whole(op.shape)
    row = ops.reshape(ops.cast(line, op.dtype), _along(op.axis, shape[op.axis], len(shape)))
    return (ops.broadcast_to(row, shape),)


def _extent(case: Case) -> tuple[Value, ...] | None:
    assert isinstance(case.op, ops.Extent)
    return (case.count(case.op.size),)


# -- reductions ------------------------------------------------------------------------------
def _met(case: Case, axes: Sequence[int]) -> bool:
    """Whether positions of a selected axis of the first operand meet."""
    return any(axis in axes for axis in case.selected(case.types[0]))


def _fold(fill: Callable[[DType], float]) -> Rule:
    def rule(case: Case) -> tuple[Value, ...] | None:
        op = case.op
        assert isinstance(op, Reduction)
        return case.lanes([case.filled(0, op.axes, fill(case.types[0].dtype))])

    return rule


def _extremum(lowest: bool) -> Rule:
    fold = _fold(lambda dtype: _extreme(dtype, lowest))

    def rule(case: Case) -> tuple[Value, ...] | None:
        op = case.op
        assert isinstance(op, Reduction)
        found = fold(case)
        if found is None or case.is_part or not _met(case, op.axes):
            return found
        some = case.count(math.prod(case.types[0].shape[a] for a in op.axes))
        what = f"{op.name}() of a selection x[mask] that is empty"
        return (ops.require(found[0], ops.gt(some, case._int(0)), what),)

    return rule


def _mean(case: Case) -> tuple[Value, ...] | None:
    op = case.op
    assert isinstance(op, Reduction)
    if not _met(case, op.axes):
        return case.lanes()
    total = ops.sum(wide(case.filled(0, op.axes, 0)), op.axes, op.keepdims)
    count = case.count(math.prod(case.types[0].shape[a] for a in op.axes))
    mean = ops.div(total, ops.cast(count, total.type.dtype))
    return (ops.cast(mean, case.types[0].dtype),)


def _fold_or_parts(case: Case) -> tuple[Value, ...] | None:
    axes = getattr(case.op, "axes", None)
    return None if axes is None or _met(case, axes) else case.lanes()


# -- operators along one axis ----------------------------------------------------------------
def _beside(case: Case) -> tuple[Value, ...] | None:
    """Positions meet along one axis, which is no selected one."""
    axis = case.op.axis  # type: ignore[attr-defined]
    return None if any(axis in case.selected(kind) for kind in case.types) else case.lanes()


def _indexed(case: Case) -> tuple[Value, ...] | None:
    """The same, with indices, which have to be in range everywhere."""
    axis = case.op.axis  # type: ignore[attr-defined]
    if any(axis in case.selected(kind) for kind in case.types):
        return None
    return case.lanes([case.values[0], case.indices(1), *case.values[2:]])


def _running(case: Case) -> tuple[Value, ...] | None:
    op = case.op
    assert isinstance(op, ops.Running)
    return case.lanes([case.filled(0, (op.axis,), op.identity)])


def _take(case: Case) -> tuple[Value, ...] | None:
    """Rows of a table by selected indices, whose table is whole along the axis."""
    axis = case.op.axis  # type: ignore[attr-defined]
    if axis in case.selected(case.types[0]):
        return None
    return case.lanes([case.values[0], case.indices(1)])


def _scatter(case: Case) -> tuple[Value, ...] | None:
    op = case.op
    assert isinstance(op, ops.ScatterSlices)
    if op.axis in case.selected(case.types[0]):
        return None
    axes = [op.axis + a for a in case.selected(case.types[1])]
    if axes and op.reduction != "add":
        return None
    return case.lanes([case.values[0], case.indices(1), case.filled(2, axes, 0)])


def _all_indices(case: Case) -> tuple[Value, ...] | None:
    return case.lanes([case.indices(0)])


def _divided(case: Case) -> tuple[Value, ...] | None:
    return case.lanes([case.values[0], case.filled(1, range(case.types[1].rank), 1)])


# -- shapes ----------------------------------------------------------------------------------
def _reshape(case: Case) -> tuple[Value, ...] | None:
    """A selected axis stays one, or is joined with its neighbours, always with the same ones."""
    parts = [d for dim in case.types[0].shape for d in case.layouts.get(str(dim), (dim,))]
    ends: list[Dim] = list(accumulate(parts, operator.mul, initial=1))
    shape = case.outputs[0].shape
    for start, dim in zip(accumulate(shape, operator.mul, initial=1), shape, strict=False):
        if not is_selected(dim):
            continue
        if start not in ends or start * dim not in ends:
            return None
        first, last = ends.index(start), ends.index(start * dim)
        layout = tuple(part for part in parts[first:last] if part != 1)
        if case.layouts.setdefault(str(dim), layout) != layout:
            return None
        if str(dim) not in case.masks:
            case.masks[str(dim)] = _joined(case, layout)
    return case.lanes()


def _joined(case: Case, layout: Sequence[Dim]) -> Value:
    """The mask of an axis that was several."""
    sizes = case.whole(tuple(layout))
    found: Value | None = None
    for axis, dim in enumerate(layout):
        if is_selected(dim):
            row = ops.reshape(case.masks[str(dim)], _along(axis, sizes[axis], len(sizes)))
            found = row if found is None else ops.logical_and(found, row)
    assert found is not None, "a selected axis is among them"
    return ops.reshape(ops.broadcast_to(found, sizes), (math.prod(sizes),))


def _slice(case: Case) -> tuple[Value, ...] | None:
    op = case.op
    assert isinstance(op, ops.Slice | ops.SliceUpdate)
    shape = case.types[0].shape
    for axis in case.selected(case.types[0]):
        if (op.starts[axis], op.sizes[axis], op.steps[axis]) != (0, shape[axis], 1):
            return None
    return case.lanes()


def _unpadded(case: Case) -> tuple[Value, ...] | None:
    op = case.op
    assert isinstance(op, ops.Pad)
    return case.lanes() if all(op.pads[a] == (0, 0) for a in case.selected(case.types[0])) else None


def _tile(case: Case) -> tuple[Value, ...] | None:
    op = case.op
    assert isinstance(op, ops.Tile)
    return case.lanes() if all(op.repeats[a] == 1 for a in case.selected(case.types[0])) else None


def _flip(case: Case) -> tuple[Value, ...] | None:
    op = case.op
    assert isinstance(op, ops.Flip)
    return None if _met(case, op.axes) else case.lanes()


# -- products and layers ---------------------------------------------------------------------
def _matmul(case: Case) -> tuple[Value, ...] | None:
    op = case.op
    assert isinstance(op, ops.MatMul)
    inner = [kind.rank - 1 for kind in case.types]
    inner[0] -= op.transpose_a
    inner[1] -= not op.transpose_b
    return case.lanes([case.filled(i, (axis,), 0) for i, axis in enumerate(inner)])


def _batch(case: Case) -> tuple[Value, ...] | None:
    """Whole images are selected."""
    selected = [set(case.selected(kind)) for kind in (*case.types, *case.outputs)]
    return case.lanes() if set().union(*selected) == {0} else None


def _batch_met(case: Case) -> tuple[Value, ...] | None:
    if any(set(case.selected(kind)) - {0} for kind in case.types):
        return None
    return case.lanes([case.filled(i, (0,), 0) for i in range(len(case.values))])


def _layer_norm(case: Case) -> tuple[Value, ...] | None:
    op = case.op
    assert isinstance(op, ops.LayerNorm)
    kind = case.types[0]
    return None if _met(case, range(kind.rank - op.rank, kind.rank)) else case.lanes()


_RULES: dict[type[Op], Rule] = {
    Select: _select,
    Unselect: _unselect,
    ops.Iota: _iota,
    ops.Extent: _extent,
    ops.Full: Case.lanes,
    ops.BroadcastTo: Case.lanes,
    ops.Transpose: Case.lanes,
    ops.Require: Case.lanes,
    ops.OneHot: _all_indices,
    ops.FromStart: _all_indices,
    ops.Sum: _fold(lambda dtype: 0),
    ops.Prod: _fold(lambda dtype: 1),
    ops.All: _fold(lambda dtype: True),
    ops.Any: _fold(lambda dtype: False),
    ops.Max: _extremum(lowest=True),
    ops.Min: _extremum(lowest=False),
    ops.Mean: _mean,
    ops.LogSumExp: _fold_or_parts,
    ops.Var: _fold_or_parts,
    ops.VectorNorm: _fold_or_parts,
    ops.Median: _fold_or_parts,
    ops.Softmax: _beside,
    ops.LogSoftmax: _beside,
    ops.ArgMax: _beside,
    ops.ArgMin: _beside,
    ops.Sort: _beside,
    ops.TopK: _beside,
    ops.Concat: _beside,
    ops.Split: _beside,
    ops.GatherElements: _indexed,
    ops.ScatterElements: _indexed,
    ops.Running: _running,
    ops.Take: _take,
    ops.ScatterSlices: _scatter,
    ops.Reshape: _reshape,
    ops.Slice: _slice,
    ops.SliceUpdate: _slice,
    ops.Pad: _unpadded,
    ops.Tile: _tile,
    ops.Flip: _flip,
    ops.MatMul: _matmul,
    ops.Conv: _batch,
    ops.ConvInputGrad: _batch,
    ops.ConvWeightGrad: _batch_met,
    ops.AvgPool: _batch,
    ops.AvgPoolGrad: _batch,
    ops.MaxPool: _batch,
    ops.MaxPoolGrad: _batch,
    ops.MaxPoolIndices: _batch,
    ops.LayerNorm: _layer_norm,
}


def rule_for(op: Op) -> Rule | None:
    """The rule of an operator's class; None where its decomposition is what has rules."""
    if Trait.ELEMENTWISE in op.traits:
        return _divided if Trait.DIVIDES in op.traits else Case.lanes
    return next((_RULES[kind] for kind in type(op).__mro__ if kind in _RULES), None)
