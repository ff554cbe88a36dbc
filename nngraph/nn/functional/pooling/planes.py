"""Maxima over windows of any places of flattened planes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from nngraph import ops
from nngraph.frontend.tensor import Tensor

__all__ = ["flat", "flat_places", "need_elements", "taken", "window_maxima"]


def flat(x: Tensor) -> Tensor:
    """``[N, C, *S]`` as ``[N, C, product of S]``."""
    return x.reshape(*x.aval.shape[:2], math.prod(cast("tuple[int, ...]", x.aval.shape[2:])))


def taken(x: Tensor, places: Tensor) -> Tensor:
    """The elements of ``x[N, C, *S]`` at flat places ``[N, C, *O]`` of its planes."""
    found = flat(x).gather(2, flat(places))
    return found.reshape(*places.aval.shape)


def flat_places(lines: Sequence[Tensor | np.ndarray], sizes: Sequence[int]) -> Tensor | np.ndarray:
    """Places along each axis, which broadcast, as places in the flattened plane."""
    place = lines[0]
    for line, size in zip(lines[1:], sizes[1:], strict=True):
        place = place * size + line
    return place


def window_maxima(x: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """The maximum of each window and its flat place: ``[N, C, *O]`` both.

    Args:
        x: ``[N, C, *S]``.
        places: ``[N or 1, C or 1, *O, K]``: what each of the windows reads; places may repeat.
    """
    lead = x.aval.shape[:2]
    spread = places.expand(*lead, *places.aval.shape[2:])
    if places.aval.shape[:2] == (1, 1):
        lines = ops.take(flat(x.detach()), places.reshape(-1), 2)
        values = lines.reshape(*spread.aval.shape)
    else:
        values = taken(x.detach(), spread)
    best = values.argmax(-1, keepdim=True)
    found = spread.gather(-1, best).squeeze(-1)
    return taken(x, found), found


def need_elements(name: str, input: Tensor, from_axis: int = 1) -> None:
    """Refuses planes of nothing.

    Raises:
        RuntimeError: if an axis from ``from_axis`` on is empty.
    """
    if any(size == 0 for size in input.aval.shape[from_axis:]):
        raise RuntimeError(
            f"{name}: Expected input to have non-zero size for non-batch dimensions, "
            f"but got {list(input.shape)}"
        )
