"""Ways to compute a convolution in 1, 2 or 3 dimensions, and its input gradient.

1x1 with stride 1 and one group is a matrix product of each image. All else is a sum over taps in
zero-padded planes: any stride, dilation, padding and groups, depthwise included; what differs is
what a tile of registers holds.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from nngraph.backends.tvm.codegen.window.taps import TapSum, tap_sum
from nngraph.backends.tvm.loops.base import Loops, PrimFunc
from nngraph.backends.tvm.machine import Device, Machine
from nngraph.backends.tvm.specs import (
    ConvForward,
    ConvInputGradient,
    ConvSpec,
    GemmSpec,
    MatrixLayout,
    accumulator,
)
from nngraph.backends.tvm.strategies.base import Strategy, cheapest, strategy
from nngraph.backends.tvm.strategies.gemm import PRODUCTS
from nngraph.backends.tvm.tiles import TapTile, cdiv

__all__ = ["CONVOLUTIONS"]

Conv = ConvForward | ConvInputGradient
_SUMS = {True: 16, False: 12}
"""Vectors of sums in 32 registers, and in 16: with more of them they would go to memory."""
_POSITIONS = {True: 8, False: 6}
"""Positions of a tile with channels in lanes, of two vectors of sums each."""
_IMAGES = {True: 8, False: 4}
"""The same where each is of another image; 6 would leave more of the last tile empty."""
_CHANNELS = 1.15
"""Time of a tap with channels in lanes, against one with positions in lanes; measured."""
_MANY_IMAGES = 1.2
"""The same with positions of several images, where only taps inside the source are summed."""
_USEFUL = 0.91
"""Share of taps inside the source from which finding them does not pay; measured."""
_DEPTH = 64
"""Taps and source channels of a sum, below which channels in lanes do not pay for the store."""
_WEIGHTS = 40000
"""Weights of a tile's channels that stay in the second cache: 160 KB of float32."""
_TASKS = 16


def is_pointwise(spec: ConvSpec) -> bool:
    """Whether the convolution is a matrix product of each image: 1x1, stride 1, no padding."""
    ones = (1,) * len(spec.size)
    zeros = (0,) * len(spec.size)
    return (
        spec.groups == 1
        and spec.kernel == spec.stride == ones
        and spec.pad_low == spec.pad_high == zeros
    )


def product_of(spec: Conv) -> GemmSpec:
    """A pointwise convolution as y[n] = W x[n], or dx[n] = W' dy[n]."""
    conv = spec.conv
    positions = math.prod(conv.size)
    rows, inner = conv.out_channels, conv.channels
    weight = MatrixLayout(conv.channels, 1, (0,))
    if isinstance(spec, ConvInputGradient):
        rows, inner, weight = inner, rows, MatrixLayout(1, conv.channels, (0,))
    source = MatrixLayout(positions, 1, (inner * positions,))
    target = MatrixLayout(positions, 1, (rows * positions,))
    shape = (rows, positions, inner, (conv.batch,))
    return GemmSpec(*shape, weight, source, target, conv.dtype, conv.dtype, swapped=True)


@strategy(ConvForward, ConvInputGradient, device=Device.CPU)
class PointwiseConv(Strategy[Conv]):
    """A matrix product of each image: no copy of the planes."""

    def fits(self, spec: Conv, machine: Machine) -> str | None:
        return None if is_pointwise(spec.conv) else "not 1x1 with stride 1, one group, no padding"

    def cost(self, spec: Conv, machine: Machine) -> float:
        product = product_of(spec)
        return cheapest(PRODUCTS, product, machine).cost(product, machine)

    def tile(self, spec: Conv, machine: Machine) -> object:
        product = product_of(spec)
        return cheapest(PRODUCTS, product, machine).tile(product, machine)

    def build(self, spec: Conv, machine: Machine, loops: Loops, epilogue: Any = None) -> PrimFunc:
        from nngraph.backends.tvm.codegen.common import unflatten

        product, size = product_of(spec), spec.conv.size
        if epilogue is not None:
            apply = epilogue.apply

            def spread(value: Any, index: list[Any], extras: list[Any]) -> Any:
                return apply(value, [*index[:-1], *unflatten(index[-1], size)], extras)

            epilogue = replace(epilogue, apply=spread)
        return cheapest(PRODUCTS, product, machine).build(product, machine, loops, epilogue)


class _Taps(Strategy[Conv]):
    """What the sums over taps share."""

    def fits(self, spec: Conv, machine: Machine) -> str | None:
        if is_pointwise(spec.conv):
            return "a matrix product does the same without a copy of the planes"
        return self.closed(tap_sum(spec), machine)

    def closed(self, conv: TapSum, machine: Machine) -> str | None:
        """Why this tile does not fit a sum over taps."""
        return None

    def factor(self, conv: TapSum, machine: Machine) -> float:
        """Time against that of the useful multiply-adds alone, at their best."""
        raise NotImplementedError

    def cost(self, spec: Conv, machine: Machine) -> float:
        conv = tap_sum(spec)
        return machine.seconds(_multiply_adds(conv), _acc(conv)) * self.factor(conv, machine)

    def build(self, spec: Conv, machine: Machine, loops: Loops, epilogue: Any = None) -> PrimFunc:
        from nngraph.backends.tvm.codegen.window.tap_conv import build_tap_conv

        tile = self.tile(spec, machine)
        assert isinstance(tile, TapTile)
        return build_tap_conv(spec, tile, loops, epilogue)


