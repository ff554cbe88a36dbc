"""Views: tensors that show a part of another tensor, in eager code and while tracing.

A view keeps the tensor that it shows (its base) and the operator that takes it from there. Writing
to a view writes to its base; a view whose base was written since is taken anew when it is used.
Eager views share NumPy memory besides, so that plain writes cost nothing extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph.frontend.modes import active_trace, set_grad_enabled
from nngraph.frontend.variable import VIEWS, Variable
from nngraph.ir.dims import Dim
from nngraph.ir.op import Op
from nngraph.ops.broadcast import BroadcastTo, Reshape, reshape
from nngraph.ops.shape.joining import Split
from nngraph.ops.shape.moving import Transpose, transpose
from nngraph.ops.shape.slicing import Slice, slice_update

if TYPE_CHECKING:
    from nngraph.frontend.base import TensorBase

__all__ = ["Alias", "alias_of", "strides_of", "sync", "viewable", "write_through"]


class Alias:
    """What a view shows, and the state of its base when the view was last taken."""

    __slots__ = ("array", "base", "index", "op", "variable", "version")

    def __init__(self, base: TensorBase, op: Op, index: int) -> None:
        self.base = base
        self.op = op
        self.index = index
        self.note(base._variable)

    def note(self, variable: Variable) -> None:
        self.variable = variable
        self.version = variable.storage.version
        self.array = variable.storage.array


def alias_of(base: TensorBase, op: Op, index: int, out: TensorBase) -> Alias | None:
    """The alias of an operator's output, None if it has memory of its own."""
    if not isinstance(op, VIEWS):
        return None
    whole, part = base._variable.storage, out._own.storage
    if part.value is None:
        assert whole.array is not None and part.array is not None
        shared = np.may_share_memory(whole.array, part.array) or not part.array.size
    else:
        shape = op.shape if isinstance(op, Reshape) else None
        shared = shape is None or viewable(base.type.shape, strides_of(base), shape) is not None
    return Alias(base, op, index) if shared else None


def sync(view: TensorBase, alias: Alias) -> None:
    """Takes the view anew if its base was written since."""
    own, now, trace = view._own, alias.base._variable, active_trace()
    if own.requires_grad and own.entry is None:
        return  # a leaf made of a view goes its own way
    if now is not alias.variable:
        _retake(view, alias, now)
    elif trace is None:
        array = now.storage.array
        if array is alias.array or own.storage.array is None or array is None:
            return
        own.storage.array = alias.op.eval(array)[alias.index]
    elif own.storage.value is None:
        _retake(view, alias, now)
    elif now.storage.version == alias.version:
        return
    elif own.storage.value.graph is trace.graph:
        values = trace.add(alias.op, [trace.read(now.storage)], trace.origin())
        own.storage.value = values[alias.index]
    alias.note(now)


def _retake(view: TensorBase, alias: Alias, now: Variable) -> None:
    """The view of the base's new variable; what a trace changes is put back after it."""
    from nngraph.frontend.tape import apply_to_variables

    trace, before = active_trace(), view._own
    if trace is not None and before.storage.value is None:
        known = (alias.variable, alias.version, alias.array)
        trace.after.append(lambda: _put_back(view, alias, before, known))
    with set_grad_enabled(True):
        view._own = apply_to_variables(alias.op, [now])[alias.index]


def _put_back(view: TensorBase, alias: Alias, before: Variable, known: tuple[Any, ...]) -> None:
    view._own = before
    alias.variable, alias.version, alias.array = known


def write_through(alias: Alias, part: TensorBase) -> Any:
    """What the base becomes when its view becomes ``part``.

    Raises:
        RuntimeError: if the view repeats elements.
    """
    base = alias.base
    match alias.op:
        case Reshape():
            return reshape(part, base.type.shape)
        case Transpose(perm=perm):
            return transpose(part, tuple(sorted(range(len(perm)), key=perm.__getitem__)))
        case Slice(starts=starts, sizes=sizes, steps=steps):
            return slice_update(base, part, starts, sizes, steps)
        case Split(axis=axis, sizes=sizes):
            offsets: list[Dim] = [0] * base.ndim
            for size in sizes[: alias.index]:
                offsets[axis] = offsets[axis] + size
            return slice_update(base, part, offsets, part.type.shape)
    raise RuntimeError(
        "unsupported operation: more than one element of the written-to tensor refers to a single "
        "memory location. Please clone() the tensor before performing the operation."
    )


# -- strides ---------------------------------------------------------------------------------


def strides_of(tensor: TensorBase) -> tuple[Dim, ...]:
    """Distances of neighbours along each axis, in elements, as PyTorch counts them."""
    alias, storage = tensor._alias, tensor._variable.storage
    if storage.array is not None and storage.value is None:
        return tuple(s // storage.array.itemsize for s in storage.array.strides)
    if alias is None:
        return _row_major(tensor.type.shape)
    under = strides_of(alias.base)
    match alias.op:
        case Transpose(perm=perm):
            return tuple(under[a] for a in perm)
        case Slice(steps=steps):
            return tuple(s * step for s, step in zip(under, steps, strict=True))
        case BroadcastTo(shape=shape):
            old = (1,) * (len(shape) - len(under)) + alias.base.type.shape
            lead = (0,) * (len(shape) - len(under)) + under
            rows = zip(lead, old, shape, strict=True)
            return tuple(0 if was != size else s for s, was, size in rows)
        case Reshape(shape=shape):
            return viewable(alias.base.type.shape, under, shape) or _row_major(shape)
    return under


def _row_major(shape: Sequence[Dim]) -> tuple[Dim, ...]:
    out: list[Dim] = []
    step: Dim = 1
    for size in reversed(shape):
        out.append(step)
        step = step * size
    return tuple(reversed(out))


def is_row_major(shape: Sequence[Dim], strides: Sequence[Dim]) -> bool:
    """True if the elements lie in memory in the order of their indices."""
    if any(size == 0 for size in shape):
        return True
    rows = zip(shape, strides, _row_major(shape), strict=True)
    return all(size == 1 or s == wanted for size, s, wanted in rows)


def viewable(
    shape: Sequence[Dim], strides: Sequence[Dim], new: Sequence[Dim]
) -> tuple[Dim, ...] | None:
    """Strides of a reshaped view; None if the elements have to be copied."""
    if is_row_major(shape, strides):
        return _row_major(new)
    out: list[Dim] = []
    blocks = _blocks([(d, s) for d, s in zip(shape, strides, strict=True) if d != 1])
    rest = list(reversed(new))
    for size, stride in reversed(blocks):
        filled: Dim = 1
        while rest and (filled != size or rest[0] == 1):
            out.append(stride * filled)
            filled = filled * rest.pop(0)
        if filled != size:
            return None
    out += [1 for _ in rest]
    return tuple(reversed(out))


def _blocks(axes: list[tuple[Dim, Dim]]) -> list[tuple[Dim, Dim]]:
    """Neighbouring axes joined where memory runs through them: (elements, innermost stride)."""
    blocks: list[tuple[Dim, Dim]] = []
    outer: Dim = 0  # the stride of the axis before
    for size, stride in axes:
        if blocks and outer == size * stride:
            blocks[-1] = (blocks[-1][0] * size, stride)
        else:
            blocks.append((size, stride))
        outer = stride
    return blocks
