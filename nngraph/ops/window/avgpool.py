"""Average pooling and its gradient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dtypes import float32
from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply1
from nngraph.ir.types import Shape, TensorType
from nngraph.ops.core import need, need_float, widen
from nngraph.ops.window.pool import need_half_padding
from nngraph.ops.window.sliding import Pairs, Sizes, Windows, need_windows

__all__ = ["AvgPool", "AvgPoolGrad", "avg_pool", "avg_pool_grad"]


_Attributes = tuple[Sizes, Sizes, Pairs, bool, bool, int | None]


@dataclass(frozen=True)
class _AvgPooling(Op):
    """Attributes of both; ``divisor`` replaces the number of elements that a sum is divided by.

    ``count_include_pad`` counts padding as elements, but not what a window of ``ceil_mode`` covers
    beyond it.
    """

    kernel: Sizes
    stride: Sizes
    padding: Pairs
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor: int | None = None

    @property
    def windows(self) -> Windows:
        ones = (1,) * len(self.kernel)
        return Windows(self.kernel, self.stride, self.padding, ones, self.ceil_mode)

    def _pooled(self, x: TensorType) -> TensorType:
        need_float(self.name, "the input", x)
        need(self.divisor != 0, self.name, "divisor", self.divisor, "None or not zero")
        counts = need_windows(self.name, self.windows, x)
        need_half_padding(self.name, self.windows)
        return x.with_shape((*x.shape[:2], *counts))

    def divisors(self, sizes: Sizes) -> Array:
        """What each window's sum is divided by, for known spatial sizes (int64[*places])."""
        counts = self.windows.places(sizes)
        if self.divisor is not None:
            return np.full(counts, self.divisor, np.int64)
        total: Array = np.ones((1,) * len(sizes), np.int64)
        lines = (self._covered(a, n, c) for a, (n, c) in enumerate(zip(sizes, counts, strict=True)))
        for line in np.ix_(*lines):
            total = total * line
        return total

    def _covered(self, axis: int, size: int, count: int) -> Array:
        low, high = self.padding[axis]
        start = np.arange(count, dtype=np.int64) * self.stride[axis] - low
        end = np.minimum(start + self.kernel[axis], size + high)
        if not self.count_include_pad:
            start, end = np.maximum(start, 0), np.minimum(end, size)
        covered: Array = end - start
        return covered

    def _attributes(self) -> _Attributes:
        return (
            self.kernel,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor,
        )


_CASES: tuple[tuple[Sizes, Sizes, Sizes, Pairs, bool, bool, int | None, str], ...] = (
    ((2, 3, 4, 6), (2, 2), (2, 2), ((0, 0), (0, 0)), False, True, None, "2x2"),
    ((1, 2, 5, 4), (3, 2), (2, 1), ((1, 1), (1, 0)), False, True, None, "padding counts"),
    ((1, 2, 5, 4), (3, 2), (2, 1), ((1, 1), (1, 0)), False, False, None, "padding does not"),
    ((1, 2, 6, 5), (3, 3), (2, 2), ((1, 1), (1, 1)), True, True, None, "ceil_mode hangs over"),
    ((1, 1, 6, 5), (3, 2), (2, 3), ((1, 1), (0, 1)), True, False, None, "ceil_mode, without"),
    ((1, 2, 4, 4), (2, 2), (1, 1), ((0, 0), (0, 0)), False, True, 3, "divisor"),
    ((2, 2, 5), (3,), (2,), ((1, 1),), False, True, None, "one spatial axis"),
    ((1, 1, 3, 4, 4), (2, 2, 2), (1, 2, 2), ((0, 0), (1, 1), (0, 0)), False, True, None, "three"),
)


def _cases() -> Iterator[tuple[AvgPool, Array, str]]:
    rng = np.random.default_rng(7)
    for shape, *attributes, note in _CASES:
        x = rng.standard_normal(shape).astype(np.float32)
        yield AvgPool(*attributes), x, note  # type: ignore[arg-type]


@dataclass(frozen=True)
class AvgPool(_AvgPooling):
    """The mean of each window of x[N, C, *S] (``torch.nn.functional.avg_pool2d``)."""

    name: ClassVar[str] = "avg_pool"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (self._pooled(types[0]),)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        sizes, wide = x.shape[2:], widen(x)
        padded = self.windows.pad(wide, 0.0)
        total = np.zeros((*x.shape[:2], *self.windows.places(sizes)), wide.dtype)
        for _, reads in self.windows.taps(sizes):
            total += padded[reads]
        return ((total / self.divisors(sizes).astype(wide.dtype)).astype(x.dtype, copy=False),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        size = inputs[0].aval.shape[2:]
        return (lambda: avg_pool_grad(grads[0], *self._attributes(), size=size),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for op, x, note in _cases():
            yield Sample(op, (x,), note=note)


@dataclass(frozen=True)
class AvgPoolGrad(_AvgPooling):
    """dy -> dx[N, C, *size]: each window's dy spread evenly over what it averaged."""

    size: Shape = ()
    name: ClassVar[str] = "avg_pool_grad"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (dy,) = types
        x = dy.with_shape((*dy.shape[:2], *self.size))
        wanted = self._pooled(x)
        need(dy == wanted, self.name, "dy", dy, f"{wanted}, the pooling's output for {x}")
        return (x,)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (dy,) = inputs
        sizes = TensorType(float32, self.size).static_shape
        wide = widen(dy)
        share = wide / self.divisors(sizes).astype(wide.dtype)
        dx = np.zeros((*dy.shape[:2], *self.windows.padded(sizes)), wide.dtype)
        for _, reads in self.windows.taps(sizes):
            dx[reads] += share
        return (np.ascontiguousarray(dx[self.windows.inside(sizes)], dy.dtype),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return (lambda: avg_pool(grads[0], *self._attributes()),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for op, x, note in _cases():
            (y,) = op.eval(x)
            yield Sample(cls(*op._attributes(), x.shape[2:]), (y,), note=note)


def avg_pool(
    x: O,
    kernel: Sizes,
    stride: Sizes,
    padding: Pairs,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> O:
    """The mean of each window of ``x[N, C, *S]``."""
    return apply1(AvgPool(kernel, stride, padding, ceil_mode, count_include_pad, divisor), x)


def avg_pool_grad(
    dy: O,
    kernel: Sizes,
    stride: Sizes,
    padding: Pairs,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
    *,
    size: Shape,
) -> O:
    """Gradient of an average pooling's input of spatial ``size``."""
    return apply1(
        AvgPoolGrad(kernel, stride, padding, ceil_mode, count_include_pad, divisor, tuple(size)), dy
    )
