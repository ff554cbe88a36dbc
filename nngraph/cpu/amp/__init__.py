"""Mixed precision on the CPU, under its old path (``torch.cpu.amp``)."""

from __future__ import annotations

from nngraph.cpu.amp.autocast_mode import autocast
from nngraph.cpu.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast"]
