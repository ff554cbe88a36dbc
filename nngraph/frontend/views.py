"""The operators that make views: how a write to a view changes what is under it, and strides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nngraph.frontend.storage import Path
from nngraph.ir.dims import Dim
from nngraph.ir.types import Shape
from nngraph.ops.broadcast import BroadcastTo, Reshape, reshape
from nngraph.ops.shape.joining import Split
from nngraph.ops.shape.moving import Transpose, transpose
from nngraph.ops.shape.slicing import Slice, slice_update
from nngraph.ops.shape.strided import Strided

__all__ = [
    "VIEWS",
    "is_row_major",
    "offset_of",
    "row_major",
    "strides_of",
    "viewable",
    "write_through",
]

#: Operators whose outputs show memory of their input where strides permit.
VIEWS = (BroadcastTo, Reshape, Slice, Split, Strided, Transpose)


def write_through(
    path: Path | None, whole: Shape, part: Any, read: Callable[[Path | None], Any]
) -> Any:
    """What a storage of shape ``whole`` becomes when the view at ``path`` becomes ``part``.

    Args:
        path: of the view; None for the whole.
        whole: the shape of the storage.
        part: an operand of the view's type.
        read: gives the operand at a path, as it is before.

    Raises:
        RuntimeError: if the view repeats elements.
    """
    is_empty = 0 in part.aval.shape
    while path is not None:
        if is_empty and isinstance(path.op, BroadcastTo):
            return read(None)
        part = _replaced(path, whole, part, read)
        path = path.under
    return part


def _replaced(path: Path, whole: Shape, part: Any, read: Callable[[Path | None], Any]) -> Any:
    """What is under a view when the view becomes ``part``."""
    match path.op:
        case Reshape():
            return reshape(part, _shape(path.under, whole))
        case Transpose(perm=perm):
            return transpose(part, tuple(sorted(range(len(perm)), key=perm.__getitem__)))
        case Slice(starts=starts, sizes=sizes, steps=steps):
            return slice_update(read(path.under), part, starts, sizes, steps)
        case Split(axis=axis, sizes=sizes):
            offsets: list[Dim] = [0] * len(_shape(path.under, whole))
            for size in sizes[: path.index]:
                offsets[axis] = offsets[axis] + size
            return slice_update(read(path.under), part, offsets, part.aval.shape)
        case Strided() as strided:
            return strided.written(read(path.under), part)
    raise RuntimeError(
        "unsupported operation: more than one element of the written-to tensor refers to a single "
        "memory location. Please clone() the tensor before performing the operation."
    )


# -- strides ---------------------------------------------------------------------------------


def strides_of(path: Path | None, whole: Shape) -> tuple[Dim, ...]:
    """Distances of neighbours along each axis, in elements, as PyTorch counts them.

    Args:
        path: of the view; None for the whole.
        whole: the shape of the storage, whose elements lie in the order of their indices.
    """
    if path is None:
        return row_major(whole)
    under, shape_under = strides_of(path.under, whole), _shape(path.under, whole)
    match path.op:
        case Transpose(perm=perm):
            return tuple(under[a] for a in perm)
        case Slice(steps=steps):
            return tuple(s * step for s, step in zip(under, steps, strict=True))
        case Strided(steps=moves):
            return tuple(_distance(move, under) for move in moves)
        case BroadcastTo(shape=shape):
            old = (1,) * (len(shape) - len(under)) + shape_under
            lead = (0,) * (len(shape) - len(under)) + under
            rows = zip(lead, old, shape, strict=True)
            return tuple(0 if was != size else s for s, was, size in rows)
        case Reshape():
            shape = path.type.shape
            return viewable(shape_under, under, shape) or row_major(shape)
    return under


def offset_of(path: Path | None, whole: Shape) -> Dim:
    """How many elements of the storage lie before the first that a view shows."""
    if path is None:
        return 0
    before, strides = offset_of(path.under, whole), strides_of(path.under, whole)
    match path.op:
        case Slice(starts=starts) | Strided(starts=starts):
            return before + _distance(starts, strides)
        case Split(axis=axis, sizes=sizes):
            return before + sum(sizes[: path.index], 0) * strides[axis]
    return before


def _distance(places: Sequence[Dim], strides: Sequence[Dim]) -> Dim:
    total: Dim = 0
    for place, stride in zip(places, strides, strict=True):
        total = total + place * stride
    return total


def _shape(path: Path | None, whole: Shape) -> Shape:
    return whole if path is None else path.type.shape


def row_major(shape: Sequence[Dim]) -> tuple[Dim, ...]:
    """The strides of elements that lie in the order of their indices."""
    out: list[Dim] = []
    step: Dim = 1
    for size in reversed(shape):
        out.append(step)
        step = step * size if size != 0 else step
    return tuple(reversed(out))


def is_row_major(shape: Sequence[Dim], strides: Sequence[Dim]) -> bool:
    """True if the elements lie in memory in the order of their indices."""
    if any(size == 0 for size in shape):
        return True
    rows = zip(shape, strides, row_major(shape), strict=True)
    return all(size == 1 or s == wanted for size, s, wanted in rows)


def viewable(
    shape: Sequence[Dim], strides: Sequence[Dim], new: Sequence[Dim]
) -> tuple[Dim, ...] | None:
    """Strides of a reshaped view; None if the elements have to be copied."""
    if is_row_major(shape, strides):
        return row_major(new)
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
