"""Elementwise operators: one row each, made by ``unary`` and ``binary``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dtypes import bool_
from nngraph.ir.op import Array, Op, O, Sample, Thunk, Trait, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.core import broadcast_shapes, need_float, need_same_dtype
from nngraph.ops.creation import as_operand

Rule = Callable[..., Any]


@dataclass(frozen=True)
class Unary(Op):
    """One input, one output of the same shape."""

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.ELEMENTWISE})
    function: ClassVar[Callable[[Array], Array]]
    rule: ClassVar[Rule | None] = None  # (x, y, g) -> gradient of x
    to_bool: ClassVar[bool] = False
    floats_only: ClassVar[bool] = False

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        if self.floats_only:
            need_float(self.name, "the operand", x)
        return (x.with_dtype(bool_) if self.to_bool else x,)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        with np.errstate(all="ignore"):
            y = type(self).function(x)
        return (np.asarray(y, bool if self.to_bool else x.dtype),)

    def vjp(self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
            ) -> Sequence[Thunk | None]:  # fmt: skip
        rule = type(self).rule
        assert rule is not None, f"{self.name} is not differentiable"
        return (lambda: rule(inputs[0], outputs[0], grads[0]),)
