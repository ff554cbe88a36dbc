"""Rules of convolutions and pools: a batch is more samples, or more groups of channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nngraph.ir.op import Op, apply, apply1
from nngraph.ir.types import TypeMismatch
from nngraph.ops.batching.lane import Lane, Rule
from nngraph.ops.broadcast import reshape
from nngraph.ops.shape import transpose
from nngraph.ops.window import (
    AvgPool,
    AvgPoolGrad,
    Conv,
    ConvInputGrad,
    ConvWeightGrad,
    MaxPool,
    MaxPoolGrad,
    MaxPoolIndices,
)

__all__ = ["RULES"]


def _samples(op: Op, operands: Sequence[Lane]) -> Sequence[Any]:
    """For what treats each sample alone: the samples of all elements of the batch in a row."""
    first = operands[0]
    outs = apply(op, *(o.folded() for o in operands))
    return [reshape(o, (first.size, first.aval.shape[0], *o.aval.shape[1:])) for o in outs]


def _convolution(op: Any, operands: Sequence[Lane]) -> Sequence[Any]:
    x, w = operands
    if not w.is_batched:
        out = apply1(op, x.folded(), w.inner)
        return (reshape(out, (x.size, x.aval.shape[0], *out.aval.shape[1:])),)
    out = apply1(_grouped(op, x), _as_channels(x), w.folded())
    return (_from_channels(out, x),)


def _weight_gradient(op: ConvWeightGrad, operands: Sequence[Lane]) -> Sequence[Any]:
    x, dy = operands
    out = apply1(_grouped(op, x), _as_channels(x), _as_channels(dy))
    return (reshape(out, (x.size, dy.aval.shape[1], *out.aval.shape[1:])),)


def _grouped(op: Any, like: Lane) -> Any:
    """The operator with a group, or groups, of channels for each element of the batch."""
    if not isinstance(like.size, int):
        raise TypeMismatch(
            f"vmap: {op.name} of weights that differ needs the size of the batch, and {like.size} "
            "is known to the call only; give the axis a number, as in ng.spec((8, 3))"
        )
    return replace(op, groups=op.groups * like.size)


def _as_channels(x: Lane) -> Any:
    """``[N, batch * C, ...]``."""
    samples, channels, *rest = x.aval.shape
    swapped = _swapped(x.whole)
    return reshape(swapped, (samples, x.size * channels, *rest))


def _from_channels(x: Any, like: Lane) -> Any:
    samples, channels, *rest = x.aval.shape
    return _swapped(reshape(x, (samples, like.size, channels // like.size, *rest)))


def _swapped(x: Any) -> Any:
    return transpose(x, (1, 0, *range(2, x.aval.rank)))


_POOLS: Sequence[type[Op]] = (AvgPool, AvgPoolGrad, MaxPool, MaxPoolGrad, MaxPoolIndices)

RULES: dict[type[Op], Rule] = {
    Conv: _convolution,
    ConvInputGrad: _convolution,
    ConvWeightGrad: _weight_gradient,
    **dict.fromkeys(_POOLS, _samples),
}
