"""PyTorch's path to ``AdamW`` (``torch.optim.adamw``)."""

from __future__ import annotations

from nngraph.optim.adam import AdamW

__all__ = ["AdamW"]
