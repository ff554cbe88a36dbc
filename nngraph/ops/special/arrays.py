"""NumPy's arrays as operands of operator rules: a formula is also what an operator means."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nngraph.ir.op import Array, Op
from nngraph.ir.types import TensorType, type_of_array
from nngraph.ops.elementwise.rows import Binary, Unary

__all__ = ["by_formula"]

_BLOCK = 1 << 14  # elements at a time: what a formula keeps stays in the cache


@dataclass(frozen=True, eq=False)
class _Computed:
    """An array, to which operators are applied at once."""

    array: Array

    @property
    def aval(self) -> TensorType:
        return type_of_array(self.array)

    def apply(self, op: Op, operands: Sequence[_Computed]) -> tuple[_Computed, ...]:
        if not operands:
            return _created(op)
        arrays = [o.array for o in operands]
        if isinstance(op, Unary | Binary):  # what ``eval`` cares for besides is done here, once
            return (_Computed(np.asarray(op.function(*arrays))),)
        return tuple(map(_Computed, op.eval(*arrays)))


@functools.lru_cache(maxsize=4096)
def _created(op: Op) -> tuple[_Computed, ...]:
    """The numbers of formulas, of which there are few."""
    return tuple(map(_Computed, op.eval()))


def by_formula(formula: Callable[..., Any], *operands: Array) -> Array:
    """What a formula of operators gives for arrays that broadcast."""
    if len(operands) > 1:
        operands = np.broadcast_arrays(*operands)
    (shape,) = {a.shape for a in operands}
    with np.errstate(all="ignore"):
        if operands[0].size <= _BLOCK:
            return _of(formula, operands)
        flat = [a.reshape(-1) for a in operands]
        parts = [slice(k, k + _BLOCK) for k in range(0, flat[0].size, _BLOCK)]
        return np.concatenate([_of(formula, [a[p] for a in flat]) for p in parts]).reshape(shape)


def _of(formula: Callable[..., Any], arrays: Sequence[Array]) -> Array:
    found: Array = formula(*map(_Computed, arrays)).array
    return found
