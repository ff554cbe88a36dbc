"""The version of the package: the one place that holds it."""

from __future__ import annotations

__all__ = ["__version__", "cuda", "debug", "hip", "xpu"]

__version__ = "0.1.0"

#: What PyTorch may be built with or for: nothing.
debug = False
cuda: str | None = None
hip: str | None = None
xpu: str | None = None
