"""Max pooling, the places of its maxima, and its gradient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import bool_, int64
from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply, apply1
from nngraph.ir.types import TensorType, TypeMismatch
from nngraph.ops.broadcast import reshape
from nngraph.ops.core import contiguous, need, widen
from nngraph.ops.creation import zeros_like
from nngraph.ops.index.elements import gather_elements, scatter_elements
from nngraph.ops.index.scattering import scatter_flat
from nngraph.ops.window.sliding import Pairs, Sizes, Windows, need_windows

__all__ = [
    "MaxPool",
    "MaxPoolGrad",
    "MaxPoolIndices",
    "max_pool",
    "max_pool_grad",
    "max_pool_indices",
]


@dataclass(frozen=True)
class _MaxPooling(Op):
    """Attributes of all three: one entry for each of the 1 to 3 spatial axes of x[N, C, *S]."""

    kernel: Sizes
    stride: Sizes
    padding: Pairs
    dilation: Sizes
    ceil_mode: bool = False

    @property
    def windows(self) -> Windows:
        return Windows(self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode)

    def _pooled(self, x: TensorType) -> TensorType:
        need(x.dtype is not bool_, self.name, "the input", x, "of a number type")
        counts = need_windows(self.name, self.windows, x)
        need_half_padding(self.name, self.windows)
        return x.with_shape((*x.shape[:2], *counts))

    def _attributes(self) -> tuple[Any, ...]:
        return tuple(getattr(self, f.name) for f in fields(_MaxPooling))

    @classmethod
    def _cases(cls) -> Iterator[tuple[tuple[Any, ...], Array, bool, str]]:
        """Attributes, x, whether it is smooth, note."""
        rng = np.random.default_rng(5)
        for shape, kernel, stride, padding, dilation, ceil_mode, note in _CASES:
            x = rng.permutation(int(np.prod(shape))).reshape(shape).astype(np.float32) / 8
            yield (kernel, stride, padding, dilation, ceil_mode), x, True, note
        plain = ((2, 2), (1, 1), ((0, 0), (0, 0)), (1, 1), False)
        ties = np.array([[1, 1, 0], [1, 1, 2], [2, 2, 2]], np.float32)[None, None]
        yield plain, ties, False, "ties"
        broken = ties.copy()
        broken[0, 0, 1, 1], broken[0, 0, 0, 2] = np.nan, -np.inf
        yield plain, broken, False, "NaN and infinity"


_CASES: tuple[tuple[Sizes, Sizes, Sizes, Pairs, Sizes, bool, str], ...] = (
    ((2, 3, 4, 6), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), False, "2x2"),
    ((1, 2, 7, 5), (3, 2), (2, 1), ((1, 1), (1, 0)), (1, 1), False, "overlapping, padded"),
    ((1, 2, 7, 6), (2, 3), (2, 2), ((0, 0), (1, 1)), (2, 1), True, "dilated, ceil_mode"),
    ((1, 1, 5, 5), (2, 2), (3, 3), ((1, 1), (0, 0)), (1, 1), True, "ceil_mode drops a window"),
    ((2, 2, 5), (3,), (2,), ((1, 1),), (1,), False, "one spatial axis"),
    ((1, 2, 3, 4, 4), (2, 2, 2), (1, 2, 2), ((0, 0), (1, 1), (0, 0)), (1, 1, 1), False, "three"),
)


def need_half_padding(op: str, windows: Windows) -> None:
    """Refuses windows that could lie in the padding only.

    Raises:
        TypeMismatch: if the padding exceeds half of a window (PyTorch's rule).
    """
    for span, (low, high) in zip(windows.spans, windows.padding, strict=True):
        if max(low, high) > span // 2:
            raise TypeMismatch(
                f"{op}: padding {(low, high)} must be at most half of a window, which spans {span}"
            )


def _lowest(x: Array) -> float:
    return int(np.iinfo(x.dtype).min) if x.dtype.kind in "iu" else float("-inf")


def _maximum(x: Array, windows: Windows) -> Array:
    high = widen(x)
    padded = windows.pad(high, _lowest(high))
    out = np.full((*x.shape[:2], *windows.places(x.shape[2:])), _lowest(high), high.dtype)
    for _, reads in windows.taps(x.shape[2:]):
        np.maximum(out, padded[reads], out=out)
    return out.astype(x.dtype, copy=False)


def _places(x: Array, windows: Windows) -> Array:
    """For each window the flat spatial index of its first maximum (of its last NaN, if any)."""
    return _found(x, windows)[1]


def _found(x: Array, windows: Windows) -> tuple[Array, Array]:
    """The first maximum of each window (of zeros, one of its sign), and its flat index."""
    sizes, high = x.shape[2:], widen(x)
    padded = windows.pad(high, _lowest(high))
    best = np.full((*x.shape[:2], *windows.places(sizes)), _lowest(high), high.dtype)
    # Where the whole window is minus infinity, the first element inside the input counts.
    found = np.array(np.broadcast_to(_first_inside(windows, sizes), best.shape))
    for tap, reads in windows.taps(sizes):
        value = padded[reads]
        better = value > best
        if high.dtype.kind == "f":
            better |= np.isnan(value)
        np.copyto(best, value, where=better)
        np.copyto(found, _flat_places(windows, sizes, tap), where=better)
    return best, found


def _gradient(x: Array, dy: Array, windows: Windows) -> Array:
    """Adds each window's dy where its first maximum lies."""
    sizes, high = x.shape[2:], widen(x)
    top = _maximum(high, windows)
    if not (np.isfinite(top) & (top > _lowest(high))).all():
        # NaN equals nothing and minus infinity equals the padding: go by the places.
        plane = int(np.prod(sizes))
        images = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *(1,) * len(sizes))
        return scatter_flat(np.zeros_like(x), _places(x, windows) + images * plane, dy, "add")
    padded, share = windows.pad(high, _lowest(high)), widen(dy)
    dx = np.zeros_like(padded)
    waiting = np.ones(top.shape, bool)
    for _, reads in windows.taps(sizes):
        hit = (padded[reads] == top) & waiting
        waiting ^= hit
        dx[reads] += np.where(hit, share, 0)
    inside: Array = dx[windows.inside(sizes)]
    return contiguous(inside).astype(x.dtype, copy=False)


