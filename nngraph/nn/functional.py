"""Functions without state, under PyTorch's names (``torch.nn.functional``)."""

from __future__ import annotations

from nngraph.nn import _activation, _conv, _dropout, _linear, _loss, _norm, _pool
from nngraph.nn._activation import *  # noqa: F403
from nngraph.nn._conv import *  # noqa: F403
from nngraph.nn._dropout import *  # noqa: F403
from nngraph.nn._linear import *  # noqa: F403
from nngraph.nn._loss import *  # noqa: F403
from nngraph.nn._norm import *  # noqa: F403
from nngraph.nn._pool import *  # noqa: F403

__all__ = [
    *_activation.__all__,
    *_conv.__all__,
    *_dropout.__all__,
    *_linear.__all__,
    *_loss.__all__,
    *_norm.__all__,
    *_pool.__all__,
]
