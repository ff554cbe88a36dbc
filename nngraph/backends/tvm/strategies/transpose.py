"""Ways to transpose."""

from __future__ import annotations

import math
from typing import Any

from nngraph.backends.tvm.loops.base import Loops, PrimFunc
from nngraph.backends.tvm.machine import Device, Machine
from nngraph.backends.tvm.specs import TransposeSpec
from nngraph.backends.tvm.strategies.base import Strategy, strategy
from nngraph.backends.tvm.tiles import MoveTile

__all__ = ["TRANSPOSES"]

_VECTOR = 16
_STRIPS = (128, 64, 32, 16)
_STRIDED = 4.0
"""Time of an element read far from the one before, against one of a tile that the cache holds."""


@strategy(TransposeSpec, device=Device.CPU)
class RowTranspose(Strategy[TransposeSpec]):
    """Writes the result row by row, wherever the elements lie; fits everything."""

    def cost(self, spec: TransposeSpec, machine: Machine) -> float:
        contiguous = spec.walked == len(spec.shape) - 1
        return machine.seconds(math.prod(spec.shape) * (1.0 if contiguous else _STRIDED))

    def tile(self, spec: TransposeSpec, machine: Machine) -> MoveTile:
        return MoveTile(1, spec.out_shape[-1] if spec.shape else 1)

    def build(
        self, spec: TransposeSpec, machine: Machine, loops: Loops, epilogue: Any = None
    ) -> PrimFunc:
        from nngraph.backends.tvm.codegen.transpose import build_transpose

        return build_transpose(spec, self.tile(spec, machine), loops)


@strategy(TransposeSpec, device=Device.CPU)
class TileTranspose(Strategy[TransposeSpec]):
    """Tiles with vectors along the source's rows and strips along the result's."""

    def fits(self, spec: TransposeSpec, machine: Machine) -> str | None:
        if spec.walked == len(spec.shape) - 1:
            return "rows stay rows"
        if spec.out_shape[spec.walked] % _VECTOR:
            return f"the source's rows are no multiple of {_VECTOR}"
        return None if spec.out_shape[-1] >= _VECTOR else "the result's rows are short"

    def cost(self, spec: TransposeSpec, machine: Machine) -> float:
        return machine.seconds(math.prod(spec.shape))

    def tile(self, spec: TransposeSpec, machine: Machine) -> MoveTile:
        last = spec.out_shape[-1]
        return MoveTile(_VECTOR, next((s for s in _STRIPS if last % s == 0), last))

    def build(
        self, spec: TransposeSpec, machine: Machine, loops: Loops, epilogue: Any = None
    ) -> PrimFunc:
        from nngraph.backends.tvm.codegen.transpose import build_transpose

        return build_transpose(spec, self.tile(spec, machine), loops)


TRANSPOSES: tuple[Strategy[TransposeSpec], ...] = (RowTranspose(), TileTranspose())
