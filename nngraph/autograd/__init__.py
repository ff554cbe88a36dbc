"""Gradients as values, and functions with gradients of their own (``torch.autograd``)."""

from __future__ import annotations

from nngraph.autograd import function, graph
from nngraph.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from nngraph.autograd.function import Function
from nngraph.autograd.variable import Variable
from nngraph.frontend.autograd import backward, grad
from nngraph.frontend.inference import inference_mode
from nngraph.frontend.modes import enable_grad, no_grad, set_grad_enabled

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "function",
    "grad",
    "graph",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]
