"""PyTorch's path to ``LinearCrossEntropyLoss``."""

from __future__ import annotations

from nngraph.nn.modules.loss.classes import LinearCrossEntropyLoss

__all__ = ["LinearCrossEntropyLoss"]
