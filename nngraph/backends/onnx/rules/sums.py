"""Sums and means whose rounding errors do not grow with their length (docs/numerics.md).

The runtime's kernels add float32 numbers up one after the other, in one vector at best. Terms are
therefore added in blocks, which costs nothing (it is faster on most shapes), and the blocks' sums
in float64, which are few.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from nngraph.backends.onnx.emission import Site
from nngraph.backends.onnx.rules.shape import filled
from nngraph.backends.onnx.rules.window import product
from nngraph.ir.dims import Dim, SymDim
from nngraph.ir.dtypes import float64
from nngraph.ir.types import Shape
from nngraph.ops.core import reduced_shape

__all__ = ["added", "averaged"]

_SHORT = 1024  # terms that one kernel may add up
_BLOCK = 128  # terms of a block, about
_FEW = 16  # terms that went before, so that what is left costs little in float64
_NARROW = 64  # elements side by side below which the kernel strides instead of using vectors


def added(s: Site, x: str, shape: Shape, axes: Sequence[int], keepdims: bool = False) -> str:
    """The sum of ``x`` of this shape over ``axes``."""
    if s.writer.dtypes[x].is_floating_point:
        return _folded(s, "ReduceSum", x, shape, axes, keepdims)
    return _shaped(s, _added_exactly(s, x, shape, axes), shape, axes, keepdims)


def averaged(s: Site, x: str, shape: Shape, axes: Sequence[int], keepdims: bool = False) -> str:
    """The mean of ``x`` of this shape over ``axes``."""
    return _folded(s, "ReduceMean", x, shape, axes, keepdims)


def _shaped(s: Site, x: str, shape: Shape, axes: Sequence[int], keepdims: bool) -> str:
    """What was folded without ``keepdims``."""
    return s.reshape(x, reduced_shape(shape, axes, True)) if keepdims else x


def _groups(axes: Sequence[int]) -> list[list[int]]:
    """Axes that lie side by side, the innermost group first."""
    groups: list[list[int]] = []
    for a in sorted(axes, reverse=True):
        if groups and groups[-1][0] == a + 1:
            groups[-1].insert(0, a)
        else:
            groups.append([a])
    return groups


def _folded(s: Site, kind: str, x: str, shape: Shape, axes: Sequence[int], keepdims: bool) -> str:
    symbolic = [a for a in axes if isinstance(shape[a], SymDim)]
    known = [a for a in axes if a not in symbolic]
    if not symbolic and _count(shape, axes) <= _SHORT:
        return s(kind, x, s.ints(*axes), keepdims=int(keepdims))
    # The innermost axes first: folding the batch and the last axes at once strides through memory.
    now, done = shape, 1
    for group in _groups(known):
        x = (_fold_group if done < _FEW else _wide)(s, kind, x, now, group)
        done *= _count(now, group)
        now = reduced_shape(now, group, False)
    if symbolic:
        x = _wide(s, kind, x, now, [a - sum(k < a for k in known) for a in symbolic])
    return _shaped(s, x, shape, axes, keepdims)


def _count(shape: Shape, axes: Sequence[int]) -> int:
    return math.prod(d for a in axes if isinstance(d := shape[a], int))


def _wide(s: Site, kind: str, x: str, _shape: Shape, axes: Sequence[int]) -> str:
    """Folded in float64, where the cast alone takes longer than a sum of float32."""
    own = s.writer.dtypes[x]
    return s.cast(s(kind, s.cast(x, float64), s.ints(*axes), keepdims=0), own)


def _fold_group(s: Site, kind: str, x: str, shape: Shape, axes: Sequence[int]) -> str:
    """Neighbouring axes of known size: terms in blocks, then the blocks."""
    lead, tail = shape[: axes[0]], shape[axes[-1] + 1 :]
    count = _count(shape, axes)
    if count <= _SHORT:
        return s(kind, x, s.ints(*axes), keepdims=0)
    block = _divisor(count, _BLOCK // 4, 4 * _BLOCK, _BLOCK)
    if block is None:
        return _wide(s, kind, x, shape, axes)
    blocks = count // block
    beside = _beside(blocks, product(tail))
    rest = (product((beside, *tail)),) if beside > 1 else tail
    x = s.reshape(x, (*lead, blocks // beside, block, *rest), shape)
    x = s(kind, x, s.ints(len(lead) + 1), keepdims=0)
    if beside > 1:
        x = s.reshape(x, (*lead, blocks, *tail), (*lead, blocks // beside, *rest))
    return _wide(s, kind, x, (*lead, blocks, *tail), [len(lead)])


def _beside(blocks: int, width: Dim) -> int:
    """How many blocks go side by side, so that narrow rows fill vectors."""
    if not isinstance(width, int) or not 1 < width < _NARROW:
        return 1
    least = -(-_NARROW // width)
    return _divisor(blocks, least, 4 * least, least) or 1


def _divisor(count: int, least: int, most: int, wanted: int) -> int | None:
    """The divisor in this range that is nearest to the one wanted, as a ratio."""
    found = [d for d in range(least, most + 1) if count % d == 0]
    return min(found, key=lambda d: abs(math.log(d / wanted)), default=None)


def _added_exactly(s: Site, x: str, shape: Shape, axes: Sequence[int]) -> str:
    """Integers: products with ones, for the runtime's sums of integers go through float64."""
    dtype = s.writer.dtypes[x]
    for group in _groups(axes):
        lead, tail = shape[: group[0]], shape[group[-1] + 1 :]
        count = product(shape[group[0] : group[-1] + 1])
        x = s.reshape(x, (product(lead), count, product(tail)), shape)
        x = s("MatMul", filled(s, 1, dtype, (1, count)), x)
        x = s.reshape(x, (*lead, *tail), (product(lead), 1, product(tail)))
        shape = (*lead, *tail)
    return x
