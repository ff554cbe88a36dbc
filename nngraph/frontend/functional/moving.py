"""Moving and repeating elements: orders of dimensions, flips, rolls, tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, overload

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.access import elements, owned, viewed
from nngraph.frontend.functional.axes import listed, sizes_of
from nngraph.frontend.functional.creation import arange
from nngraph.frontend.functional.variants import attribute, both, method
from nngraph.frontend.symint import SymInt, dim_of, dims_of, size_of, sym_max
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dims import Dim, SymDim
from nngraph.ops.core import normalize_axis

# fmt: off
__all__ = [
    "adjoint", "flip", "fliplr", "flipud", "moveaxis", "movedim", "permute", "repeat_interleave",
    "roll", "swapaxes", "swapdims", "t", "tile", "transpose",
]
# fmt: on


@overload
def permute(input: Tensor, dims: Sequence[int]) -> Tensor: ...
@overload
def permute(input: Tensor, *dims: int) -> Tensor: ...
@both.overloaded
def permute(input: Tensor, *dims: Any) -> Tensor:
    """The dimensions in the order named: a view."""
    if len(listed(dims)) != input.ndim:
        raise RuntimeError(f"permute(dims): {list(dims)} for {input.ndim} dimensions, {input.aval}")
    perm = tuple(normalize_axis(d, input.ndim, "permute") for d in listed(dims))
    if sorted(perm) != list(range(input.ndim)):
        raise RuntimeError(
            f"permute(dims): {list(dims)} does not name every dimension of {input.aval} once"
        )
    return ops.transpose(input, perm)


@both
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged: a view."""
    perm = list(range(input.ndim))
    a, b = (normalize_axis(d, input.ndim, "transpose") for d in (dim0, dim1))
    if input.ndim:
        perm[a], perm[b] = perm[b], perm[a]
    return ops.transpose(input, tuple(perm))


@both
def t(input: Tensor) -> Tensor:
    """A matrix transposed; vectors as they are."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but input is {input.ndim}D")
    return input.transpose(0, 1) if input.ndim == 2 else viewed(input, input)


@attribute
def T(input: Tensor) -> Tensor:
    """All dimensions in reverse order."""
    return input.permute(*reversed(range(input.ndim)))


@attribute
def mT(input: Tensor) -> Tensor:
    """Matrices transposed; a number as it is."""
    if not input.ndim:
        return input
    if input.ndim < 2:
        raise RuntimeError(
            "tensor.mT is only supported on matrices or batches of matrices. "
            f"Got {input.ndim}-D tensor."
        )
    return input.transpose(-2, -1)


@both
def adjoint(input: Tensor) -> Tensor:
    """Matrices transposed (and conjugated, which leaves real numbers as they are)."""
    return input.transpose(-2, -1) if input.ndim > 1 else input.mT


@attribute
def mH(input: Tensor) -> Tensor:
    """``adjoint()``."""
    return input.adjoint()


@attribute
def H(input: Tensor) -> Tensor:
    """A matrix transposed (and conjugated); a number as it is."""
    if input.ndim not in (0, 2):
        raise RuntimeError(
            "tensor.H is only supported on matrices (2-D tensors). "
            f"Got {input.ndim}-D tensor. For batches of matrices, consider using tensor.mH"
        )
    return input.t() if input.ndim else input


@both
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """``transpose``."""
    return input.transpose(axis0, axis1)


@both
def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Moves dimensions to other places; the rest keep their order."""
    sources, places = ([d] if isinstance(d, int) else list(d) for d in (source, destination))
    here = [normalize_axis(d, input.ndim, "movedim") for d in sources]
    there = [normalize_axis(d, input.ndim, "movedim") for d in places]
    if len(here) != len(there) or len({*here}) != len(here) or len({*there}) != len(there):
        raise RuntimeError(
            f"movedim: source {source} and destination {destination} must name "
            "as many dimensions, each once"
        )
    if not input.ndim:  # its one position is no dimension that could move
        return viewed(input, input)
    order = [a for a in range(input.ndim) if a not in here]
    for place, axis in sorted(zip(there, here, strict=True)):
        order.insert(place, axis)
    return input.permute(*order)


@overload
def flip(input: Tensor, dims: int | Sequence[int]) -> Tensor: ...
@overload
def flip(input: Tensor, *dims: int) -> Tensor: ...
@both.overloaded
def flip(input: Tensor, *dims: Any) -> Tensor:
    """Reverses the order along dimensions."""
    axes = tuple(sorted(normalize_axis(d, input.ndim, "flip") for d in listed(dims)))
    axes = axes if input.ndim else ()
    if len(set(axes)) != len(axes):
        raise RuntimeError(f"flip: a dim appears multiple times in {list(dims)}")
    return ops.flip(input, axes)


