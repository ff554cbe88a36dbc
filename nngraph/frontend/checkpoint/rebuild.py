"""Tensors over the storages of a file: those that shared memory share it again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nngraph.frontend.checkpoint.kinds import KINDS
from nngraph.frontend.checkpoint.locations import Locations
from nngraph.frontend.devices import device
from nngraph.frontend.functional.data import from_array
from nngraph.frontend.functional.windows import as_strided
from nngraph.frontend.tensor import Size, Tensor
from nngraph.runtime.torchfile.values import Part, Stored

__all__ = ["Rebuilder"]


class Rebuilder:
    """Makes the values that a file of PyTorch's describes.

    Args:
        locations: what the user said of where storages go.
    """

    def __init__(self, locations: Locations) -> None:
        self._locations = locations
        self._bases: dict[Stored, Tensor] = {}

    def located(self, stored: Stored, location: str) -> None:
        """A storage that was at ``location`` is met."""
        self._locations.meet(location, stored.nbytes)

    def tensor(self, part: Part, requires_grad: bool) -> Tensor:
        """A tensor over a part of a storage."""
        return self._plain(part).requires_grad_(requires_grad)

    def _plain(self, part: Part) -> Tensor:
        if math.prod(part.size) == 0:
            return from_array(np.empty(part.size, part.dtype.numpy))
        base = self._bases.get(part.stored)
        if base is None:
            shape = part.size if part.is_whole else (-1,)
            base = self._bases[part.stored] = from_array(part.array.reshape(shape))
            if part.is_whole:
                return base
        alias = base.detach()
        if part.is_whole and part.size == alias.aval.shape:
            return alias
        return as_strided(alias, part.size, [max(s, 0) for s in part.stride], part.offset)

    def parameter(self, data: Tensor, requires_grad: bool) -> Tensor:
        """A parameter over a tensor."""
        needs = requires_grad and data.dtype.is_floating_point
        return KINDS["parameter"][1](data.detach(), needs)

    def buffer(self, data: Tensor, persistent: bool) -> Tensor:
        """A buffer over a tensor."""
        return KINDS["buffer"][1](data.detach(), persistent)

    def is_tensor(self, value: Any) -> bool:
        """Whether it is a tensor."""
        return isinstance(value, Tensor)

    def size(self, sizes: tuple[int, ...]) -> Size:
        """A shape."""
        return Size(sizes)

    def located_at(self, kind: str, index: int | None) -> device:
        """A device, as ``x.device`` names it."""
        return device(kind, index)
