"""Ways to compute the weight gradient of a convolution."""

from __future__ import annotations

import math
from typing import Any

from nngraph.backends.tvm.codegen.window.taps import forward_plan
from nngraph.backends.tvm.loops.base import Loops, PrimFunc
from nngraph.backends.tvm.machine import Device, Machine
from nngraph.backends.tvm.specs import ConvSpec, ConvWeightGradient, accumulator
from nngraph.backends.tvm.strategies.base import Strategy, strategy
from nngraph.backends.tvm.tiles import ChannelWeightTile, PositionWeightTile, cdiv

__all__ = ["WEIGHT_GRADIENTS"]

_POSITIONS = 2.1
"""Time of a multiply-add with positions in lanes, against one with channels: two loads for each,
and the sum over lanes. Half a vector of channels is as fast, as timings had it.
"""
_ROWS = {True: 12, False: 6}
"""Rows of a tile, of two vectors of sums each, in 32 registers and in 16."""
_TAPS = {True: 16, False: 12}
"""Sums of one vector each in registers."""
_TOGETHER = 256  # positions whose sums stay in registers
_TASKS = 16


def _seconds(spec: ConvSpec, machine: Machine) -> float:
    taps = math.prod(spec.kernel) * spec.channels // spec.groups
    adds = spec.batch * math.prod(spec.out_size) * spec.out_channels * taps
    return machine.seconds(adds, accumulator(spec.dtype))


@strategy(ConvWeightGradient, device=Device.CPU)
class ChannelWeights(Strategy[ConvWeightGradient]):
    """Output channels in lanes, (channel, tap) pairs in the rows of a tile."""

    def cost(self, spec: ConvWeightGradient, machine: Machine) -> float:
        outs = spec.conv.out_channels // spec.conv.groups
        width = _width(spec.conv, machine)
        return _seconds(spec.conv, machine) * (cdiv(outs, width) * width / outs)

    def tile(self, spec: ConvWeightGradient, machine: Machine) -> ChannelWeightTile:
        conv = spec.conv
        width = _width(conv, machine)
        blocks = cdiv(conv.out_channels // conv.groups, width)
        pairs = conv.channels // conv.groups * math.prod(conv.kernel)
        rows = _rows(pairs, _ROWS[machine.many_registers])
        tiles = cdiv(pairs, rows)
        wanted = max(1, _TOGETHER // math.prod(conv.out_size))
        together = max(d for d in range(1, wanted + 1) if conv.batch % d == 0)
        split = max(1, min(tiles, cdiv(_TASKS, conv.groups * blocks)))
        return ChannelWeightTile(width, rows, together, cdiv(tiles, split))

    def build(
        self, spec: ConvWeightGradient, machine: Machine, loops: Loops, epilogue: Any = None
    ) -> PrimFunc:
        from nngraph.backends.tvm.codegen.window.weight_gradient import build_channel_lanes

        return build_channel_lanes(spec, self.tile(spec, machine), loops)


def _width(conv: ConvSpec, machine: Machine) -> int:
    vector = machine.lanes(accumulator(conv.dtype))
    return vector if conv.out_channels // conv.groups <= vector else 2 * vector


def _rows(pairs: int, most: int) -> int:
    """Rows (channel, tap) of a tile: as few wasted as possible, at least half as many as fit."""
    candidates = range(min(most // 2, pairs), min(most, pairs) + 1)
    return min(candidates, key=lambda r: (cdiv(pairs, r) * r, -r))


@strategy(ConvWeightGradient, device=Device.CPU)
class PositionWeights(Strategy[ConvWeightGradient]):
    """Positions in lanes, one output channel and one channel at a time: for depthwise ones."""

    def cost(self, spec: ConvWeightGradient, machine: Machine) -> float:
        return _POSITIONS * _seconds(spec.conv, machine)

    def tile(self, spec: ConvWeightGradient, machine: Machine) -> PositionWeightTile:
        conv = spec.conv
        channels, taps = conv.channels // conv.groups, len(forward_plan(conv).offsets)
        split = max(1, min(channels, cdiv(_TASKS // 2, conv.groups)))
        held = cdiv(taps, cdiv(taps, _TAPS[machine.many_registers]))
        lanes = machine.lanes(accumulator(conv.dtype))
        return PositionWeightTile(lanes, held, cdiv(channels, split))

    def build(
        self, spec: ConvWeightGradient, machine: Machine, loops: Loops, epilogue: Any = None
    ) -> PrimFunc:
        from nngraph.backends.tvm.codegen.window.weight_gradient import build_position_lanes

        return build_position_lanes(spec, self.tile(spec, machine), loops)


WEIGHT_GRADIENTS: tuple[Strategy[ConvWeightGradient], ...] = (ChannelWeights(), PositionWeights())
