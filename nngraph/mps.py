"""Apple's GPUs, as PyTorch's code asks for them (``torch.mps``): there is none for tensors."""

from __future__ import annotations

from nngraph.frontend.nodevice import absent, nothing

__all__ = [
    "current_allocated_memory",
    "device_count",
    "driver_allocated_memory",
    "empty_cache",
    "get_rng_state",
    "is_available",
    "manual_seed",
    "recommended_max_memory",
    "seed",
    "set_per_process_memory_fraction",
    "set_rng_state",
    "synchronize",
]


def is_available() -> bool:
    """False: tensors are on the CPU."""
    return False


def device_count() -> int:
    """0."""
    return 0


manual_seed = seed = nothing
synchronize = empty_cache = get_rng_state = set_rng_state = absent("mps")
current_allocated_memory = driver_allocated_memory = recommended_max_memory = absent("mps")
set_per_process_memory_fraction = absent("mps")
