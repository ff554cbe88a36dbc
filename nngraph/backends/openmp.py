"""OpenMP, as PyTorch's code asks for it (``torch.backends.openmp``)."""

from __future__ import annotations

__all__ = ["is_available"]


def is_available() -> bool:
    """False: nothing here uses it."""
    return False
