"""Random graphs of elementwise operators over all element types, on values that break algebra."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from nngraph import ops
from nngraph.ir.builder import Builder
from nngraph.ir.dtypes import (
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Array
from nngraph.ir.types import type_of_array

__all__ = ["TYPES", "arithmetic", "same_bits", "special"]

TYPES = (
    *(float16, bfloat16, float32, float64, bool_),
    *(int8, int16, int32, int64, uint8, uint16, uint32, uint64),
)
_UNARY = {
    "f": "neg abs sign floor ceil trunc round relu sqrt reciprocal rsqrt copy isnan isinf isfinite",
    "i": "neg abs sign relu bitwise_not copy",
    "b": "logical_not bitwise_not copy",
}
_BINARY = {
    "f": "add sub mul div maximum minimum remainder fmod floor_divide eq ne lt le gt ge",
    "i": "add sub mul maximum minimum bitwise_and bitwise_or bitwise_xor shift_left shift_right "
    "eq ne lt le gt ge",
    "b": "logical_and logical_or logical_xor bitwise_xor eq ne lt le",
}
_FOLDS = "sum max min mean prod"


def special(rng: np.random.Generator, dtype: DType, shape: Sequence[int]) -> Array:
    """Limits, zeros of both signs, NaN, infinities, denormal numbers; and ordinary ones."""
    if dtype is bool_:
        return rng.integers(0, 2, shape).astype(bool)
    few: list[Any]
    if dtype.is_floating_point:
        limits = ml_dtypes.finfo(dtype.numpy)
        ends = [float(v) for v in (limits.max, limits.tiny, limits.smallest_subnormal)]
        few = [0.0, -0.0, np.nan, np.inf, -np.inf, 1, -1, 2, 0.5, -2.5, 3, 1e-3, 7.25, 1e8, -1e8]
        few += [*ends, *(-v for v in ends), 3 * ends[1]]
        usual = rng.standard_normal(shape) * rng.choice([1.0, 10.0, 1e-3, 100.0], shape)
    else:
        ends = [int(np.iinfo(dtype.numpy).min), int(np.iinfo(dtype.numpy).max)]
        few = [*ends, ends[0] + 1, ends[1] - 1, 0, 1, 2, 3, max(-1, ends[0]), max(-2, ends[0])]
        usual = rng.integers(max(ends[0], -20), 20, shape)
    with np.errstate(over="ignore"):
        rare = np.array(few, dtype.numpy)[rng.integers(0, len(few), shape)]
        return np.where(rng.random(shape) < 0.5, rare, usual.astype(dtype.numpy))


def arithmetic(seed: int) -> tuple[Graph, list[Array]]:
    """A graph and what to run it on; every operator's result is defined on every machine."""
    rng = np.random.default_rng(seed)
    columns, rows = int(rng.choice([1, 3, 7, 16, 19, 64, 70])), int(rng.choice([1, 1, 3, 5]))
    shapes = [(rows, columns), (rows, columns), (rows, 1), (1, columns), (columns,)]
    graph, arrays, values = Graph(f"arithmetic{seed}"), [], []
    for number in rng.choice(len(TYPES), 3, replace=False):
        for _ in range(2):
            arrays.append(special(rng, TYPES[number], shapes[rng.integers(len(shapes))]))
            values.append(graph.add_input(type_of_array(arrays[-1])))
    with Builder(graph):
        for _ in range(int(rng.integers(6, 26))):
            values.append(_step(rng, values))
    for value in values[6:]:
        if not value.is_used or rng.random() < 0.15:
            graph.add_output(value)
    return graph, arrays


def _step(rng: np.random.Generator, values: Sequence[Value]) -> Value:
    """One more operator on some of the values."""
    x = values[rng.integers(len(values))]
    dtype = x.type.dtype
    alike = [v for v in values if v.type.dtype is dtype]
    y = x if rng.random() < 0.2 else alike[rng.integers(len(alike))]
    if rng.random() < 0.2:
        y = ops.full_like(x, special(rng, dtype, (1,))[0].item())
    match rng.choice(["cast", "where", "clip", "pow", "fold", "unary", *["binary"] * 6]):
        case "cast":
            wanted = [t for t in TYPES if not dtype.is_floating_point or not t.is_integer]
            return ops.cast(x, wanted[rng.integers(len(wanted))])
        case "where":
            conditions = [v for v in values if v.type.dtype is bool_] or [ops.eq(x, y)]
            return ops.where(conditions[rng.integers(len(conditions))], x, y)
        case "clip" if dtype is not bool_:
            low, high = sorted(special(rng, int8, (2,)).tolist())
            return ops.clip(x, low, high)
        case "pow" if dtype.is_integer:
            return ops.pow(x, ops.full_like(x, int(rng.integers(4))))
        case "fold" if dtype.is_floating_point:
            axes = tuple(a for a, n in enumerate(x.type.static_shape) if n == 1)
            if axes:
                return _chosen(rng, _FOLDS)(x, axes, True)
        case "unary":
            return _chosen(rng, _UNARY[_kind(dtype)])(x)
    return _chosen(rng, _BINARY[_kind(dtype)])(x, y)


def _kind(dtype: DType) -> str:
    return "b" if dtype is bool_ else "f" if dtype.is_floating_point else "i"


def _chosen(rng: np.random.Generator, names: str) -> Callable[..., Value]:
    function: Callable[..., Value] = getattr(ops, str(rng.choice(names.split())))
    return function


def same_bits(got: Array, want: Array) -> bool:
    """Equal bit by bit, but that any NaN is like any other."""
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    if want.dtype.kind in "biu":
        return bool((got == want).all())
    both = np.isnan(got) & np.isnan(want)
    word = np.dtype(f"u{want.dtype.itemsize}")
    return bool((both | (got.view(word) == want.view(word))).all())
