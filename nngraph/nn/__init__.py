"""Layers, losses and their containers, under PyTorch's names (``torch.nn``)."""

from __future__ import annotations

from nngraph.nn import functional, init
from nngraph.nn.modules import activation, container, linear, loss
from nngraph.nn.modules.activation import *  # noqa: F403
from nngraph.nn.modules.container import *  # noqa: F403
from nngraph.nn.modules.linear import *  # noqa: F403
from nngraph.nn.modules.loss import *  # noqa: F403
from nngraph.nn.modules.module import Module
from nngraph.nn.parameter import Buffer, Parameter

__all__ = ["Buffer", "Module", "Parameter", "functional", "init", *activation.__all__,
           *container.__all__, *linear.__all__, *loss.__all__]  # fmt: skip
