"""Views while tracing: writing to a view writes to the tensor that it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nngraph.ir.op import Op
from nngraph.ops.shape import Reshape, Slice, Transpose, reshape, slice_update, transpose

if TYPE_CHECKING:
    from nngraph.frontend.base import TensorBase

__all__ = ["VIEWS", "write_through"]

VIEWS = (Reshape, Slice, Transpose)


def write_through(op: Op, base: TensorBase, view: TensorBase) -> Any:
    """What ``base`` becomes when its view through ``op`` becomes ``view``.

    Eager views share NumPy memory and need none of this.
    """
    match op:
        case Reshape():
            return reshape(view, base.type.shape)
        case Transpose(perm=perm):
            return transpose(view, tuple(sorted(range(len(perm)), key=perm.__getitem__)))
        case Slice(starts=starts, sizes=sizes, steps=steps):
            return slice_update(base, view, starts, sizes, steps)
    raise AssertionError(f"{op.name} is no view")