@both
def fliplr(input: Tensor) -> Tensor:
    """The second dimension in reverse order."""
    if input.ndim < 2:
        raise RuntimeError(f"fliplr: the input must be at least 2-d, got {input.aval}")
    return input.flip(1)


@both
def flipud(input: Tensor) -> Tensor:
    """The first dimension in reverse order."""
    if not input.ndim:
        raise RuntimeError(f"flipud: the input must be at least 1-d, got {input.aval}")
    return input.flip(0)


@both
def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] = ()) -> Tensor:
    """Moves elements round; without ``dims`` the flattened tensor is rolled."""
    if not isinstance(dims, int) and not dims:
        return input.flatten().roll(shifts, 0).reshape(input.aval.shape)
    steps = dims_of((shifts,) if isinstance(shifts, int | SymInt) else shifts)
    axes = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(steps) != len(axes):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(steps)}, dims: {len(axes)}"
        )
    if input.aval.size == 0:  # nothing moves, along whatever
        return input.clone()
    named = tuple(normalize_axis(d, input.ndim, "roll") for d in axes)
    if not input.ndim:
        raise IndexError(f"roll: dimension {axes[0]} of a tensor without dimensions")
    out = input
    for step, axis in zip(steps, named, strict=True):
        size = out.aval.shape[axis] if out.ndim else 1
        if isinstance(size, int) and isinstance(step, int):
            out = ops.roll(out, step, axis)
        else:  # how often the shift goes round is known only in a run
            places = (arange(size_of(size)) - size_of(step)) % sym_max(size_of(size), 1)
            out = ops.take(out, places, axis)
    return owned(out, input)


@overload
def repeat(input: Tensor, repeats: Sequence[Dim]) -> Tensor: ...
@overload
def repeat(input: Tensor, *repeats: Dim) -> Tensor: ...
@method.overloaded
def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """Tiles the tensor ``repeats[i]`` times along dimension i."""
    counts = sizes_of(repeats)
    if len(counts) < input.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number "
            "of dimensions of tensor"
        )
    full = (1,) * (len(counts) - input.ndim) + tuple(input.aval.shape)
    if not any(isinstance(d, SymDim) for d in counts):
        return ops.tile(input.reshape(full), cast("tuple[int, ...]", counts))
    ones = input.reshape([d for size in full for d in (1, size)])
    wide = ones.expand([d for pair in zip(counts, full, strict=True) for d in pair])
    return owned(wide.reshape([a * b for a, b in zip(counts, full, strict=True)]), input)


@overload
def tile(input: Tensor, dims: Sequence[int]) -> Tensor: ...
@overload
def tile(input: Tensor, *dims: int) -> Tensor: ...
@both.overloaded
def tile(input: Tensor, *dims: Any) -> Tensor:
    """``repeat`` that adds ones to ``dims`` on the left where there are too few."""
    counts = sizes_of(dims)
    return input.repeat(*(1,) * (input.ndim - len(counts)), *counts)


@both
def repeat_interleave(
    input: Tensor, repeats: Dim | Tensor, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element ``repeats`` times in a row (a tensor of counts: eager only).

    Args:
        output_size: what the counts add up to, if it is given.

    Raises:
        RuntimeError: if a count is negative or no integer, or their number or sum does not fit.
    """
    if dim is None:
        return input.flatten().repeat_interleave(repeats, 0, output_size=output_size)
    axis = normalize_axis(dim, input.ndim)
    if isinstance(repeats, Tensor):
        counts = _counts(input, repeats, axis, output_size)
        places = np.repeat(np.arange(input.aval.static_shape[axis]), counts)
        return ops.take(input, ops.constant(places.astype(np.int64), input), axis)
    if isinstance(repeats, int) and repeats < 0:
        raise RuntimeError("Repeats must be non-negative")
    x, shape = input.unsqueeze(axis + 1), list(input.aval.shape)
    wide = x.expand(*shape[: axis + 1], dim_of(repeats), *shape[axis + 1 :])
    return owned(wide.flatten(axis, axis + 1))


def _counts(input: Tensor, repeats: Tensor, axis: int, total: int | None) -> Any:
    counts = elements(repeats, "repeat_interleave(tensor)")
    size = input.aval.static_shape[axis]
    if not repeats.dtype.is_integer:
        raise RuntimeError(f'"repeat_interleave_cpu" not implemented for {repeats.dtype.name}')
    if counts.ndim > 1 or (counts.ndim and counts.size not in (1, size)):
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got "
            f"repeats.size(0) = {counts.size} and input.size({axis}) = {size}"
        )
    if counts.size and counts.min() < 0:
        raise RuntimeError("repeats can not be negative")
    if total is not None and np.broadcast_to(counts.reshape(-1), (size,)).sum() != total:
        raise RuntimeError("allocated size does not match required size")
    return counts


swapdims, moveaxis = transpose, movedim
