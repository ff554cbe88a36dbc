"""What training programs need besides models and optimizers (``torch.utils``)."""

from __future__ import annotations

from nngraph.utils import checkpoint, data

__all__ = ["checkpoint", "data"]
