"""Where elements are: on the CPU, in memory of this process or in memory that several share."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import numpy as np

from nngraph.frontend.devices import NO_DEVICE, need_cpu, refuse_device, strided
from nngraph.frontend.devices import device as Device
from nngraph.frontend.functional.variants import attribute, both, method
from nngraph.frontend.storage import Elements
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world

__all__ = ["get_device"]

_shared = WeakSet[Elements]()


@method
def cpu(input: Tensor, memory_format: object = None) -> Tensor:
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
    need_cpu(device)
    refuse_device(Device("cuda"))


@method
def xpu(
    input: Tensor, device: object = None, non_blocking: bool = False, memory_format: object = None
) -> Tensor:
    """Refused, as ``cuda()`` is.

    Raises:
        AssertionError: always.
    """
    need_cpu(device)
    refuse_device(Device("xpu"))


@both
def get_device(input: Tensor) -> int:
    """-1: the number of the CPU."""
    return -1


@method
def pin_memory(input: Tensor, device: object = None) -> Tensor:
    """Refused: pinned memory is for copies to an accelerator.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError(f"pin_memory(): {NO_DEVICE} Leave it out")


@method
def is_pinned(input: Tensor, device: object = None) -> bool:
    """False: there is no accelerator for which memory would be pinned."""
    return False


@attribute
def layout(input: Tensor) -> Any:
    """``ng.strided``: tensors store all elements."""
    return strided


@attribute
def is_cpu(input: Tensor) -> bool:
    """True: tensors are on the CPU."""
    return True


def _elsewhere(name: str, where: str) -> Callable[[Tensor], bool]:
    def found(input: Tensor) -> bool:
        return False

    found.__name__ = found.__qualname__ = name
    found.__doc__ = f"False: {where}."
    return attribute.named(name)(found)


_CPU = "tensors are on the CPU, whatever device a compiled function keeps its state on"
_KINDS = {f"is_{n}": _CPU for n in ("cuda", "ipu", "maia", "mps", "mtia", "vulkan", "xla", "xpu")}
_KINDS |= {
    "is_meta": "tensors have elements",
    "is_mkldnn": "a backend chooses the layouts that its kernels want",
    "is_nested": "a tensor has one size along each axis",
    "is_quantized": "there are no quantized element types",
    "is_sparse_csr": "tensors store all elements",
}
globals().update({name: _elsewhere(name, why) for name, why in _KINDS.items()})


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
