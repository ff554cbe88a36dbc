"""Elements put at flat places, slices reduced by index, places of what is not zero."""

from __future__ import annotations

from nngraph import ops
from nngraph.frontend.functional.creation import arange
from nngraph.frontend.functional.joining import stack
from nngraph.frontend.functional.variants import both, everywhere
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dims import Dim
from nngraph.ops.core import normalize_axis

__all__ = ["index_reduce", "narrow_copy", "nonzero_static", "put"]


@everywhere
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with the elements of ``source`` at places of the flattened tensor, or added there.

    Raises:
        RuntimeError: for another dtype.
        IndexError: for another number of elements than places.
    """
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{input.dtype.name} and source.dtype = {source.dtype.name}"
        )
    if index.dtype.is_floating_point or index.numel() != source.numel():
        raise IndexError(
            "put_(): expected an int64 index and a source of as many elements, got "
            f"{index.aval} and {source.aval}"
        )
    flat = input.reshape(-1).index_put((index.reshape(-1),), source.reshape(-1), accumulate)
    return flat.reshape(input.aval.shape)


@everywhere
def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:
    """Reduces slices of ``source`` into the places of ``dim`` named by ``index``.

    Args:
        input: the tensor.
        dim: along which.
        index: a vector of places.
        source: a slice for each of them.
        reduce: ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.
        include_self: whether the elements of ``input`` at the places take part.
        out: where to write.
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got "
            f"{reduce}."
        )
    if index.ndim > 1:
        raise IndexError(f"index_reduce_(): Index is supposed to be a vector, got {index.aval}")
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "index_reduce(): self and source expected to have the same dtype, but got "
            f"{input.dtype.name} and {source.dtype.name}"
        )
    axis = normalize_axis(dim, input.ndim, "index_reduce")
    shape = [-1 if a == axis else 1 for a in range(max(source.ndim, 1))]
    count = source.shape[axis] if source.ndim else 1
    if index.numel() != count:
        raise RuntimeError(
            f"index_reduce(): Number of indices ({index.numel()}) should be equal to "
            f"source.size(dim): ({count}), for dim: {dim}"
        )
    places = ops.from_start(index.long(), "index_reduce").reshape(shape).expand(*source.shape)
    return input.scatter_reduce(axis, places, source, reduce, include_self=include_self)


@both
def narrow_copy(
    input: Tensor, dim: int, start: Dim, length: Dim, *, out: Tensor | None = None
) -> Tensor:
    """``narrow`` with memory of its own."""
    return input.narrow(dim, start, length).clone()


@both
def nonzero_static(
    input: Tensor, *, size: int, fill_value: int = -1, out: Tensor | None = None
) -> Tensor:
    """The places of the first ``size`` elements that are not 0, ``[size, rank]``; then the filler.

    Raises:
        RuntimeError: for a negative size.
    """
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be a non-negative integer, got {size}")
    if not input.ndim:
        return arange(0).reshape(1, 0).expand(size, 0)
    flat = input.detach().reshape(-1).ne(0)
    order = flat.logical_not().to(arange(0).dtype).argsort(stable=True)
    missing = max(size - flat.shape[0], 0)
    order = (
        order[:size]
        if not missing
        else order.new_zeros(size).slice_scatter(order, 0, 0, flat.shape[0])
    )
    rows, rest = [], order
    for count in reversed(input.shape):
        rows.append(rest.remainder(max(count, 1)))
        rest = rest.div(max(count, 1), rounding_mode="floor")
    found = stack(rows[::-1], 1)
    return found.masked_fill(arange(size).ge(flat.sum()).unsqueeze(1), fill_value)
