"""Comparisons, tests, logic and bits: elementwise operators without a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph.ops.core import Takes
from nngraph.ops.elementwise.rows import binary, unary
from nngraph.ops.family import public_names

_SHIFTS = ((-7, 7, 100, 1), (0, 1, 5))

Eq, eq = binary("eq", np.equal, takes=Takes.ALL, to_bool=True, commutative=True)
Ne, ne = binary("ne", np.not_equal, takes=Takes.ALL, to_bool=True, commutative=True)
Lt, lt = binary("lt", np.less, takes=Takes.ALL, to_bool=True)
Le, le = binary("le", np.less_equal, takes=Takes.ALL, to_bool=True)
Gt, gt = binary("gt", np.greater, takes=Takes.ALL, to_bool=True)
Ge, ge = binary("ge", np.greater_equal, takes=Takes.ALL, to_bool=True)

LogicalAnd, logical_and = binary("logical_and", np.logical_and, takes=Takes.BOOLS, commutative=True)
LogicalOr, logical_or = binary("logical_or", np.logical_or, takes=Takes.BOOLS, commutative=True)
LogicalXor, logical_xor = binary("logical_xor", np.logical_xor, takes=Takes.BOOLS, commutative=True)
LogicalNot, logical_not = unary("logical_not", np.logical_not, takes=Takes.BOOLS)

BitwiseAnd, bitwise_and = binary("bitwise_and", np.bitwise_and, takes=Takes.BITS, commutative=True)
BitwiseOr, bitwise_or = binary("bitwise_or", np.bitwise_or, takes=Takes.BITS, commutative=True)
BitwiseXor, bitwise_xor = binary("bitwise_xor", np.bitwise_xor, takes=Takes.BITS, commutative=True)
BitwiseNot, bitwise_not = unary("bitwise_not", np.invert, takes=Takes.BITS)

# A shift by the width or more gives 0 (-1 for a negative number shifted right), as in PyTorch.
ShiftLeft, shift_left = binary("shift_left", np.left_shift, takes=Takes.INTEGERS, ints=_SHIFTS)
ShiftRight, shift_right = binary("shift_right", np.right_shift, takes=Takes.INTEGERS, ints=_SHIFTS)

Isnan, isnan = unary("isnan", np.isnan, to_bool=True)
Isinf, isinf = unary("isinf", np.isinf, to_bool=True)
Isfinite, isfinite = unary("isfinite", np.isfinite, to_bool=True)


if not TYPE_CHECKING:
    __all__ = public_names(globals())
