"""``x[mask]`` where only a call will know the mask: in a trace its size gets a name.

What code does with such a tensor is rewritten when the trace ends; see ``nngraph.passes.selected``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from nngraph import ops
from nngraph.frontend.functional.access import overwrite
from nngraph.frontend.tape import apply
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.dims import Dim, SymDim
from nngraph.ir.dtypes import bool_, uint8
from nngraph.ops.core import broadcast_shapes
from nngraph.passes.selected import Select, Unselect, is_selected

__all__ = ["assigned_part", "selected_elements", "selected_part"]


@dataclass
class _Part:
    """What a subscript with one mask names.

    Attributes:
        whole: what the other parts of the subscript name, a view.
        mask: over some axes of it that are neighbours.
        axis: the first of these.
        size: the name for how many elements the mask selects.
    """

    whole: Tensor
    mask: Tensor
    axis: int
    size: SymDim

    @property
    def end(self) -> int:
        """After the last axis of the mask."""
        return self.axis + self.mask.ndim

    @property
    def shape(self) -> tuple[Dim, ...]:
        """Of what is selected."""
        whole = self.whole.aval.shape
        return (*whole[: self.axis], self.size, *whole[self.end :])

    def read(self) -> Tensor:
        """The selected elements: one axis for those of the mask."""
        shape = self.whole.aval.shape
        joined = math.prod(shape[self.axis : self.end])
        flat: Tensor = self.whole.reshape(*shape[: self.axis], joined, *shape[self.end :])
        mask = self.mask.reshape(-1).to(bool_)
        selected: Tensor = apply(Select(self.size, self.axis), (flat, mask))[0]
        return selected

    def write(self, value: Tensor) -> None:
        """Assigns a tensor that can be broadcast to what is selected."""
        value = value.reshape((1,) * (len(self.shape) - value.ndim) + value.aval.shape)
        if is_selected(value.aval.shape[self.axis]):
            value = value.expand(*self.shape)
            mask = self.mask.reshape(-1).to(bool_)
            placed: Tensor = apply(Unselect(self.size, self.axis), (value, mask))[0]
            placed = placed.reshape(*self.whole.aval.shape)
        else:
            before, after = value.aval.shape[: self.axis], value.aval.shape[self.axis + 1 :]
            placed = value.reshape(*before, *(1,) * self.mask.ndim, *after)
        after_mask = (1,) * (self.whole.ndim - self.end)
        mask = self.mask.reshape(*self.mask.aval.shape, *after_mask).to(bool_)
        overwrite(self.whole, ops.where(mask, placed, self.whole))


def _part(input: Tensor, key: Any) -> _Part | None:
    """The part that a subscript with a mask names; None without one, and where it is known."""
    parts = list(key) if isinstance(key, tuple) else [key]
    masks = [i for i, part in enumerate(parts) if _is_mask(part)]
    if not masks or (size := world().selection(parts[masks[0]])) is None:
        return None
    place, mask = masks[0], parts[masks[0]]
    if len(masks) > 1 or any(not _is_basic(p) for i, p in enumerate(parts) if i != place):
        world().refuse(
            "a mask beside other masks or index tensors in one subscript",
            "Select step by step: x[mask] first, which keeps one axis for what is selected.",
        )
    parts[place : place + 1] = [slice(None)] * mask.ndim
    rest = sum(p is not None and p is not Ellipsis for p in parts)
    whole: Tensor = input if len(parts) == mask.ndim else input[tuple(parts)]
    before = sum(not isinstance(p, int) and p is not Ellipsis for p in parts[:place])
    before += (input.ndim - rest) * (Ellipsis in parts[:place])
    found = whole.aval.shape[before : before + mask.ndim]
    if found != mask.aval.shape:
        raise IndexError(
            f"The shape of the mask {list(mask.aval.shape)} does not match "
            f"the shape {list(found)} of the indexed axes"
        )
    return _Part(whole, mask, before, size)


def selected_part(input: Tensor, key: Any) -> Tensor | None:
    """``input[key]`` by a mask; None where there is none, or its elements are there."""
    part = _part(input, key)
    return None if part is None else part.read()


def assigned_part(input: Tensor, key: Any, value: Tensor) -> bool:
    """``input[key] = value`` by a mask; False where there is none, or its elements are there."""
    part = _part(input, key)
    if part is None:
        return False
    extra = max(value.ndim - len(part.shape), 0)  # PyTorch drops leading sizes of 1
    value = value.reshape(value.aval.shape[extra:]) if extra else value
    padded = (1,) * (len(part.shape) - value.ndim) + value.aval.shape
    if padded[part.axis] not in (1, part.size):
        world().refuse(
            f"x[mask] = values of {value.aval}: how many places there are depends on the mask's "
            "values, which are not there",
            "Write x = ng.where(mask, full_size_values, x) instead.",
        )
    part.write(value)
    return True


def selected_elements(input: Tensor, mask: Tensor) -> Tensor | None:
    """``masked_select``; None where the mask's elements are there."""
    shape = broadcast_shapes("masked_select", (input.aval.shape, mask.aval.shape))
    mask = mask if mask.aval.shape == shape else mask.expand(*shape)
    size = world().selection(mask)
    return None if size is None else _Part(input.expand(*shape), mask, 0, size).read()


def _is_mask(part: Any) -> bool:
    return isinstance(part, Tensor) and part.dtype in (bool_, uint8) and part.ndim > 0


def _is_basic(part: Any) -> bool:
    return part is None or part is Ellipsis or type(part) in (int, slice)
