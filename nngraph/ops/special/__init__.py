"""Special functions of elements, each one formula that NumPy and all backends compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.ops.family import operators_of, public_names
from nngraph.ops.special.gamma import *  # noqa: F403

OPERATORS = operators_of(globals())

if not TYPE_CHECKING:
    __all__ = public_names(globals())
