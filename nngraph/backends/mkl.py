"""MKL, as PyTorch's code asks for it (``torch.backends.mkl``)."""

from __future__ import annotations

__all__ = ["is_available"]


def is_available() -> bool:
    """False: nothing here uses it."""
    return False
