"""Gradients as values, and functions with gradients of their own (``torch.autograd``)."""

from __future__ import annotations

from nngraph.frontend.autograd import backward, grad
from nngraph.frontend.custom import Function
from nngraph.frontend.modes import enable_grad, no_grad, set_grad_enabled

__all__ = ["Function", "backward", "enable_grad", "grad", "no_grad", "set_grad_enabled"]
