"""Functions without state, under PyTorch's names (``torch.nn.functional``)."""

from __future__ import annotations

from nngraph.nn.functional import (
    activation,
    attention,
    convolution,
    dropouts,
    lookup,
    normalization,
    products,
)
from nngraph.nn.functional.activation import *  # noqa: F403
from nngraph.nn.functional.attention import *  # noqa: F403
from nngraph.nn.functional.convolution import *  # noqa: F403
from nngraph.nn.functional.dropouts import *  # noqa: F403
from nngraph.nn.functional.lookup import *  # noqa: F403
from nngraph.nn.functional.losses import classification, margin, regression, sequence
from nngraph.nn.functional.losses.classification import *  # noqa: F403
from nngraph.nn.functional.losses.margin import *  # noqa: F403
from nngraph.nn.functional.losses.regression import *  # noqa: F403
from nngraph.nn.functional.losses.sequence import *  # noqa: F403
from nngraph.nn.functional.normalization import *  # noqa: F403
from nngraph.nn.functional.pooling import adaptive, fractional, sliding, unpool
from nngraph.nn.functional.pooling.adaptive import *  # noqa: F403
from nngraph.nn.functional.pooling.fractional import *  # noqa: F403
from nngraph.nn.functional.pooling.sliding import *  # noqa: F403
from nngraph.nn.functional.pooling.unpool import *  # noqa: F403
from nngraph.nn.functional.products import *  # noqa: F403
from nngraph.nn.functional.vision import grid, patches, resize, shuffle
from nngraph.nn.functional.vision.grid import *  # noqa: F403
from nngraph.nn.functional.vision.patches import *  # noqa: F403
from nngraph.nn.functional.vision.resize import *  # noqa: F403
from nngraph.nn.functional.vision.shuffle import *  # noqa: F403

__all__ = [
    *activation.__all__,
    *attention.__all__,
    *convolution.__all__,
    *dropouts.__all__,
    *products.__all__,
    *classification.__all__,
    *margin.__all__,
    *regression.__all__,
    *sequence.__all__,
    *lookup.__all__,
    *normalization.__all__,
    *adaptive.__all__,
    *fractional.__all__,
    *sliding.__all__,
    *unpool.__all__,
    *grid.__all__,
    *patches.__all__,
    *resize.__all__,
    *shuffle.__all__,
]
