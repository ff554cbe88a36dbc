"""Normalisations and their gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.ops.family import operators_of, public_names
from nngraph.ops.norm.batchnorm import *  # noqa: F403
from nngraph.ops.norm.layernorm import *  # noqa: F403

OPERATORS = operators_of(globals())

if not TYPE_CHECKING:
    __all__ = public_names(globals())
