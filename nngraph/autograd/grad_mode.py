"""PyTorch's path to the modes of recording (``torch.autograd.grad_mode``)."""

from __future__ import annotations

from nngraph.frontend.inference import inference_mode
from nngraph.frontend.modes import enable_grad, no_grad, set_grad_enabled

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled"]
