"""Mixed precision: scaling of losses (``torch.amp``)."""

from __future__ import annotations

from nngraph.optim.amp import GradScaler

__all__ = ["GradScaler"]
