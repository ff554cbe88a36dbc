"""Loss functions as modules."""

from __future__ import annotations

from nngraph.nn.modules.loss.classes import *  # noqa: F403
from nngraph.nn.modules.loss.margins import *  # noqa: F403
from nngraph.nn.modules.loss.numbers import *  # noqa: F403
