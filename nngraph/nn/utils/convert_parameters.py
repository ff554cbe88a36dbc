"""Parameters as one vector, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

from nngraph.frontend.functional.joining import cat
from nngraph.frontend.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements in one vector; gradients pass."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Overwrites the parameters with consecutive parts of a vector.

    Raises:
        TypeError: if ``vec`` is no tensor.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected nngraph.Tensor, but got: {type(vec).__name__}")
    start = 0
    for parameter in parameters:
        count = math.prod(cast("tuple[int, ...]", parameter.aval.shape))
        part = vec.detach().narrow(0, start, count).reshape(parameter.aval.shape)
        parameter.data = part.clone()
        start += count
