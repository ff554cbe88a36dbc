"""Products and powers of matrices, and matrices of powers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from nngraph.frontend.functional.grids import powers_of
from nngraph.frontend.functional.joining import broadcast_shapes
from nngraph.frontend.functional.kinds import need_numbers
from nngraph.frontend.functional.variants import function
from nngraph.frontend.tensor import Tensor

__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_exp",
    "matrix_power",
    "multi_dot",
    "vander",
    "vecdot",
]


@function
def matmul(A: Tensor, B: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``ng.matmul``."""
    return A.matmul(B)


@function
def matrix_power(A: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """The product of ``n`` times the matrix; of -n times its inverse if n is negative."""
    return A.matrix_power(n)


@function
def matrix_exp(A: Tensor) -> Tensor:
    """The sum of ``A^k / k!``."""
    return A.matrix_exp()


@function
def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of the last two dimensions (a view)."""
    return A.diagonal(offset, dim1, dim2)


@function
def cross(input: Tensor, other: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """Vector products along a dimension of size 3; the others broadcast."""
    if input.ndim != other.ndim:
        raise RuntimeError(
            "linalg.cross: inputs must have the same number of dimensions, got "
            f"{input.aval} and {other.aval}."
        )
    shape = broadcast_shapes(input.aval.shape, other.aval.shape)
    return input.expand(*shape).cross(other.expand(*shape), dim)


@function
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """Sums of products along a dimension; the others broadcast."""
    if not x.dtype.is_floating_point:
        raise RuntimeError(
            f"linalg.vecdot: Expected a floating point tensor as input. Got {x.dtype.name}"
        )
    if x.dtype is not y.dtype:
        raise RuntimeError(
            "linalg.vecdot: Expected x and y to have the same dtype, but found x of type "
            f"{x.dtype.name} and y of type {y.dtype.name} instead"
        )
    return (x * y).sum(dim)


@function
def vander(x: Tensor, N: int | None = None) -> Tensor:
    """The powers 0 to N - 1 of each element, along a new last dimension."""
    need_numbers("linalg.vander", x.dtype)
    count = x.shape[-1] if N is None else N
    if N is not None and N <= 1:
        raise RuntimeError(f"N must be greater than 1, got {N}.")
    return powers_of(x, count)


@function
def multi_dot(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The product of matrices in the order of the least work; the ends may be vectors.

    Raises:
        RuntimeError: for less than two, or sizes that do not fit.
    """
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    first, last = tensors[0].ndim == 1, tensors[-1].ndim == 1
    chain = list(tensors)
    chain[0] = chain[0].unsqueeze(0) if first else chain[0]
    chain[-1] = chain[-1].unsqueeze(-1) if last else chain[-1]
    for k, matrix in enumerate(chain):
        if matrix.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {k} must be 2D but got {tensors[k].ndim}D")
    for k, (a, b) in enumerate(pairwise(chain)):
        if a.aval.shape[1] != b.aval.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {k} and {k + 1} with shapes {list(tensors[k].shape)} and "
                f"{list(tensors[k + 1].shape)} cannot be multiplied"
            )
    found = _product(chain, _best_cuts([*(m.shape[0] for m in chain), chain[-1].shape[1]]))
    found = found.squeeze(-1) if last else found
    return found.squeeze(0) if first else found


def _best_cuts(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where to cut each part of the chain (dynamic programming)."""
    count = len(sizes) - 1
    work: dict[tuple[int, int], int] = {(i, i + 1): 0 for i in range(count)}
    cuts: dict[tuple[int, int], int] = {}
    for length in range(2, count + 1):
        for i in range(count - length + 1):
            j = i + length
            options = [
                (work[i, k] + work[k, j] + sizes[i] * sizes[k] * sizes[j], k)
                for k in range(i + 1, j)
            ]
            work[i, j], cuts[i, j] = min(options, key=lambda option: option[0])
    return cuts


def _product(chain: Sequence[Tensor], cuts: dict[tuple[int, int], int]) -> Tensor:
    def part(i: int, j: int) -> Tensor:
        if j == i + 1:
            return chain[i]
        k = cuts[i, j]
        return part(i, k) @ part(k, j)

    return part(0, len(chain))
