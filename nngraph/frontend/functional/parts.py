"""Parts of a tensor: slices, splits, diagonals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, cast

import numpy as np

from nngraph import ops
from nngraph.frontend.eager import Eager
from nngraph.frontend.errors import size_is_unknown
from nngraph.frontend.functional.access import elements, viewed
from nngraph.frontend.functional.variants import both, function, method
from nngraph.frontend.symint import dim_of, dims_of, size_of
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.dims import Dim, SymDim, floordiv, is_nonnegative
from nngraph.ir.dtypes import int64
from nngraph.ops.core import normalize_axis

# fmt: off
__all__ = [
    "chunk", "diag", "diag_embed", "diagonal", "diagonal_scatter", "dsplit", "hsplit", "narrow",
    "select", "split", "split_with_sizes", "tensor_split", "unbind", "vsplit",
]
# fmt: on


def _axis(name: str, input: Tensor, dim: int) -> int:
    """The dimension that is divided.

    Raises:
        RuntimeError: for a tensor without dimensions.
        IndexError: if the dimension is out of range.
    """
    axis = normalize_axis(dim, input.ndim, name)
    if not input.ndim:
        raise RuntimeError(f"{name} expects at least a 1-dimensional tensor, got {input.aval}")
    return axis


@both
def narrow(input: Tensor, dim: int, start: Dim | Tensor, length: Dim) -> Tensor:
    """``length`` elements from ``start`` along ``dim``."""
    axis = _axis("narrow", input, dim)
    size = input.aval.shape[axis]
    if isinstance(start, Tensor):
        if not isinstance(world(), Eager) and start.aval.size == 1:
            return _window(input, axis, start, dim_of(length))
        start = int(elements(start, "narrow() from a tensor").item())
    given, length = dim_of(start), dim_of(length)
    if isinstance(size, int) and isinstance(given, int) and not -size <= given <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {given})"
        )
    start = _start(given, size)
    if not (isinstance(size, int) or is_nonnegative(size - start - length)):
        # Slices are clipped where the size is too small; pieces are counted.
        return ops.split(input, (start, length, size - start - length), axis)[1]
    starts, sizes = list[Dim]([0] * input.ndim), list(input.aval.shape)
    starts[axis], sizes[axis] = start, length
    found = ops.slice(input, tuple(starts), tuple(sizes), (1,) * input.ndim)
    return viewed(found, input)


def _window(input: Tensor, axis: int, start: Tensor, length: Dim) -> Tensor:
    """From a place that only the graph knows: a copy, which nobody may write to as to a view."""
    size = input.aval.shape[axis]
    first = start.reshape(()).to(int64)
    first = ops.where(first < 0, first + size_of(size), first)
    first = ops.where(first < 0, size_of(size), first)  # out of range, as it was
    found: Tensor = ops.take(input, first + ops.iota(int64, (length,), 0, first), axis)
    world().apart(found)
    return found


def _start(start: Dim, size: Dim) -> Dim:
    """The place that ``start`` names, negative numbers counted from the end."""
    return start + size if is_nonnegative(-1 - start) else start


@both
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice ``index`` of ``dim``, which goes away."""
    axis = normalize_axis(dim, input.ndim, "select")
    return input[(slice(None),) * axis + (index,)]


@function
def split(
    tensor: Tensor, split_size_or_sections: Dim | Sequence[Dim], dim: int = 0
) -> tuple[Tensor, ...]:
    """``tensor.split(split_size_or_sections, dim)``."""
    return tensor.split(split_size_or_sections, dim)


@method.named("split")
def split_method(
    input: Tensor, split_size: Dim | Sequence[Dim], dim: int = 0
) -> tuple[Tensor, ...]:
    """Parts of ``split_size`` (the last may be smaller), or of the sizes listed."""
    axis = _axis("split", input, dim)
    total = input.aval.shape[axis]
    if isinstance(split_size, Sequence):
        parts = dims_of(split_size)
    elif isinstance(total, SymDim) or not isinstance(split_size, int):
        parts = _equal_parts(total, dim_of(split_size))
    else:
        if split_size < 0 or (split_size == 0 and total):
            raise RuntimeError(
                f"split_size can only be 0 if dimension size is 0, but got "
                f"{split_size} for a dimension of {total}"
            )
        split_size = max(split_size, 1)
        parts = tuple(min(split_size, total - i) for i in range(0, total, split_size)) or (0,)
    if sum(parts) != total:
        raise RuntimeError(
            f"split expects sizes that sum to {total} in dimension {dim}, got "
            f"[{', '.join(map(str, parts))}]"
        )
    return cast("tuple[Tensor, ...]", tuple(ops.split(input, parts, axis)))


def _equal_parts(total: Dim, size: Dim) -> tuple[Dim, ...]:
    """As many parts as there are, where their number is the same for all sizes."""
    try:
        count = floordiv(total, size)
    except (ValueError, ZeroDivisionError):
        count = total
    if isinstance(count, int) and count * size == total:
        return (size,) * count
    raise size_is_unknown(
        f"the number of parts of split({size}) (sizes in a list that add up to {total}, or "
        "tensor_split, give as many for all sizes)",
        cast("SymDim", total),
    )


