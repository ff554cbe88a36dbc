"""opt_einsum, as PyTorch's code asks for it (``torch.backends.opt_einsum``)."""

from __future__ import annotations

__all__ = ["is_available"]


def is_available() -> bool:
    """False: nothing here uses it."""
    return False
