"""Folds over axes, statistics, and what runs along one axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.ops.broadcast import Reduction as Reduction
from nngraph.ops.broadcast import Sum as Sum
from nngraph.ops.broadcast import sum as sum
from nngraph.ops.family import operators_of, public_names
from nngraph.ops.reduce.folds import *  # noqa: F403
from nngraph.ops.reduce.running import *  # noqa: F403
from nngraph.ops.reduce.statistics import *  # noqa: F403

OPERATORS = operators_of(globals())

if not TYPE_CHECKING:
    __all__ = public_names(globals())
