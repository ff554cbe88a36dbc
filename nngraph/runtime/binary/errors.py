"""What reading a binary raises."""

from __future__ import annotations

__all__ = ["BinaryError"]


class BinaryError(ValueError):
    """A folder is no binary, is damaged, newer or for another machine; nothing was loaded."""
