"""Optimizers and learning rate schedules, under PyTorch's names (``torch.optim``)."""

from __future__ import annotations

from nngraph.optim.adam import Adam, AdamW
from nngraph.optim.optimizer import Optimizer
from nngraph.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
