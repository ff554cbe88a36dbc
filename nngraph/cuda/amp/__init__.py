"""Mixed precision on a GPU, under its old path (``torch.cuda.amp``)."""

from __future__ import annotations

from nngraph.cuda.amp.autocast_mode import autocast, custom_bwd, custom_fwd
from nngraph.cuda.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]
