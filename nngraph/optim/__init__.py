"""Optimizers and learning rate schedules, under PyTorch's names (``torch.optim``)."""

from __future__ import annotations

from nngraph.optim import lr_scheduler, swa_utils
from nngraph.optim.adadelta import Adadelta
from nngraph.optim.adafactor import Adafactor
from nngraph.optim.adagrad import Adagrad
from nngraph.optim.adam import Adam, AdamW
from nngraph.optim.adamax import Adamax
from nngraph.optim.asgd import ASGD
from nngraph.optim.lbfgs import LBFGS
from nngraph.optim.muon import Muon
from nngraph.optim.nadam import NAdam
from nngraph.optim.optimizer import Optimizer
from nngraph.optim.radam import RAdam
from nngraph.optim.rmsprop import RMSprop
from nngraph.optim.rprop import Rprop
from nngraph.optim.sgd import SGD
from nngraph.optim.sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
    "swa_utils",
]
