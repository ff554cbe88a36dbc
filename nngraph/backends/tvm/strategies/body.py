"""Ways to compute a fused body of elementwise operators and reductions.

Which one is open follows from the axes that reductions fold. A vector's width does not depend on
the machine: it is one that divides the last axis, and a wider one is several registers.
"""

from __future__ import annotations

import math
from typing import Any

from nngraph.backends.tvm.codegen.body.plan import BodySpec
from nngraph.backends.tvm.loops.base import Loops, PrimFunc
from nngraph.backends.tvm.machine import Device, Machine
from nngraph.backends.tvm.strategies.base import Strategy, strategy
from nngraph.backends.tvm.tiles import CHUNK, BodyTile

__all__ = ["BODIES"]

_FEW_ROWS = 16
_SIMPLE = 8
"""Operators up to which one vector of sums waits for the latency of its additions: then four, or a
vector four times as wide, are summed at a time.
"""
_WIDE = 64


class _Body(Strategy[BodySpec]):
    """What all share."""

    def cost(self, spec: BodySpec, machine: Machine) -> float:
        return machine.seconds(spec.work)

    def build(
        self, spec: BodySpec, machine: Machine, loops: Loops, epilogue: Any = None
    ) -> PrimFunc:
        from nngraph.backends.tvm.codegen.body.fused import build_fused

        tile = self.tile(spec, machine)
        assert isinstance(tile, BodyTile)
        assert spec.plan is not None, f"{spec} was made to choose for, not to build"
        return build_fused(spec.plan, tile, loops, spec.aliases)


@strategy(BodySpec, device=Device.CPU)
class ElementBody(_Body):
    """No reduction: vectors along the last axis, long rows in several tasks."""

    def fits(self, spec: BodySpec, machine: Machine) -> str | None:
        return "it has reductions" if spec.reduced else None

    def tile(self, spec: BodySpec, machine: Machine) -> BodyTile:
        if not spec.sizes:
            return BodyTile(1, 1, 0)
        few = math.prod(spec.sizes[:-1]) < _FEW_ROWS and spec.sizes[-1] > 2 * CHUNK
        return BodyTile(_dividing(spec.sizes[-1]), 1, CHUNK if few else 0)


@strategy(BodySpec, device=Device.CPU)
class RowBody(_Body):
    """Reductions fold the last axis: a task is a row, vectors run along it."""

    def fits(self, spec: BodySpec, machine: Machine) -> str | None:
        return None if _folds_last(spec) else "no reduction folds the last axis"

    def tile(self, spec: BodySpec, machine: Machine) -> BodyTile:
        several = spec.operators <= _SIMPLE and spec.sizes[-1] % _WIDE == 0
        return BodyTile(_dividing(spec.sizes[-1]), 4 if several else 1, 0)


@strategy(BodySpec, device=Device.CPU)
class ColumnBody(_Body):
    """Reductions fold other axes: vectors hold neighbouring rows, one of each."""

    def fits(self, spec: BodySpec, machine: Machine) -> str | None:
        if not spec.reduced:
            return "it has no reduction"
        return "a reduction folds the last axis" if _folds_last(spec) else None

    def tile(self, spec: BodySpec, machine: Machine) -> BodyTile:
        wide = spec.operators <= _SIMPLE and spec.sizes[-1] % _WIDE == 0
        return BodyTile(_WIDE if wide else _dividing(spec.sizes[-1]), 1, 0)


def _folds_last(spec: BodySpec) -> bool:
    return len(spec.sizes) - 1 in spec.reduced


def _dividing(last: int) -> int:
    """A width that divides the axis; where there is none, one that leaves a short rest."""
    for width in (16, 8, 4):
        if last % width == 0:
            return width
    return 16 if last >= 32 else 8 if last >= 8 else 1


BODIES: tuple[Strategy[BodySpec], ...] = (ElementBody(), RowBody(), ColumnBody())
