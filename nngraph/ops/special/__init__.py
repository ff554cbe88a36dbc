"""Special functions of elements, each one formula that NumPy and all backends compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.ops.family import operators_of, public_names
from nngraph.ops.special.bessel import *  # noqa: F403
from nngraph.ops.special.elementary import *  # noqa: F403
from nngraph.ops.special.error import *  # noqa: F403
from nngraph.ops.special.gamma import *  # noqa: F403
from nngraph.ops.special.incomplete import *  # noqa: F403
from nngraph.ops.special.zeta import *  # noqa: F403

OPERATORS = operators_of(globals())

if not TYPE_CHECKING:
    __all__ = public_names(globals())
