"""Apple's GPUs, as PyTorch's code asks for them (``torch.backends.mps``)."""

from __future__ import annotations

__all__ = ["is_available", "is_built"]


def is_available() -> bool:
    """False: tensors are on the CPU."""
    return False


def is_built() -> bool:
    """False."""
    return False
