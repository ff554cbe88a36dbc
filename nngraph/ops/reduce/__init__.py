"""All reductions under one name; each family has its own module."""

from __future__ import annotations

from nngraph.ops.broadcast import Reduction as Reduction
from nngraph.ops.broadcast import Sum as Sum
from nngraph.ops.broadcast import sum as sum
from nngraph.ops.reduce.folds import *  # noqa: F403
from nngraph.ops.reduce.running import *  # noqa: F403
from nngraph.ops.reduce.statistics import *  # noqa: F403