def _flat_places(windows: Windows, sizes: Sizes, tap: Sizes) -> Array:
    """The flat index that a tap reads in each window (only meaningful inside the input)."""
    return _flatten([_line(windows, sizes, a, t) for a, t in enumerate(tap)], sizes)


def _first_inside(windows: Windows, sizes: Sizes) -> Array:
    lines = []
    for axis, size in enumerate(sizes):
        start, step = _line(windows, sizes, axis, 0), windows.dilation[axis]
        skipped = -(np.minimum(start, 0) // step)
        lines.append(np.minimum(start + skipped * step, size - 1))
    return _flatten(lines, sizes)


def _line(windows: Windows, sizes: Sizes, axis: int, tap: int) -> Array:
    count = windows.places(sizes)[axis]
    start = tap * windows.dilation[axis] - windows.padding[axis][0]
    return np.arange(count, dtype=np.int64) * windows.stride[axis] + start


def _flatten(lines: Sequence[Array], sizes: Sizes) -> Array:
    flat: Array = np.zeros((1,) * len(sizes), np.int64)
    for size, line in zip(sizes, np.ix_(*lines), strict=True):
        flat = flat * size + line
    return flat


@dataclass(frozen=True)
class MaxPool(_MaxPooling):
    """The maximum of each window; NaN propagates (``torch.max_pool2d``)."""

    name: ClassVar[str] = "max_pool"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (self._pooled(types[0]),)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return (_maximum(inputs[0], self.windows),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return (lambda: max_pool_grad(inputs[0], grads[0], *self._attributes()),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for attributes, x, smooth, note in cls._cases():
            yield Sample(cls(*attributes), (x,), smooth, note)
        attributes, x, _, _ = next(cls._cases())
        yield Sample(cls(*attributes), (x.astype(np.int32),), False, "integers")


@dataclass(frozen=True)
class MaxPoolIndices(_MaxPooling):
    """Maxima and their int64 places in the flattened spatial axes (``return_indices=True``).

    The first of equal maxima counts.
    """

    name: ClassVar[str] = "max_pool_indices"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        pooled = self._pooled(types[0])
        return pooled, pooled.with_dtype(int64)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        values, places = _found(x, self.windows)
        return values.astype(x.dtype, copy=False), places

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        if grads[0] is None:
            return (None,)
        return (lambda: _write_planes(inputs[0], outputs[1], grads[0]),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for attributes, x, smooth, note in cls._cases():
            yield Sample(cls(*attributes), (x,), smooth, note)


@dataclass(frozen=True)
class MaxPoolGrad(_MaxPooling):
    """(x, dy) -> dx: each window's dy is added where its first maximum lies."""

    name: ClassVar[str] = "max_pool_grad"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, dy = types
        wanted = self._pooled(x)
        need(dy == wanted, self.name, "dy", dy, f"{wanted}, the pooling's output for {x}")
        return (x,)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x, dy = inputs
        return (_gradient(x, dy, self.windows),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        x, dy = inputs
        _, places = max_pool_indices(x, *self._attributes())
        return (_write_planes(x, places, dy),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        x, dy = inputs

        def to_dy() -> Any:
            _, places = max_pool_indices(x, *self._attributes())
            read = gather_elements(_flat_planes(grads[0]), _flat_planes(places), 2)
            return reshape(read, dy.aval.shape)

        return (None, to_dy)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.random.default_rng(6)
        for attributes, x, smooth, note in cls._cases():
            op = cls(*attributes)
            shape = op._pooled(Sample(op, (x,)).types[0]).static_shape
            dy = rng.standard_normal(shape).astype(np.float32)
            yield Sample(op, (x, dy), smooth, note)


def _flat_planes(x: Any) -> Any:
    """x[N, C, *S] as [N, C, product of S]."""
    spatial: Dim = 1
    for size in x.aval.shape[2:]:
        spatial = spatial * size
    return reshape(x, (*x.aval.shape[:2], spatial))


def _write_planes(x: Any, places: Any, dy: Any) -> Any:
    """Zeros of x's shape with dy added at flat spatial places."""
    target = _flat_planes(zeros_like(x))
    dx = scatter_elements(target, _flat_planes(places), _flat_planes(dy), 2, "add")
    return reshape(dx, x.aval.shape)


def max_pool(
    x: O, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, ceil_mode: bool = False
) -> O:
    """The maximum of each window of ``x[N, C, *S]``."""
    return apply1(MaxPool(kernel, stride, padding, dilation, ceil_mode), x)


def max_pool_indices(
    x: O, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, ceil_mode: bool = False
) -> tuple[O, O]:
    """Maxima and the flat spatial places of the first ones."""
    values, places = apply(MaxPoolIndices(kernel, stride, padding, dilation, ceil_mode), x)
    return values, places


def max_pool_grad(
    x: O,
    dy: O,
    kernel: Sizes,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    ceil_mode: bool = False,
) -> O:
    """Gradient of a max pooling's input."""
    return apply1(MaxPoolGrad(kernel, stride, padding, dilation, ceil_mode), x, dy)
