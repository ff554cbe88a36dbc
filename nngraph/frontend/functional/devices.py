"""Where elements are: on the CPU, in memory of this process or in memory that several share."""

from __future__ import annotations

import mmap
from weakref import WeakSet

import numpy as np

from nngraph.frontend.functional.variants import method
from nngraph.frontend.storage import Elements
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world

__all__: list[str] = []

_shared = WeakSet[Elements]()


@method
def cpu(input: Tensor) -> Tensor:
    """The tensor itself: eager tensors are on the CPU."""
    return input


@method
def cuda(
    input: Tensor, device: object = None, non_blocking: bool = False, memory_format: object = None
) -> Tensor:
    """Refused: eager tensors are on the CPU.

    Raises:
        AssertionError: always.
    """
    return input.to("cuda")


@method
def share_memory_(input: Tensor) -> Tensor:
    """Moves the elements to memory that processes forked from this one share."""
    here, storage = world(), input._storage
    here.refuse("share_memory_() is called", "Call it outside of the compiled function.")
    before = storage.elements
    if before not in _shared:
        array = here.look(storage, None)
        memory = mmap.mmap(-1, max(array.nbytes, 1))
        moved = np.ndarray(array.shape, array.dtype, buffer=memory)
        np.copyto(moved, array)
        before.share()
        before.array = moved
        _shared.add(before)
    return input


@method
def is_shared(input: Tensor) -> bool:
    """Whether ``share_memory_`` moved the elements."""
    return input._storage.elements in _shared
