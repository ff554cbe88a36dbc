"""Loss functions as modules."""

from __future__ import annotations

from nngraph.nn.modules.loss import classes, margins, numbers
from nngraph.nn.modules.loss.base import _Loss as _Loss
from nngraph.nn.modules.loss.base import _WeightedLoss as _WeightedLoss
from nngraph.nn.modules.loss.classes import *  # noqa: F403
from nngraph.nn.modules.loss.margins import *  # noqa: F403
from nngraph.nn.modules.loss.numbers import *  # noqa: F403

__all__: list[str] = []
__all__ += classes.__all__
__all__ += margins.__all__
__all__ += numbers.__all__
