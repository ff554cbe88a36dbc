"""What reading a bundle raises."""

from __future__ import annotations

__all__ = ["BundleError"]


class BundleError(ValueError):
    """A folder is no bundle, is damaged, or is of a newer version; nothing was loaded."""
