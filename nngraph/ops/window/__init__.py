"""Sliding windows: convolutions and pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.ops.family import operators_of, public_names
from nngraph.ops.window.avgpool import *  # noqa: F403
from nngraph.ops.window.conv import *  # noqa: F403
from nngraph.ops.window.pool import *  # noqa: F403

OPERATORS = operators_of(globals())

if not TYPE_CHECKING:
    __all__ = public_names(globals())
