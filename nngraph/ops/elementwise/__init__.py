"""All elementwise operators under one name; each family has its own module."""

from __future__ import annotations

from nngraph.ops.elementwise.arithmetic import *  # noqa: F403
from nngraph.ops.elementwise.comparison import *  # noqa: F403
from nngraph.ops.elementwise.rows import Binary as Binary
from nngraph.ops.elementwise.rows import Unary as Unary
from nngraph.ops.elementwise.rows import binary as binary
from nngraph.ops.elementwise.rows import unary as unary
from nngraph.ops.elementwise.select import *  # noqa: F403
from nngraph.ops.elementwise.transcendental import *  # noqa: F403
