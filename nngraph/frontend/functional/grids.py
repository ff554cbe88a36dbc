"""Tensors laid out by a rule: powers, index pairs, products and combinations of elements."""

from __future__ import annotations

from nngraph.frontend.functional.creation import arange
from nngraph.frontend.functional.variants import function
from nngraph.frontend.tensor import Tensor

__all__ = ["vander"]


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
        raise RuntimeError(f"x must be a one-dimensional tensor, got {x.type}.")
    if N is not None and N < 0:
        raise RuntimeError(f"N must be non-negative, got {N}.")
    found = powers_of(x, x.shape[0] if N is None else N)
    return found if increasing else found.flip(-1)
