"""What training programs need besides models and optimizers (``torch.utils``)."""

from __future__ import annotations

from nngraph.utils import checkpoint, data, model_zoo

__all__ = ["checkpoint", "data", "model_zoo"]
