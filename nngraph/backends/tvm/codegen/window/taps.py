"""Convolutions as sums over taps: where each tap of each output position lies in a padded plane.

Input and output are laid out so that every tap is one constant offset from the position's place:
`y[q] = sum over c, t of w[c, t] * plane[c][q + offset[t]]`.

- Forward with stride s: the copy into the plane splits each dimension by `i % s`, so that positions
  one apart in the output are one apart in each part, and loads are contiguous.
- Input gradient with stride s: x splits into s^n phases by `i % s`; in each, a part of the taps
  contributes, with stride 1 over dy.

This module is arithmetic only; it does not import tvm.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nngraph.backends.tvm.specs import ConvForward, ConvInputGradient, ConvSpec


@dataclass(frozen=True)
class Part:
    """What is copied of one dimension: plane index `first + i` <- source `start + i step`."""

    first: int
    start: int
    step: int
    count: int


@dataclass(frozen=True)
class Phase:
    """Target positions `start + i * stride` and the range of taps that reach them."""

    start: tuple[int, ...]
    extent: tuple[int, ...]
    first_tap: int
    taps: int


@dataclass(frozen=True)
class TapPlan:
    """One convolution: a plane for each source channel, and the taps in it."""

    source_size: tuple[int, ...]
    target_size: tuple[int, ...]
    target_stride: tuple[int, ...]
    plane: tuple[int, ...]  # extent of one part of a plane
    parts: tuple[tuple[Part, ...], ...]  # one Part for each dimension, for each part of a plane
    phases: tuple[Phase, ...]
    offsets: tuple[int, ...]  # of each tap, ordered by phase
    kernel_index: tuple[int, ...]  # flat index of each tap in the kernel
    # for each tap and dimension, the positions [low, high) at which it does not fall on padding
    inside: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def useful(self) -> float:
        """Share of taps that do not fall on padding."""
        hits = total = 0
        for phase in self.phases:
            total += phase.taps * math.prod(phase.extent)
            for tap in self.inside[phase.first_tap : phase.first_tap + phase.taps]:
                ranges = zip(tap, phase.extent, strict=True)
                hits += math.prod(max(0, min(hi, n) - max(lo, 0)) for (lo, hi), n in ranges)
        return hits / max(total, 1)

    @property
    def pitch(self) -> tuple[int, ...]:
        """Strides of a plane."""
        return strides(self.plane)

    @property
    def plane_size(self) -> int:
        return len(self.parts) * math.prod(self.plane)


def strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides in elements."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


@functools.lru_cache(256)
def forward_plan(spec: ConvSpec) -> TapPlan:
    """Source x, target y."""
    reach = [[divmod(k * d, s) for k in range(n)] for n, s, d in _axes(spec)]
    plane = tuple(
        max(q for q, _ in taps) + out for taps, out in zip(reach, spec.out_size, strict=True)
    )
    remainders = [sorted({r for _, r in taps}) for taps in reach]
    combinations = list(itertools.product(*remainders))
    parts = tuple(
        tuple(_forward_part(spec, i, r, plane[i]) for i, r in enumerate(combination))
        for combination in combinations
    )
    pitch = strides(plane)
    offsets, inside_ranges = [], []
    for tap in itertools.product(*reach):
        part = combinations.index(tuple(r for _, r in tap))
        pieces = zip(parts[part], tap, strict=True)
        inside_ranges.append(tuple((p.first - q, p.first + p.count - q) for p, (q, _) in pieces))
        inside = sum(q * p for (q, _), p in zip(tap, pitch, strict=True))
        offsets.append(part * math.prod(plane) + inside)
    taps = len(offsets)
    whole = Phase((0,) * len(plane), spec.out_size, 0, taps)
    ones = (1,) * len(plane)
    return TapPlan(
        spec.size,
        spec.out_size,
        ones,
        plane,
        parts,
        (whole,),
        tuple(offsets),
        tuple(range(taps)),
        tuple(inside_ranges),
    )


def _axes(spec: ConvSpec) -> list[tuple[int, int, int]]:
    return list(zip(spec.kernel, spec.stride, spec.dilation, strict=True))


def _forward_part(spec: ConvSpec, axis: int, remainder: int, extent: int) -> Part:
    """Plane index i of this part holds x[i * stride + remainder - pad_low]."""
    s, low, n = spec.stride[axis], spec.pad_low[axis], spec.size[axis]
    first = max(0, -(-(low - remainder) // s))
    start = first * s + remainder - low
    count = max(0, min(extent - first, -(-(n - start) // s)))
    return Part(first, start, s, count)


@functools.lru_cache(256)
def input_gradient_plan(spec: ConvSpec) -> TapPlan:
    """Source dy, target dx."""
    by_axis = [_axis_phases(spec, axis) for axis in range(len(spec.size))]
    low = [max([0, *(-o for p in axis for _, o in p[2])]) for axis in by_axis]
    plane = tuple(
        max([1, *(lo + o + extent for _, extent, taps in axis for _, o in taps)])
        for axis, lo in zip(by_axis, low, strict=True)
    )
    parts = tuple(
        Part(lo, 0, 1, max(0, min(out, n - lo)))
        for lo, out, n in zip(low, spec.out_size, plane, strict=True)
    )
    pitch, kernel_pitch = strides(plane), strides(spec.kernel)
    phases: list[Phase] = []
    offsets: list[int] = []
    kernel_index: list[int] = []
    inside: list[tuple[tuple[int, int], ...]] = []
    for combination in itertools.product(*by_axis):
        first = len(offsets)
        for tap in itertools.product(*(taps for _, _, taps in combination)):
            offsets.append(sum((o + lo) * p for (_, o), lo, p in zip(tap, low, pitch, strict=True)))
            inside.append(tuple((-o, p.count - o) for (_, o), p in zip(tap, parts, strict=True)))
            kernel_index.append(sum(k * p for (k, _), p in zip(tap, kernel_pitch, strict=True)))
        start = tuple(a for a, _, _ in combination)
        extent = tuple(e for _, e, _ in combination)
        phases.append(Phase(start, extent, first, len(offsets) - first))
    return TapPlan(
        spec.out_size,
        spec.size,
        spec.stride,
        plane,
        (parts,),
        tuple(phases),
        tuple(offsets),
        tuple(kernel_index),
        tuple(inside),
    )


AxisPhase = tuple[int, int, list[tuple[int, int]]]


def _axis_phases(spec: ConvSpec, axis: int) -> list[AxisPhase]:
    """For each phase: its start, its extent, and (kernel index, offset in dy) of its taps."""
    n, s, low = spec.size[axis], spec.stride[axis], spec.pad_low[axis]
    d = spec.dilation[axis]
    result = []
    for start in range(min(s, n)):
        reach = [(k, start + low - k * d) for k in range(spec.kernel[axis])]
        taps = [(k, at // s) for k, at in reach if at % s == 0]
        result.append((start, -(-(n - start) // s), taps))
    return result


WeightIndex = Callable[[Any, Any, Any, Any], Any]
"""(group, target channel, source channel, kernel index) -> flat index in the weight."""


@dataclass(frozen=True)
class TapSum:
    """A sum over taps and source channels; channels are those of one group."""

    name: str
    plan: TapPlan
    batch: int
    groups: int
    source_channels: int
    target_channels: int
    weight_size: int
    weight_index: WeightIndex
    dtype: str


@functools.lru_cache(256)
def tap_sum(spec: ConvForward | ConvInputGradient) -> TapSum:
    """A convolution, or its input gradient, as a sum over taps."""
    conv = spec.conv
    channels, outs = conv.channels // conv.groups, conv.out_channels // conv.groups
    taps = math.prod(conv.kernel)
    rest = (conv.batch, conv.groups)
    size = math.prod(conv.weight_shape)

    def forward(group: Any, out: Any, channel: Any, tap: Any) -> Any:
        return ((group * outs + out) * channels + channel) * taps + tap

    def backward(group: Any, channel: Any, out: Any, tap: Any) -> Any:
        return forward(group, out, channel, tap)

    if isinstance(spec, ConvForward):
        plan = forward_plan(conv)
        return TapSum("conv_forward", plan, *rest, channels, outs, size, forward, conv.dtype)
    plan = input_gradient_plan(conv)
    return TapSum("conv_input_gradient", plan, *rest, outs, channels, size, backward, conv.dtype)