@both
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` parts of equal size (the last may be smaller)."""
    axis = _axis("chunk", input, dim)
    total = input.aval.shape[axis]
    if chunks < 1:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    if isinstance(total, SymDim):
        size = floordiv(total, chunks)
        if size * chunks != total:
            raise size_is_unknown(f"the number of parts of chunk({chunks})", total)
        return input.split([size] * chunks, dim)
    if not total:
        return input.split([0] * chunks, dim)
    return input.split(-(-total // chunks), dim)


@both
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along ``dim``."""
    axis = normalize_axis(dim, input.ndim, "unbind")
    if not input.ndim:
        raise IndexError("unbind: dimension specified as 0 but tensor has no dimensions")
    return tuple(input.select(axis, i) for i in range(int(cast("int", input.aval.shape[axis]))))


@both
def tensor_split(
    input: Tensor, indices_or_sections: int | Sequence[Dim] | Tensor, dim: int = 0
) -> tuple[Tensor, ...]:
    """Nearly equal parts, or parts that end at the indices.

    Raises:
        RuntimeError: for less than one part.
    """
    axis = _axis("tensor_split", input, dim)
    total = input.aval.shape[axis]
    places: Any = indices_or_sections
    if isinstance(places, Tensor):
        places = elements(places, "tensor_split(tensor)").tolist()
    if isinstance(places, int):
        if places <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {places}")
        sizes = [floordiv(total + i, places) for i in range(places)]
        ends = list(accumulate(reversed(sizes)))
        ends[-1:] = [total]  # as their sum is, which needs a proof where it is symbolic
        return _between(input, axis, [0, *ends])
    parts = (slice(*pair) for pair in pairwise([None, *places, None]))
    return tuple(input[(slice(None),) * axis + (part,)] for part in parts)


def _between(input: Tensor, axis: int, bounds: Sequence[Dim]) -> tuple[Tensor, ...]:
    """The parts from each place to the next."""
    parts = (ops.slice_axis(input, axis, a, b - a) for a, b in pairwise(bounds))
    return tuple(viewed(part, input) for part in parts)


def _split_evenly(
    name: str, input: Tensor, indices_or_sections: int | Sequence[int], dim: int, rank: int
) -> tuple[Tensor, ...]:
    """``tensor_split`` along a dimension that a number of parts has to divide."""
    if input.ndim < rank:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {rank} dimension, but got a tensor "
            f"with {input.ndim} dimensions!"
        )
    size = input.aval.shape[dim]
    parts = indices_or_sections
    if isinstance(parts, int) and isinstance(size, int) and (parts <= 0 or size % parts):
        raise RuntimeError(
            f"torch.{name} attempted to split along dimension {dim}, but the size of the "
            f"dimension {size} is not divisible by the split_size {parts}!"
        )
    return input.tensor_split(parts, dim)


@both
def hsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Equal parts of the columns (of a vector, of its elements), or parts that end at indices."""
    return _split_evenly("hsplit", input, indices_or_sections, int(input.ndim > 1), 1)


@both
def vsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Equal parts of the rows, or parts that end at indices."""
    return _split_evenly("vsplit", input, indices_or_sections, 0, 2)


@both
def dsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Equal parts of the third dimension, or parts that end at indices."""
    return _split_evenly("dsplit", input, indices_or_sections, 2, 3)


@both
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of the sizes listed."""
    return input.split(list(split_sizes), dim)


@both
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The elements ``[i, i + offset]`` of two dimensions, as the last dimension: a view."""
    a, b = (normalize_axis(d, input.ndim, "diagonal") for d in (dim1, dim2))
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    rest = [d for d in range(input.ndim) if d not in (a, b)]
    rows, columns = (int(cast("int", input.aval.shape[d])) for d in (a, b))
    count = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
    starts = [0] * input.ndim
    if count:
        starts[a], starts[b] = max(-offset, 0), max(offset, 0)
    steps = [[int(d == k) for d in range(input.ndim)] for k in rest]
    shape = (*(input.aval.shape[d] for d in rest), count)
    return ops.strided(
        input, shape, starts, [*steps, [int(d in (a, b)) for d in range(input.ndim)]]
    )


@both
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """A copy with a diagonal replaced by ``src``."""
    copy = input.clone()
    shown = copy.diagonal(offset, dim1, dim2)
    if shown.aval.shape != src.aval.shape:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. "
            f"src size = {list(src.shape)}, slice size = {list(shown.shape)}"
        )
    shown.copy_(src)
    return copy


@both
def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The matrix with this vector as diagonal, or a copy of this matrix's diagonal."""
    if input.ndim == 2:
        return input.diagonal(diagonal).clone()
    if input.ndim != 1:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return input.diag_embed(diagonal)


@both
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices (the dimensions ``dim1``, ``dim2``) with the last dimension as diagonal."""
    rows, columns = (normalize_axis(d, input.ndim + 1, "diag_embed") for d in (dim1, dim2))
    if rows == columns:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    size = int(cast("int", input.aval.shape[-1]))
    side = size + abs(offset)
    places = np.arange(size) * (side + 1) + (offset if offset >= 0 else -offset * side)
    lead = input.aval.shape[:-1]
    empty = ops.full(0, input.dtype, (*lead, side * side), input)
    index = ops.constant(places.astype(np.int64), input)
    filled = ops.scatter_slices(empty, index, input, len(lead), "none")
    square = filled.reshape(*lead, side, side)
    return square.movedim((-2, -1), (rows, columns))
