"""Matrices taken apart: factors, solutions of linear systems, determinants.

NumPy's LAPACK is the definition. Where there is one, the decomposition is a loop over columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.ops.factor.cholesky import *  # noqa: F403
from nngraph.ops.factor.elimination import *  # noqa: F403
from nngraph.ops.factor.qr import *  # noqa: F403
from nngraph.ops.factor.spectra import *  # noqa: F403
from nngraph.ops.factor.triangular import *  # noqa: F403
from nngraph.ops.family import operators_of, public_names

OPERATORS = operators_of(globals())

if not TYPE_CHECKING:
    __all__ = public_names(globals())
