"""Rewrite rules that make a graph smaller or its operators cheaper, by subject."""

from __future__ import annotations

from nngraph.passes.simplify.arithmetic import ARITHMETIC_RULES
from nngraph.passes.simplify.casts import CAST_RULES
from nngraph.passes.simplify.products import PRODUCT_RULES
from nngraph.passes.simplify.reductions import REDUCTION_RULES
from nngraph.passes.simplify.shapes import SHAPE_RULES

__all__ = [
    "ARITHMETIC_RULES",
    "CAST_RULES",
    "PRODUCT_RULES",
    "REDUCTION_RULES",
    "SHAPE_RULES",
    "SIMPLIFICATIONS",
]

#: All of them; an earlier one is tried first.
SIMPLIFICATIONS = (*SHAPE_RULES, *REDUCTION_RULES, *CAST_RULES, *PRODUCT_RULES, *ARITHMETIC_RULES)
