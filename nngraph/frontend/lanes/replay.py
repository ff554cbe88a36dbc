"""Gradient rules of what ``vmap`` recorded, wherever ``backward`` is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nngraph.frontend.lanes.border import leave
from nngraph.frontend.lanes.level import Level, level_of
from nngraph.frontend.world import World, inside, world
from nngraph.ir.op import Op, Thunk
from nngraph.ir.reverse import cotangents
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import sum as sum_of
from nngraph.ops.elementwise import add

__all__ = ["Replayed", "adder", "is_foreign"]


@dataclass(frozen=True, eq=False)
class Replayed(Op):
    """An operator that was recorded inside ``vmap``: its rule runs there again.

    What it gives to a tensor from outside is added up over the batch, unless the gradient is asked
    for inside: then each element has one of its own.
    """

    op: Op
    level: Level
    name = "replayed"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return self.op.infer(*types)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        here = world()
        where = self.level.within(here)
        needs = [operand.edge is not None for operand in inputs]
        with inside(where):
            found = cotangents(self.op, inputs, outputs, grads, needs, add)
        summed = [
            None if g is None else _summed(g, operand, where, here)
            for g, operand in zip(found, inputs, strict=True)
        ]
        return [None if g is None else partial(_given, g) for g in summed]


def _given(gradient: Any) -> Any:
    return gradient


def _summed(gradient: Any, operand: Any, where: World, here: World) -> Any:
    own = level_of(operand._kept()[0])
    while isinstance(where, Level) and not where.is_around(here):
        if own is not None and own.key is where.key:
            break
        tensor = gradient._as_tensor()
        if where.owns(tensor._read(where)):
            whole = leave(where, tensor, 0)
            with inside(where.outer):
                gradient = sum_of(whole, 0)
        where = where.outer
    return gradient


def _level(gradient: Any) -> Level | None:
    return level_of(gradient._as_tensor()._storage)


def is_foreign(gradient: Any, here: World) -> bool:
    """Whether a gradient is of an element of a batch which the code is not inside of."""
    level = _level(gradient)
    return level is not None and not level.is_around(here)


def adder(here: World) -> Callable[[Any, Any], Any]:
    """Adds two gradients in the world that knows both."""

    def added(a: Any, b: Any) -> Any:
        one, two = _level(a), _level(b)
        level = two if one is None or (two is not None and one.is_around(two)) else one
        with inside(here if level is None else level.within(here)):
            return add(a, b)

    return added
