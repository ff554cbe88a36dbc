"""``ng.Tensor(...)``: PyTorch's constructor of old."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.functional.creation import zeros
from nngraph.frontend.functional.data import tensor
from nngraph.frontend.record import Handle
from nngraph.frontend.tensor import Size, Tensor

__all__: list[str] = []


def _made_of(arguments: Sequence[Any]) -> Tensor:
    """``ng.Tensor(data)`` and ``ng.Tensor(2, 3)``: float32 of the data, or of these sizes.

    Raises:
        TypeError: for what is neither.
        RuntimeError: for a negative size.
    """
    data = arguments[0] if arguments else None
    if isinstance(data, Tensor) and len(arguments) == 1:
        return data.detach()
    if isinstance(data, Size) or (arguments and all(isinstance(n, int) for n in arguments)):
        return zeros(*arguments)
    if len(arguments) == 1 and isinstance(data, list | tuple | np.ndarray):
        return tensor(data, default_dtype())
    raise TypeError(
        f"new(): data must be a sequence (got {type(data).__name__}), or all arguments sizes; "
        "ng.tensor(data) takes numbers, too"
    )


Handle._made_of = staticmethod(_made_of)
