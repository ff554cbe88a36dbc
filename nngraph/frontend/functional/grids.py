"""Tensors laid out by a rule: powers, pairs of indices, products, blocks, and joins of several."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.functional.creation import arange, linspace
from nngraph.frontend.functional.data import from_array
from nngraph.frontend.functional.joining import atleast_3d, cat, meshgrid, stack, vstack
from nngraph.frontend.functional.kinds import need_numbers
from nngraph.frontend.functional.variants import both, function
from nngraph.frontend.promotion import promote_types, promoted
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType, float64, int32, int64
from nngraph.ops.core import normalize_axis

# fmt: off
__all__ = [
    "block_diag", "cartesian_prod", "column_stack", "combinations", "diagflat", "dstack", "kron",
    "logspace", "rot90", "row_stack", "tril_indices", "triu_indices", "unravel_index", "vander",
]
# fmt: on


def powers_of(x: Tensor, count: int) -> Tensor:
    """The powers 0 to ``count - 1`` of each element, along a new last dimension."""
    x = x if x.dtype.is_floating_point else x.long()
    return x.unsqueeze(-1).pow(arange(count, dtype=x.dtype))


@function
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of the elements of a vector in rows of N, the highest first unless increasing.

    Raises:
        RuntimeError: for other than one dimension, and a negative N.
    """
    if x.ndim != 1:
        raise RuntimeError(f"x must be a one-dimensional tensor, got {x.aval}.")
    if N is not None and N < 0:
        raise RuntimeError(f"N must be non-negative, got {N}.")
    found = powers_of(x, x.shape[0] if N is None else N)
    return found if increasing else found.flip(-1)


@function
def column_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joins tensors along axis 1; vectors become columns."""
    return cat([x if x.ndim > 1 else x.reshape(x.numel(), 1) for x in tensors], 1)


@function
def row_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """``vstack``."""
    return vstack(tensors)


@function
def dstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joins tensors along axis 2, after ``atleast_3d``."""
    return cat([atleast_3d(x) for x in tensors], 2)


@both
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by 90 degrees ``k`` times, from the first of the dimensions to the second.

    Raises:
        RuntimeError: for other than two different dimensions.
    """
    if len(dims) != 2:
        raise RuntimeError(
            f"expected total rotation dims == 2, but got dims = {len(dims)}; write dims=(0, 1)"
        )
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    first, second = (normalize_axis(d, input.ndim, "rot90") for d in dims)
    if first == second:
        raise RuntimeError(f"expected rotation dims to be different, but got {list(dims)}")
    turns = k % 4
    if turns == 2:
        return input.flip(first, second)
    if turns == 0:
        return input.clone()
    turned = input.flip(second if turns == 1 else first)
    return turned.transpose(first, second).clone()


@both
def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Each element of ``input`` times all of ``other``, as blocks."""
    a, b = promoted(input, other)
    rank = max(a.ndim, b.ndim)
    left = [1] * (rank - a.ndim) + list(a.shape)
    right = [1] * (rank - b.ndim) + list(b.shape)
    spread = a.reshape([n for size in left for n in (size, 1)])
    blocks = spread * b.reshape([n for size in right for n in (1, size)])
    return blocks.reshape([m * n for m, n in zip(left, right, strict=True)])


def _indices(rows: Any, columns: Any, dtype: DType | None) -> Tensor:
    dtype = dtype or int64
    if dtype not in (int32, int64):
        raise RuntimeError(f"indices are int32 or int64, not {dtype.name}")
    return from_array(np.stack([rows, columns]).astype(dtype.numpy))


def _need_sizes(name: str, row: int, col: int) -> None:
    if row < 0 or col < 0:
        raise RuntimeError(f"{name}: row and col must be non-negative, got {row} and {col}")


@function
def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Rows and columns, ``[2, N]``, of what ``tril`` keeps of a matrix."""
    _need_sizes("tril_indices", row, col)
    return _indices(*np.tril_indices(row, offset, col), dtype)


@function
def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Rows and columns, ``[2, N]``, of what ``triu`` keeps of a matrix."""
    _need_sizes("triu_indices", row, col)
    return _indices(*np.triu_indices(row, offset, col), dtype)


@function
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All choices of one element of each vector, as rows."""
    for x in tensors:
        if x.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got {x.aval}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([grid.flatten() for grid in meshgrid(*tensors, indexing="ij")], 1)


@function
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of ``r`` elements of a vector, as rows, in the order of ``itertools``."""
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty(0)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(int(cast("int", input.shape[0]))), r))
    places = np.asarray(rows, np.int64).reshape(-1, r)
    return input[from_array(places)]


@function
def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along the diagonal of one that is zero elsewhere; vectors are rows.

    Raises:
        RuntimeError: for more than two dimensions.
    """
    for position, x in enumerate(tensors):
        if x.ndim > 2:
            raise RuntimeError(
                f"block_diag: Input tensors must have 2 or fewer dimensions. Input {position} has "
                f"{x.ndim} dimensions"
            )
    if not tensors:
        return arange(0.0).reshape(1, 0)
    kind = tensors[0].dtype
    for x in tensors:
        kind = promote_types(kind, x.dtype)
    blocks = [(x if x.ndim == 2 else x.reshape(1, -1)).to(kind) for x in tensors]
    width = sum(x.shape[1] for x in blocks)
    rows, start = [], 0
    for x in blocks:
        height, size = x.shape
        after = width - start - size
        rows.append(cat([x.new_zeros(height, start), x, x.new_zeros(height, after)], 1))
        start += size
    return cat(rows, 0)


@both
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix whose diagonal is the elements."""
    return input.flatten().diag_embed(offset)


@function
def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``base`` to the powers that ``linspace`` gives."""
    need_numbers("logspace", dtype or default_dtype())
    powers = linspace(start, end, steps, dtype=float64)
    found = (powers * 0 + float(base)).pow(powers).to(dtype or default_dtype())
    return found.requires_grad_(requires_grad)


@function
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The indices by dimension of places in a flattened tensor of that shape.

    Raises:
        TypeError: for indices of floats.
    """
    if indices.dtype.is_floating_point:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype.name}")
    need_numbers("unravel_index", indices.dtype)
    sizes = [shape] if isinstance(shape, int) else list(shape)
    found, rest = [], indices
    for size in reversed(sizes):
        found.append(rest.remainder(size))
        rest = rest.div(size, rounding_mode="floor")
    return tuple(reversed(found))
