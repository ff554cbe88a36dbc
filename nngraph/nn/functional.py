"""Functions without state, under PyTorch's names (``torch.nn.functional``)."""

from __future__ import annotations

from nngraph.nn._activation import *  # noqa: F403
from nngraph.nn._activation import __all__ as _activation
from nngraph.nn._linear import *  # noqa: F403
from nngraph.nn._linear import __all__ as _linear
from nngraph.nn._loss import *  # noqa: F403
from nngraph.nn._loss import __all__ as _loss

__all__ = [*_activation, *_linear, *_loss]
