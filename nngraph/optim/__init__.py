"""Optimizers and learning rate schedules, under PyTorch's names (``torch.optim``)."""

from __future__ import annotations

from nngraph.optim import lr_scheduler
from nngraph.optim.adagrad import Adagrad
from nngraph.optim.adam import Adam, AdamW
from nngraph.optim.optimizer import Optimizer
from nngraph.optim.rmsprop import RMSprop
from nngraph.optim.sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]
