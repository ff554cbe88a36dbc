"""Intel's GPUs, as PyTorch's code asks for them (``torch.xpu``): there is none for tensors."""

from __future__ import annotations

from nngraph.frontend.nodevice import absent, nothing, zero

__all__ = [
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "memory_allocated",
    "reset_peak_memory_stats",
    "set_device",
    "synchronize",
]


def is_available() -> bool:
    """False: tensors are on the CPU."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: there is no device."""
    return False


def device_count() -> int:
    """0."""
    return 0


manual_seed = manual_seed_all = empty_cache = reset_peak_memory_stats = nothing
memory_allocated = max_memory_allocated = zero
synchronize = current_device = set_device = absent("xpu")
get_device_name = get_device_capability = get_device_properties = absent("xpu")
