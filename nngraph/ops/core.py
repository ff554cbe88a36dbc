"""What the operator families share: literals, broadcasting, and the checks of ``infer``."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import DType, Kind, bfloat16, float16
from nngraph.ir.literal import Literal
from nngraph.ir.op import Array, Op, Sample
from nngraph.ir.types import Shape, TensorType, TypeMismatch

__all__ = [
    "Literal",
    "Takes",
    "broadcast_shapes",
    "contiguous",
    "mean_of",
    "mismatch",
    "need",
    "need_axes",
    "need_float",
    "need_same_dtype",
    "normalize_axes",
    "normalize_axis",
    "reduced_samples",
    "reduced_shape",
    "sum_of",
    "widen",
]

_HALVES = (float16.numpy, bfloat16.numpy)
_SHORT = 1024  # float32 terms that may be added up one after the other


class Takes(enum.Enum):
    """The element types that an operator accepts."""

    FLOATS = ((Kind.FLOAT,), "of a floating point type")
    NUMBERS = (
        (Kind.FLOAT, Kind.INT, Kind.UINT),
        "of a floating point or integer type (cast a bool first)",
    )
    INTEGERS = ((Kind.INT, Kind.UINT), "of an integer type")
    BITS = ((Kind.INT, Kind.UINT, Kind.BOOL), "of an integer type or bool")
    BOOLS = ((Kind.BOOL,), "bool (compare with 0 first)")
    ALL = ((Kind.FLOAT, Kind.INT, Kind.UINT, Kind.BOOL), "a tensor")

    def __init__(self, kinds: tuple[Kind, ...], words: str) -> None:
        self.kinds = kinds
        self.words = words  # for "it must be ..."


def mismatch(op: str, what: str, got: object, wanted: str) -> TypeMismatch:
    """The error, of one form: operator, operand, got, wanted."""
    return TypeMismatch(f"{op}: {what} is {got}; it must be {wanted}")


def need(condition: bool, op: str, what: str, got: object, wanted: str) -> None:
    """Raises ``mismatch``. (Where texts have to be formatted first, a rule raises it itself.)"""
    if not condition:
        raise mismatch(op, what, got, wanted)


def need_float(op: str, what: str, kind: TensorType) -> None:
    """Raises ``TypeMismatch`` unless ``kind`` is of a floating point type."""
    need(kind.dtype.is_floating_point, op, what, kind, "of a floating point type")


def need_same_dtype(op: str, types: Sequence[TensorType]) -> DType:
    """The element type that all operands share; raises ``TypeMismatch`` if they differ."""
    first = types[0].dtype
    for position, kind in enumerate(types):
        if kind.dtype is not first:
            wanted = f"of the first operand's type {first.name}"
            raise mismatch(op, f"operand {position}", kind, wanted)
    return first


def broadcast_shapes(op: str, shapes: Sequence[Shape]) -> Shape:
    """NumPy's broadcasting; a symbolic dimension fits itself and 1.

    Raises:
        TypeMismatch: if two dimensions differ and neither is 1.
    """
    rank = max(len(s) for s in shapes)
    out: list[Dim] = []
    for axis in range(rank):
        dims = [s[axis - rank + len(s)] for s in shapes if axis - rank + len(s) >= 0]
        wide = [d for d in dims if d != 1]
        for d in wide:
            if d != wide[0]:
                shown = " and ".join(str(list(map(str, s))).replace("'", "") for s in shapes)
                raise TypeMismatch(
                    f"{op}: shapes {shown} do not broadcast: {wide[0]} against {d} "
                    f"in axis {axis - rank}; sizes must be equal or 1"
                )
        out.append(wide[0] if wide else 1)
    return tuple(out)


def normalize_axis(axis: int, rank: int, op: str = "operator") -> int:
    """A non-negative axis.

    Raises:
        IndexError: if it is out of range (PyTorch's kind of error).
    """
    if not -rank <= axis < rank and not (rank == 0 and axis in (0, -1)):
        raise IndexError(
            f"{op}: dimension out of range (expected to be in [{-rank}, {rank - 1}], got {axis})"
        )
    return axis % rank if rank else 0


def normalize_axes(
    axes: Sequence[int] | int | None, rank: int, op: str = "operator"
) -> tuple[int, ...]:
    """Sorted non-negative axes; None means all.

    Raises:
        IndexError: if one is out of range.
        ValueError: if one is given twice.
    """
    if axes is None:
        return tuple(range(rank))
    listed = [axes] if isinstance(axes, int) else list(axes)
    out = sorted(normalize_axis(a, rank, op) for a in listed)
    if len(set(out)) != len(out):
        raise ValueError(f"{op}: an axis appears twice in {listed}")
    return tuple(out)


def reduced_shape(shape: Shape, axes: Sequence[int], keepdims: bool) -> Shape:
    """The shape after folding ``axes``."""
    if keepdims:
        return tuple(1 if a in axes else d for a, d in enumerate(shape))
    return tuple(d for a, d in enumerate(shape) if a not in axes)


def reduced_samples(make: Callable[[tuple[int, ...], bool], Op]) -> Iterable[Sample]:
    """Float samples of every arrangement of axes, for ``make(axes, keepdims)``."""
    x = np.sin(np.arange(24, dtype=np.float32) * 1.7).reshape(2, 3, 4) + np.float32(0.1)
    for axes in ((), (0,), (1,), (2,), (0, 2), (0, 1, 2)):
        yield Sample(make(axes, len(axes) == 2), (x,))
    yield Sample(make((), False), (x[0, 0, 0],), note="rank 0")
    yield Sample(make((0,), True), (x[:1],), note="size 1")
    yield Sample(make((1,), False), (x[:0],), note="empty result")


def need_axes(op: str, axes: Sequence[int], rank: int) -> None:
    """Axes as attributes: sorted, non-negative, each once."""
    fit = all(0 <= a < rank for a in axes) and list(axes) == sorted(set(axes))
    if not fit:
        raise mismatch(op, "axes", tuple(axes), f"sorted and different, in [0, {rank - 1}]")


def widen(array: Array) -> Array:
    """Half precision as float32, to compute in; other arrays as they are."""
    return array.astype(np.float32) if array.dtype in _HALVES else array


def contiguous(array: Any) -> Array:
    """A C-contiguous array of the same rank (NumPy's own turns rank 0 into rank 1)."""
    out: Array = np.asarray(array, order="C")
    return out


def sum_of(x: Array, axes: Sequence[int], keepdims: bool = False) -> Array:
    """Sum over ``axes`` in x's own type; long ones of float32 add up in float64 (docs/numerics.md).

    NumPy adds pairwise along the last axes of contiguous memory only, elsewhere term after term.
    """
    total = np.sum(x, axis=tuple(axes), dtype=_sum_type(x, axes), keepdims=keepdims)
    return np.asarray(total, x.dtype)


def mean_of(x: Array, axes: Sequence[int], keepdims: bool = False) -> Array:
    """Mean over ``axes`` in x's own type, added up as ``sum_of`` does; NaN of nothing."""
    total = np.sum(x, axis=tuple(axes), dtype=_sum_type(x, axes), keepdims=keepdims)
    with np.errstate(all="ignore"):
        return np.asarray(total / total.dtype.type(_count(x, axes)), x.dtype)


def _count(x: Array, axes: Iterable[int]) -> int:
    return math.prod(x.shape[a] for a in axes)


def _sum_type(x: Array, axes: Sequence[int]) -> Any:
    steps = _count(x, axes)
    if x.dtype == np.float32 and steps > _SHORT:
        inner = x.ndim if x.flags.c_contiguous else -1
        while inner - 1 in axes:
            inner -= 1
            steps //= x.shape[inner]
    return np.float64 if x.dtype == np.float32 and steps > _SHORT else x.dtype