@strategy(ConvForward, ConvInputGradient, device=Device.CPU)
class RowTapConv(_Taps):
    """Positions of a row in lanes: for long rows."""

    def factor(self, conv: TapSum, machine: Machine) -> float:
        vector, width = machine.lanes(_acc(conv)), conv.plan.phases[0].extent[-1]
        return cdiv(width, vector) * vector / max(width, 1)

    def tile(self, spec: Conv, machine: Machine) -> TapTile:
        conv = tap_sum(spec)
        vector = machine.lanes(_acc(conv))
        rows = min(8 if machine.many_registers else 4, conv.target_channels)
        segments = min(8, _SUMS[machine.many_registers] // rows)
        phases = conv.plan.phases
        longest = max(math.prod(p.extent[:-1]) * cdiv(p.extent[-1], vector) for p in phases)
        positions = min(segments, max(longest, 1))
        return TapTile(rows, positions, vector, False, False, 1, _images_per_task(conv))


@strategy(ConvForward, ConvInputGradient, device=Device.CPU)
class ChannelTapConv(_Taps):
    """Target channels in lanes: for short rows and many channels."""

    def closed(self, conv: TapSum, machine: Machine) -> str | None:
        vector = machine.lanes(_acc(conv))
        if conv.target_channels < vector:
            return f"{conv.target_channels} target channels do not fill a vector of {vector}"
        depth = conv.source_channels * len(conv.plan.offsets) / len(conv.plan.phases)
        return None if depth >= _DEPTH else f"sums of {depth:g} taps are shorter than {_DEPTH}"

    def factor(self, conv: TapSum, machine: Machine) -> float:
        return _CHANNELS * _ragged(conv, machine)

    def tile(self, spec: Conv, machine: Machine) -> TapTile:
        conv = tap_sum(spec)
        vector = machine.lanes(_acc(conv))
        block = _channel_block(conv, vector)
        positions = _POSITIONS[machine.many_registers]
        return TapTile(block, positions, vector, True, False, 1, _images_per_task(conv))


@strategy(ConvForward, ConvInputGradient, device=Device.CPU)
class ImageTapConv(ChannelTapConv):
    """Target channels in lanes and one position of many images: skips taps on the padding."""

    def closed(self, conv: TapSum, machine: Machine) -> str | None:
        images = _IMAGES[machine.many_registers]
        if conv.batch < images:
            return f"{conv.batch} images are fewer than {images}"
        if conv.plan.useful >= _USEFUL:
            return f"{conv.plan.useful:.0%} of the taps are inside, too many to look for the others"
        return super().closed(conv, machine)

    def factor(self, conv: TapSum, machine: Machine) -> float:
        return _ragged(conv, machine) * (_MANY_IMAGES * conv.plan.useful)

    def tile(self, spec: Conv, machine: Machine) -> TapTile:
        conv = tap_sum(spec)
        vector = machine.lanes(_acc(conv))
        block = _channel_block(conv, vector)
        images = _IMAGES[machine.many_registers]
        blocks, parts = cdiv(conv.target_channels, block), cdiv(conv.batch, images)
        per = cdiv(blocks, min(blocks, cdiv(_TASKS, parts)))
        chunks = cdiv(conv.source_channels * max(len(conv.plan.offsets), 1) * block, _WEIGHTS)
        return TapTile(block, images, vector, True, True, chunks, per)


def _acc(conv: TapSum) -> str:
    return accumulator(conv.dtype)


def _multiply_adds(conv: TapSum) -> float:
    positions = math.prod(conv.plan.target_size) * len(conv.plan.offsets) / len(conv.plan.phases)
    return conv.batch * conv.groups * conv.target_channels * conv.source_channels * positions


def _channel_block(conv: TapSum, vector: int) -> int:
    return vector if conv.target_channels <= vector else 2 * vector


def _ragged(conv: TapSum, machine: Machine) -> float:
    block = _channel_block(conv, machine.lanes(_acc(conv)))
    return cdiv(conv.target_channels, block) * block / conv.target_channels


def _images_per_task(conv: TapSum) -> int:
    """A few images, whose planes stay in the cache; 0 for so few that blocks are the tasks."""
    return cdiv(conv.batch, _TASKS) if conv.batch >= 4 else 0


CONVOLUTIONS: tuple[Strategy[Conv], ...] = (
    PointwiseConv(),
    RowTapConv(),
    ChannelTapConv(),
    ImageTapConv(),
)
