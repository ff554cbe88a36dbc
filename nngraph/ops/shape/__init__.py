"""Moving elements: transposes, slices, joins and pads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.ops.family import operators_of, public_names
from nngraph.ops.shape.joining import *  # noqa: F403
from nngraph.ops.shape.moving import *  # noqa: F403
from nngraph.ops.shape.padding import *  # noqa: F403
from nngraph.ops.shape.slicing import *  # noqa: F403
from nngraph.ops.shape.strided import *  # noqa: F403

OPERATORS = operators_of(globals())

if not TYPE_CHECKING:
    __all__ = public_names(globals())
