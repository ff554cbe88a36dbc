"""``GradScaler`` at PyTorch's path (``torch.amp.grad_scaler``)."""

from __future__ import annotations

from nngraph.optim.amp import GradScaler

__all__ = ["GradScaler"]
