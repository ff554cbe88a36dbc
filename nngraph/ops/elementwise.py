"""All elementwise operators under one name; each family has its own module."""

from __future__ import annotations

from nngraph.ops.arithmetic import *  # noqa: F403
from nngraph.ops.comparison import *  # noqa: F403
from nngraph.ops.rows import Binary as Binary
from nngraph.ops.rows import Unary as Unary
from nngraph.ops.rows import binary as binary
from nngraph.ops.rows import unary as unary
from nngraph.ops.select import *  # noqa: F403
from nngraph.ops.transcendental import *  # noqa: F403
