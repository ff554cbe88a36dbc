"""Operators that compute each element from the aligned elements of their operands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.ops.elementwise.arithmetic import *  # noqa: F403
from nngraph.ops.elementwise.comparison import *  # noqa: F403
from nngraph.ops.elementwise.rows import Binary as Binary
from nngraph.ops.elementwise.rows import Unary as Unary
from nngraph.ops.elementwise.select import *  # noqa: F403
from nngraph.ops.elementwise.transcendental import *  # noqa: F403
from nngraph.ops.family import operators_of, public_names

OPERATORS = operators_of(globals())

if not TYPE_CHECKING:
    __all__ = public_names(globals())
