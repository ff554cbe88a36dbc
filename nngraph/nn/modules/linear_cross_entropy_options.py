"""PyTorch's path to the options of ``LinearCrossEntropyLoss``."""

from __future__ import annotations

from nngraph.nn.functional.losses.options import LinearCrossEntropyOptions

__all__ = ["LinearCrossEntropyOptions"]
