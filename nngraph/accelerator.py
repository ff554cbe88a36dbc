"""The accelerator of this machine, whichever it is (``torch.accelerator``): none for tensors.

``accelerator.current_accelerator().type if accelerator.is_available() else "cpu"`` is ``"cpu"``.
"""

from __future__ import annotations

from typing import Any, NoReturn

from nngraph.frontend.devices import NO_DEVICE, device

__all__ = [
    "current_accelerator",
    "current_device_idx",
    "current_device_index",
    "current_stream",
    "device_count",
    "device_index",
    "empty_cache",
    "get_device_capability",
    "get_memory_info",
    "is_available",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "reset_accumulated_memory_stats",
    "reset_peak_memory_stats",
    "set_device_idx",
    "set_device_index",
    "set_stream",
    "synchronize",
]


def is_available() -> bool:
    """False: tensors are on the CPU; ``ng.compile(f, device=...)`` names what computes ``f``."""
    return False


def current_accelerator(check_available: bool = False) -> device | None:
    """None."""
    return None


def device_count() -> int:
    """0."""
    return 0


class device_index:
    """``with accelerator.device_index(None)``: no change.

    Raises:
        RuntimeError: when it is entered, for the index of a device.
    """

    def __init__(self, device: int | None) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None and self.idx >= 0:
            _absent()

    def __exit__(self, *raised: object) -> None:
        pass


def _absent(*args: Any, **kwargs: Any) -> NoReturn:
    """A function of a device.

    Raises:
        RuntimeError: there is none.
    """
    raise RuntimeError(f"{NO_DEVICE} Ask accelerator.is_available() first")


synchronize = empty_cache = current_stream = set_stream = _absent
current_device_index = current_device_idx = set_device_index = set_device_idx = _absent
memory_allocated = max_memory_allocated = memory_reserved = max_memory_reserved = _absent
memory_stats = reset_peak_memory_stats = reset_accumulated_memory_stats = _absent
get_memory_info = get_device_capability = _absent
