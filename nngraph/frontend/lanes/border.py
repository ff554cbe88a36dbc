"""Into a batch and out of it, as operators of the tape: each is the gradient of the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nngraph.frontend.lanes.level import Level, Part
from nngraph.frontend.modes import is_grad_enabled, recording
from nngraph.frontend.record import Edge, Entry, Handle
from nngraph.frontend.storage import Storage
from nngraph.frontend.tape import save
from nngraph.frontend.world import inside, world
from nngraph.ir.op import Op, Thunk
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import broadcast_to
from nngraph.ops.elementwise.arithmetic import copy
from nngraph.ops.shape.moving import transpose

__all__ = ["enter", "leave"]


@dataclass(frozen=True, eq=False)
class _Border(Op):
    """It stands on the tape only; a graph never has it.

    Attributes:
        level: the ``vmap``.
        axis: of the batch in the tensor outside.
    """

    level: Level
    axis: int

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return types


class Enter(_Border):
    """From a tensor to its elements."""

    name = "enter"

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return [lambda: leave(_replaying(self.level), grads[0]._as_tensor(), self.axis)]


class Leave(_Border):
    """From elements to the tensor that holds them."""

    name = "leave"

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return [lambda: enter(_replaying(self.level), grads[0]._as_tensor(), self.axis)]


def _replaying(level: Level) -> Level:
    here: Any = world()
    if not isinstance(here, Level) or here.key is not level.key:
        raise RuntimeError(
            "vmap: a gradient inside vmap of a tensor outside that vmap maps over: ask for the "
            "gradient of the function's own argument, or ask outside of vmap"
        )
    return here


def enter(level: Level, tensor: Any, axis: int) -> Any:
    """The element of a tensor, whose axis is the batch; nobody sees it written."""
    outer = level.outer
    with inside(outer):
        edge = tensor._edge_in(outer) if is_grad_enabled() else None
        with recording(False):
            rest = [a for a in range(tensor.aval.rank) if a != axis]
            moved = transpose(tensor, (axis, *rest)) if axis else tensor
            batch = outer.copied(moved._read(outer))
    kind = moved.aval.with_shape(moved.aval.shape[1:])
    made = Handle._result(Storage(None, Part(level, batch, kind)))  # type: ignore[arg-type]
    if edge is not None:
        saved = [tensor._saved(outer, edge)]
        entry = Entry(Enter(level, axis), saved, [save(level, made, None)], outer.here(), level)
        made._edge = Edge(entry, 0)
    return made


def leave(level: Level, element: Any, axis: int) -> Any:
    """The tensor of all elements, with the batch as this axis."""
    outer = level.outer
    if not level.owns(element._read(level)):
        with inside(outer):
            whole = broadcast_to(element, (level.size, *element.aval.shape))
            return copy(_placed(whole, axis))
    edge = element._edge_in(level) if is_grad_enabled() else None
    with inside(outer), recording(False):
        held = level.batch_of(element._read(level), element.aval)
        made = Handle._result(
            outer.copied(_placed(Handle._result(outer.hold(held)), axis)._read(outer))
        )
    if edge is not None:
        saved = [element._saved(level, edge)]
        entry = Entry(Leave(level, axis), saved, [save(outer, made, None)], outer.here(), level)
        made._edge = Edge(entry, 0)
    return made


def _placed(whole: Any, axis: int) -> Any:
    """A tensor whose first axis goes to another place."""
    if not axis:
        return whole
    rest = list(range(1, whole.aval.rank))
    return transpose(whole, (*rest[:axis], 0, *rest[axis:]))
