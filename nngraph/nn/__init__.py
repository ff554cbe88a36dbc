"""Layers, losses and their containers, under PyTorch's names (``torch.nn``)."""

from __future__ import annotations

from nngraph.nn import attention, functional, grad, init, parameter, utils
from nngraph.nn.modules import (
    activation,
    adaptive,
    batchnorm,
    channelshuffle,
    container,
    conv,
    distance,
    dropout,
    flatten,
    fold,
    linear,
    multihead,
    normalization,
    padding,
    pixelshuffle,
    pooling,
    recurrent,
    sparse,
    transformer,
    upsampling,
)
from nngraph.nn.modules.activation import *  # noqa: F403
from nngraph.nn.modules.adaptive import *  # noqa: F403
from nngraph.nn.modules.batchnorm import *  # noqa: F403
from nngraph.nn.modules.channelshuffle import *  # noqa: F403
from nngraph.nn.modules.container import *  # noqa: F403
from nngraph.nn.modules.conv import *  # noqa: F403
from nngraph.nn.modules.distance import *  # noqa: F403
from nngraph.nn.modules.dropout import *  # noqa: F403
from nngraph.nn.modules.flatten import *  # noqa: F403
from nngraph.nn.modules.fold import *  # noqa: F403
from nngraph.nn.modules.linear import *  # noqa: F403
from nngraph.nn.modules.loss import classes, margins, numbers
from nngraph.nn.modules.loss.classes import *  # noqa: F403
from nngraph.nn.modules.loss.margins import *  # noqa: F403
from nngraph.nn.modules.loss.numbers import *  # noqa: F403
from nngraph.nn.modules.module import Module
from nngraph.nn.modules.multihead import *  # noqa: F403
from nngraph.nn.modules.normalization import *  # noqa: F403
from nngraph.nn.modules.padding import *  # noqa: F403
from nngraph.nn.modules.pixelshuffle import *  # noqa: F403
from nngraph.nn.modules.pooling import *  # noqa: F403
from nngraph.nn.modules.recurrent import *  # noqa: F403
from nngraph.nn.modules.sparse import *  # noqa: F403
from nngraph.nn.modules.transformer import *  # noqa: F403
from nngraph.nn.modules.upsampling import *  # noqa: F403
from nngraph.nn.parallel import DataParallel
from nngraph.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "Buffer",
    "DataParallel",
    "Module",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "attention",
    "functional",
    "grad",
    "init",
    "parameter",
    "utils",
    *activation.__all__,
    *multihead.__all__,
    *adaptive.__all__,
    *batchnorm.__all__,
    *container.__all__,
    *conv.__all__,
    *dropout.__all__,
    *flatten.__all__,
    *linear.__all__,
    *classes.__all__,
    *distance.__all__,
    *margins.__all__,
    *numbers.__all__,
    *normalization.__all__,
    *padding.__all__,
    *pooling.__all__,
    *recurrent.__all__,
    *sparse.__all__,
    *channelshuffle.__all__,
    *fold.__all__,
    *pixelshuffle.__all__,
    *transformer.__all__,
    *upsampling.__all__,
]
