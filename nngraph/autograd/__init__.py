"""Gradients as values, and functions with gradients of their own (``torch.autograd``)."""

from __future__ import annotations

from nngraph.autograd import forward_ad, function, functional, grad_mode, graph
from nngraph.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from nngraph.autograd.function import Function
from nngraph.autograd.grad_mode import set_multithreading_enabled
from nngraph.autograd.gradcheck import gradcheck, gradgradcheck
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
    "forward_ad",
    "function",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]
