"""The way to pool: planes padded once, vectors along the rows of the output."""

from __future__ import annotations

import math
from typing import Any

from nngraph.backends.tvm.loops.base import Loops, PrimFunc
from nngraph.backends.tvm.machine import Device, Machine
from nngraph.backends.tvm.specs import (
    AveragePool,
    AveragePoolGradient,
    MaxPool,
    MaxPoolGradient,
    accumulator,
)
from nngraph.backends.tvm.strategies.base import Strategy, strategy
from nngraph.backends.tvm.tiles import PlaneTile, cdiv

__all__ = ["POOLS"]

Pool = MaxPool | MaxPoolGradient | AveragePool | AveragePoolGradient
_TASKS = 64  # planes are cheap and many


@strategy(MaxPool, MaxPoolGradient, AveragePool, AveragePoolGradient, device=Device.CPU)
class PlanePool(Strategy[Pool]):
    """Reads windows as taps of zero-padded planes; fits everything."""

    def cost(self, spec: Pool, machine: Machine) -> float:
        pool = spec.pool
        reads = pool.planes * math.prod(pool.out_size) * math.prod(pool.kernel)
        return machine.seconds(reads, accumulator(pool.dtype))

    def tile(self, spec: Pool, machine: Machine) -> PlaneTile:
        lanes = machine.lanes(accumulator(spec.pool.dtype))
        return PlaneTile(lanes, cdiv(spec.pool.planes, _TASKS))

    def build(self, spec: Pool, machine: Machine, loops: Loops, epilogue: Any = None) -> PrimFunc:
        from nngraph.backends.tvm.codegen.window import pool

        tile = self.tile(spec, machine)
        match spec:
            case MaxPool():
                return pool.max_pool(spec, tile, loops)
            case MaxPoolGradient():
                return pool.max_pool_gradient(spec, tile, loops)
            case AveragePool():
                return pool.average_pool(spec, tile, loops)
        return pool.average_pool_gradient(spec, tile, loops)


POOLS: tuple[Strategy[Pool], ...] = (PlanePool(),)
