"""Operators between all positions of an axis and those that a mask selects.

They exist while code is traced only: ``Hold`` leaves none, so that no backend knows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nngraph.ir.dims import Dim, SymDim, sym
from nngraph.ir.op import Op, Thunk, apply1
from nngraph.ir.types import TensorType

__all__ = ["Select", "Unselect", "is_selected", "selected_size"]

_PREFIX = "selected_by_mask_"


def selected_size(number: int) -> SymDim:
    """The name for how many elements a trace's mask selects."""
    return sym(f"{_PREFIX}{number}")


def is_selected(dim: Dim) -> bool:
    """Whether a size depends on what a mask selects."""
    return isinstance(dim, SymDim) and any(s.startswith(_PREFIX) for s in dim.symbols)


@dataclass(frozen=True)
class Select(Op):
    """(x, mask[n]) -> the slices of an axis of size n where the mask holds.

    Attributes:
        size: how many these are.
        axis: of x.
    """

    size: Dim
    axis: int
    name: ClassVar[str] = "select"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, _ = types
        return (x.with_shape((*x.shape[: self.axis], self.size, *x.shape[self.axis + 1 :])),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return (lambda: apply1(Unselect(self.size, self.axis), grads[0], inputs[1]), None)


@dataclass(frozen=True)
class Unselect(Op):
    """The reverse of ``Select``, with zeros where the mask does not hold."""

    size: Dim
    axis: int
    name: ClassVar[str] = "unselect"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, mask = types
        rows = mask.shape[0]
        return (x.with_shape((*x.shape[: self.axis], rows, *x.shape[self.axis + 1 :])),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return (lambda: apply1(Select(self.size, self.axis), grads[0], inputs[1]), None)
