"""Mixed precision: casts of operands, and scaling of losses (``torch.amp``)."""

from __future__ import annotations

from nngraph.amp.autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from nngraph.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
