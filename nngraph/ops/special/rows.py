"""What the operators of this family share: one formula, which NumPy and all backends compute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.op import Array, Sample
from nngraph.ir.types import TensorType
from nngraph.ops.composite import Derived
from nngraph.ops.core import broadcast_shapes, need_float, need_same_dtype, widen
from nngraph.ops.special.arrays import by_formula

__all__ = ["SPECIAL", "Function", "Slope"]

Slope = Callable[[Any, Any], Any]
# Edges, and numbers from all ranges of all formulas.
# fmt: off
SPECIAL = (
    np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 2.0, -1.0, -0.5, -2.5, 30.0, -30.0,
    0.3, 0.9, 1.7, -0.7, -1.3, 3.7, 12.0, -12.3,
)
# fmt: on


@dataclass(frozen=True)
class Function(Derived):
    """A function of the elements of floating point numbers that broadcast.

    Attributes:
        ranges: for each operand, where the samples of the smooth kind lie.
    """

    ranges: ClassVar[tuple[tuple[float, float], ...]]

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        for position, kind in enumerate(types):
            what = f"operand {position}" if len(types) > 1 else "the operand"
            need_float(self.name, what, kind)
        dtype = need_same_dtype(self.name, types)
        return (TensorType(dtype, broadcast_shapes(self.name, [t.shape for t in types])),)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        found = by_formula(self.formula, *map(widen, inputs))
        with np.errstate(all="ignore"):
            return (found.astype(inputs[0].dtype, copy=False),)

    @classmethod
    def variants(cls) -> Sequence[Function]:
        """The operator with each kind of attributes."""
        return (cls(),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        """Few: how elements line up is the same for all operators of elements."""
        special = np.asarray(SPECIAL, np.float32)
        edges = (special,) if len(cls.ranges) == 1 else (special[:, None], special[None])
        smooth = [_spread(*span, len(cls.ranges)) for span in cls.ranges]
        for op in cls.variants():
            yield Sample(op, tuple(np.moveaxis(a, 0, k) for k, a in enumerate(smooth)))
            yield Sample(op, edges, False, "special values")


def _spread(low: float, high: float, rank: int) -> Array:
    """Distinct values all over a range, along the first axis."""
    return np.linspace(low, high, 6, dtype=np.float32).reshape(6, *(1,) * (rank - 1))
