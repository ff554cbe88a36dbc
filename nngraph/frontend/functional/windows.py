"""Views by strides: windows that slide along a dimension, and any places of the memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from nngraph import ops
from nngraph.frontend.functional.variants import both, method
from nngraph.frontend.tape import root_of
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.views import is_row_major, offset_of
from nngraph.frontend.world import world
from nngraph.ops.core import normalize_axis

__all__ = ["as_strided"]


@method
def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of ``size`` along a dimension, ``step`` apart, as the last dimension: a view.

    Raises:
        RuntimeError: if no window fits, or for a step that is not positive.
    """
    axis = normalize_axis(dimension, input.ndim, "unfold")
    x = input if input.ndim else input.reshape(1)
    length = int(cast("int", x.aval.shape[axis]))
    if not 0 <= size <= length:
        raise RuntimeError(
            f"maximum size for tensor at dimension {axis} is {length} but size is {size}"
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    shape = list(x.aval.shape)
    shape[axis] = (length - size) // step + 1
    steps = [[int(d == k) for d in range(x.ndim)] for k in range(x.ndim)]
    window = steps[axis]
    steps[axis] = [step * n for n in window]
    return ops.strided(
        x,
        [*shape, size] if input.ndim else [size],
        [0] * x.ndim,
        [*steps, window][-1 - input.ndim :],
    )


@both
def as_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """The elements of the tensor's memory at a distance of ``stride`` from each other: a view.

    Args:
        input: any tensor over the memory.
        size, stride: of the result, in elements.
        storage_offset: where it begins; left out, where ``input`` does.

    Raises:
        RuntimeError: if it leaves the memory, or this is not in the order of the indices.
    """
    if len(size) != len(stride):
        raise RuntimeError(f"mismatch in length of strides and shape: {len(stride)}, {len(size)}")
    if any(s < 0 for s in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported, got {list(stride)}")
    base = cast("Tensor", root_of(input))
    shape = base.aval.shape
    if not is_row_major(shape, world().strides(base._storage, None)):
        raise RuntimeError("as_strided: the memory is not contiguous; clone() the tensor first")
    first = offset_of(input._path, shape) if storage_offset is None else storage_offset
    return ops.strided(base.reshape(-1), tuple(size), (cast("int", first),), [(s,) for s in stride])
