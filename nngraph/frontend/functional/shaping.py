"""Shapes: other views of the same elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from nngraph import ops
from nngraph.frontend.errors import size_is_unknown
from nngraph.frontend.functional.access import is_view, viewed
from nngraph.frontend.functional.axes import sizes_of
from nngraph.frontend.functional.variants import both, method
from nngraph.frontend.symint import dims_of
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dims import Dim, SymDim, floordiv, is_nonnegative
from nngraph.ir.dtypes import DType
from nngraph.ops.core import normalize_axis

__all__ = ["broadcast_to", "flatten", "ravel", "reshape", "squeeze", "unflatten", "unsqueeze"]


def infer_size(shape: Sequence[Dim], total: Dim, kind: object) -> tuple[Dim, ...]:
    """Replaces one -1 by what is left of ``total`` elements.

    Raises:
        RuntimeError: if the shape does not hold ``total`` elements.
    """
    known: Dim = 1
    for d in shape:
        known = known if d == -1 else known * d
    holes = [i for i, d in enumerate(shape) if isinstance(d, int) and d == -1]
    if len(holes) > 1:
        raise RuntimeError("only one dimension can be inferred")
    wrong = RuntimeError(f"shape '[{', '.join(map(str, shape))}]' is invalid for input {kind}")
    if not holes:
        if known != total:
            raise wrong
        return tuple(shape)
    if known == 0 or (isinstance(known, int) and isinstance(total, int) and total % known):
        raise wrong
    try:
        rest = floordiv(total, known)
    except ValueError:
        raise wrong from None
    return tuple(rest if i == holes[0] else d for i, d in enumerate(shape))


@overload
def reshape(input: Tensor, shape: Sequence[Dim]) -> Tensor: ...
@overload
def reshape(input: Tensor, *shape: Dim) -> Tensor: ...
@both.overloaded
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The elements in another shape; -1 is what is left."""
    target = infer_size(sizes_of(shape), input.aval.size, input.aval)
    return viewed(ops.reshape(input, target), input)


@overload
def view(input: Tensor, size: Sequence[Dim]) -> Tensor: ...
@overload
def view(input: Tensor, *size: Dim) -> Tensor: ...
@overload
def view(input: Tensor, dtype: DType) -> Tensor: ...
@method.overloaded
def view(input: Tensor, *size: Any, dtype: DType | None = None) -> Tensor:
    """``reshape`` that never copies.

    Raises:
        RuntimeError: if the elements do not lie in memory as the shape needs; for another dtype
            than the tensor's, in which no graph reads bits.
    """
    kind = size[0] if len(size) == 1 and isinstance(size[0], DType) else dtype
    if kind is not None:
        if kind is not input.dtype:
            raise RuntimeError(
                f"view({kind.name}) of {input.aval} would read its bits as other numbers, which "
                f"nngraph cannot; x.to({kind.name}) converts numbers, and eager code may write "
                f"ng.from_numpy(x.numpy().view({kind.name!r}))"
            )
        size = input.aval.shape
    out = input.reshape(*size)
    if not is_view(out):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return out


@method
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """``view`` in the shape of ``other``."""
    return input.view(other.aval.shape)


@method
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """``reshape`` to the shape of ``other``."""
    return input.reshape(other.aval.shape)


@both
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Joins the dimensions from ``start_dim`` to ``end_dim``."""
    start, end = (normalize_axis(d, input.ndim or 1, "flatten") for d in (start_dim, end_dim))
    if not input.ndim:
        return input.reshape(1)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    middle: Dim = 1
    for d in input.aval.shape[start : end + 1]:
        middle = middle * d
    shape = (*input.aval.shape[:start], middle, *input.aval.shape[end + 1 :])
    return ops.reshape(input, shape)


@both
def ravel(input: Tensor) -> Tensor:
    """One dimension."""
    return input.reshape(-1)


@both
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension becomes several."""
    axis = normalize_axis(dim, input.ndim, "unflatten")
    if not input.ndim:
        raise RuntimeError(f"unflatten: dimension {dim} of a tensor without dimensions")
    shape = input.aval.shape
    parts = infer_size(dims_of(sizes), shape[axis], input.aval)
    return viewed(ops.reshape(input, (*shape[:axis], *parts, *shape[axis + 1 :])), input)


@both
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Removes dimensions of size 1 (those named, or all)."""
    named = range(input.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    drop = {normalize_axis(d, input.ndim, "squeeze") for d in named}
    if len(drop) != len(named):
        raise RuntimeError(f"squeeze: a dim appears multiple times in the list of dims {named}")
    for a, d in enumerate(input.aval.shape):
        if a in drop:
            _need_known(d, a)
    shape = [d for a, d in enumerate(input.aval.shape) if not (a in drop and d == 1)]
    return viewed(ops.reshape(input, tuple(shape)), input)


def _need_known(size: Dim, axis: int) -> None:
    """Refuses an axis that is dropped for some sizes and stays for others."""
    if isinstance(size, SymDim) and not is_nonnegative(size - 2):
        raise size_is_unknown(
            f"squeeze() of axis {axis} (name the axes of size 1, as in x.squeeze(1))", size
        )


@both
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Another dimension of size 1."""
    shape = list(input.aval.shape)
    shape.insert(normalize_axis(dim, input.ndim + 1, "unsqueeze"), 1)
    return ops.reshape(input, tuple(shape))


@overload
def expand(input: Tensor, size: Sequence[Dim]) -> Tensor: ...
@overload
def expand(input: Tensor, *size: Dim) -> Tensor: ...
@method.overloaded
def expand(input: Tensor, *size: Any) -> Tensor:
    """Repeats dimensions of size 1 without copying; -1 keeps a size."""
    wanted = sizes_of(size)
    lead = len(wanted) - input.ndim
    if lead < 0:
        raise RuntimeError(
            f"expand({list(wanted)}): the number of sizes provided "
            f"({len(wanted)}) must be greater or equal to the number of "
            f"dimensions in the tensor ({input.ndim})"
        )
    if any(isinstance(d, int) and d == -1 for d in wanted[:lead]):
        raise RuntimeError(
            f"The expanded size of the tensor (-1) isn't allowed in a leading, "
            f"non-existing dimension: {list(wanted)}"
        )
    shape = tuple(
        input.aval.shape[a - lead] if isinstance(d, int) and d == -1 else d
        for a, d in enumerate(wanted)
    )
    if shape == (*(1,) * lead, *input.aval.shape):  # nothing is repeated: it can be written to
        return viewed(ops.reshape(input, shape), input)
    return viewed(ops.broadcast_to(input, shape), input)


@both
def broadcast_to(input: Tensor, size: Sequence[Dim]) -> Tensor:
    """``expand``."""
    return input.expand(*size)


@method
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``expand`` to the shape of ``other``."""
    return input.expand(*other.aval.shape)
