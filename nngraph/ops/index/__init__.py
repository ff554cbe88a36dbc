"""Reading and writing by integer indices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.ops.family import operators_of, public_names
from nngraph.ops.index.checks import *  # noqa: F403
from nngraph.ops.index.elements import *  # noqa: F403
from nngraph.ops.index.scattering import Indexed as Indexed
from nngraph.ops.index.slices import *  # noqa: F403

OPERATORS = operators_of(globals())

if not TYPE_CHECKING:
    __all__ = public_names(globals())
