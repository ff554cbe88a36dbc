"""Reading and writing whole slices by integer indices, and one-hot rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import DType, bool_, float32, int64
from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import unsqueeze
from nngraph.ops.core import need
from nngraph.ops.creation import iota, zeros_like
from nngraph.ops.elementwise import cast, eq
from nngraph.ops.index.scattering import (
    COMBINATIONS,
    Indexed,
    Scattering,
    in_range,
    need_axis,
    need_indices,
    scatter_flat,
)

__all__ = ["OneHot", "ScatterSlices", "Take", "one_hot", "scatter_slices", "take"]


@dataclass(frozen=True)
class Take(Indexed):
    """Slices of x along ``axis`` at integer indices of any shape (``torch.index_select``).

    The result's shape is ``x.shape[:axis] + indices.shape + x.shape[axis + 1:]``. Negative indices
    count from the end; one outside ``[-n, n)`` raises ``IndexError``.
    """

    name: ClassVar[str] = "take"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, indices = types
        need_indices(self.name, indices)
        need_axis(self.name, self.axis, x)
        shape = x.shape[: self.axis] + indices.shape + x.shape[self.axis + 1 :]
        return (x.with_shape(shape),)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x, indices = inputs
        places = in_range(self.name, indices, self.axis, x.shape[self.axis])
        return (np.asarray(np.take(x, places, self.axis)),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        x, indices = inputs
        return (lambda: scatter_slices(zeros_like(x), indices, grads[0], self.axis, "add"), None)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.random.default_rng(0).standard_normal((3, 4, 2)).astype(np.float32)
        yield Sample(cls(1), (x, np.array([[0, 3], [3, -1]])), note="duplicates, negative")
        yield Sample(cls(0), (x, np.asarray(2)), note="a scalar index")
        yield Sample(cls(2), (x, np.array([1, 0, 1], np.int32)))
        yield Sample(cls(0), (x, np.zeros((0,), np.int64)), note="no index")
        yield Sample(cls(0), (np.arange(5), np.array([4, 1])), smooth=False, note="integers")


@dataclass(frozen=True)
class ScatterSlices(Scattering):
    """x with slices along ``axis`` combined with ``updates`` (of the shape ``Take`` returns).

    ``reduction``: "none" replaces (of duplicate indices the last wins, and as in PyTorch each
    update gets the whole gradient), "add", "mul", "max" and "min" include x's own element. The
    gradient of "mul" is exact at zeros too, its own gradient is not.
    """

    name: ClassVar[str] = "scatter_slices"

    @property
    def reader(self) -> Take:
        return Take(self.axis)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x, indices, updates = inputs
        size = x.shape[self.axis]
        index = in_range(self.name, indices, self.axis, size).reshape(-1).astype(np.intp)
        outer = int(np.prod(x.shape[: self.axis], dtype=np.intp))
        inner = int(np.prod(x.shape[self.axis + 1 :], dtype=np.intp))
        rows = np.arange(outer)[:, None] * size + index
        places = rows[:, :, None] * inner + np.arange(inner)
        return (scatter_flat(x, places, updates, self.reduction),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.random.default_rng(1)
        x = rng.standard_normal((3, 4, 2)).astype(np.float32)
        for reduction in COMBINATIONS:
            u = rng.standard_normal((3, 2, 2, 2)).astype(np.float32)
            i = np.array([[0, 2], [3, -3]])
            yield Sample(cls(1, reduction), (x, i, u), note="every row once")
        u = rng.standard_normal((3, 4, 2)).astype(np.float32)
        for reduction in COMBINATIONS:
            i = np.array([1, 1, 0], np.int32)
            yield Sample(cls(0, reduction), (x, i, u), smooth=reduction != "none", note="repeated")
        ties = np.ones((3, 2), np.float32)
        for reduction in ("max", "min"):
            yield Sample(cls(0, reduction), (ties, np.array([1, 1]), ties[:2]), False, "ties")
        zeros = np.array([[0.0, 2.0], [3.0, 0.0]], np.float32)
        i = np.array([0, 0, 1])
        u = np.array([[2, 0], [4, 0], [0, 5]], np.float32)
        yield Sample(cls(0, "mul"), (zeros, i, u), False, "zeros: exact to first order")
        none = np.zeros((0,), np.int64), np.zeros((0, 4, 2), np.float32)
        yield Sample(cls(0, "add"), (x, *none), note="no index")


@dataclass(frozen=True)
class OneHot(Op):
    """Appends an axis of length ``depth`` that is 1 at the index; rows of other indices are 0."""

    depth: int
    dtype: DType
    name: ClassVar[str] = "one_hot"
    differentiable: ClassVar[bool] = False

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (indices,) = types
        need_indices(self.name, indices)
        need(self.depth >= 0, self.name, "depth", self.depth, "at least 0")
        return (TensorType(self.dtype, (*indices.shape, self.depth)),)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        hot = inputs[0][..., None] == np.arange(self.depth)
        return (hot.astype(self.dtype.numpy),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        (indices,) = inputs
        kind = indices.aval
        shape: tuple[Dim, ...] = (*(1,) * kind.rank, self.depth)
        classes = iota(kind.dtype, shape, kind.rank, like=indices)
        hot = eq(unsqueeze(indices, (kind.rank,)), classes)
        return (hot if self.dtype is bool_ else cast(hot, self.dtype),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(4, float32), (np.array([[0, 3], [1, 1]]),), smooth=False)
        yield Sample(cls(3, int64), (np.array([2, -1, 3], np.int32),), False, "out of range")
        yield Sample(cls(2, bool_), (np.asarray(1),), False, "scalar index, bool")


def take(x: O, indices: O, axis: int = 0) -> O:
    """Slices of ``x`` along ``axis`` at ``indices``."""
    return apply1(Take(axis), x, indices)


def scatter_slices(x: O, indices: O, updates: O, axis: int = 0, reduction: str = "none") -> O:
    """``x`` with the slices at ``indices`` combined with ``updates``."""
    return apply1(ScatterSlices(axis, reduction), x, indices, updates)


def one_hot(indices: O, depth: int, dtype: DType) -> O:
    """Rows that are 1 at the index and 0 elsewhere."""
    return apply1(OneHot(depth, dtype), indices)
