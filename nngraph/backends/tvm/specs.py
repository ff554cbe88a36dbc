"""What each hand-scheduled kernel computes, as frozen values: hashable, printable, free of tvm.

`repr(spec)` describes a kernel fully, so it serves as the key of a `KernelRequest`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from nngraph.ops.index.scattering import COMBINATIONS


def accumulator(dtype: str) -> str:
    """The type in which products and sums of `dtype` are accumulated."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype


@dataclass(frozen=True)
class MatrixLayout:
    """Where the elements of a stack of matrices lie in a flat buffer: strides in elements.

    A stride of 0 broadcasts. `batch` has one stride for each batch dimension of the product.
    """

    row: int
    column: int
    batch: tuple[int, ...] = ()


@dataclass(frozen=True)
class GemmSpec:
    """C[b] = A[b] @ B[b]: A is rows x inner, B inner x columns, C rows x columns, for b in batch.

    Layouts say how each lies in memory, so a transposed, broadcast or head-interleaved operand
    needs no copy. float16 and bfloat16 are accumulated in float32, integers wrap around.
    `swapped`: the kernel takes B before A.
    """

    rows: int
    columns: int
    inner: int
    batch: tuple[int, ...]
    a: MatrixLayout
    b: MatrixLayout
    c: MatrixLayout
    dtype: str = "float32"
    out_dtype: str = "float32"
    swapped: bool = False

    @classmethod
    def contiguous(
        cls,
        rows: int,
        columns: int,
        inner: int,
        *,
        transpose_a: bool = False,
        transpose_b: bool = False,
        batch: tuple[int, ...] = (),
        batch_a: tuple[int, ...] | None = None,
        batch_b: tuple[int, ...] | None = None,
        dtype: str = "float32",
        out_dtype: str | None = None,
    ) -> GemmSpec:
        """Row-major operands; `batch_a`, `batch_b`: their batch shapes, 1 where they broadcast."""
        shape_a = (inner, rows) if transpose_a else (rows, inner)
        shape_b = (columns, inner) if transpose_b else (inner, columns)
        a = _contiguous(shape_a, batch, batch if batch_a is None else batch_a, transpose_a)
        b = _contiguous(shape_b, batch, batch if batch_b is None else batch_b, transpose_b)
        c = _contiguous((rows, columns), batch, batch, False)
        return cls(rows, columns, inner, batch, a, b, c, dtype, out_dtype or dtype)

    def folded(self) -> GemmSpec:
        """The same product with batch dimensions turned into rows where B does not depend on them.

        Only trailing batch dimensions fold, the last one first.
        """
        spec = self
        while spec.batch and (spec.batch[-1] == 1 or spec._rows_continue()):
            rows, kept = spec.rows * spec.batch[-1], len(spec.batch) - 1
            a, b, c = (
                MatrixLayout(x.row, x.column, x.batch[:kept]) for x in (spec.a, spec.b, spec.c)
            )
            spec = replace(spec, rows=rows, batch=spec.batch[:kept], a=a, b=b, c=c)
        return spec

    def _rows_continue(self) -> bool:
        return self.b.batch[-1] == 0 and all(
            x.batch[-1] == self.rows * x.row for x in (self.a, self.c)
        )

    def size(self, operand: MatrixLayout, shape: tuple[int, int]) -> int:
        """Elements of the flat buffer that holds `operand`."""
        extents = (*shape, *self.batch)
        if math.prod(extents) == 0:
            return 0
        strides = (operand.row, operand.column, *operand.batch)
        return 1 + sum((n - 1) * s for n, s in zip(extents, strides, strict=True))


def _contiguous(
    shape: tuple[int, int], batch: tuple[int, ...], own: tuple[int, ...], transposed: bool
) -> MatrixLayout:
    if len(own) != len(batch) or any(o not in (1, n) for o, n in zip(own, batch, strict=True)):
        raise ValueError(f"an operand's batch shape is {own}; wanted {batch}, or 1 in some places")
    strides: list[int] = []
    step = math.prod(shape)
    for extent, whole in zip(reversed(own), reversed(batch), strict=True):
        strides.insert(0, step if extent == whole else 0)
        step *= extent
    row, column = (1, shape[1]) if transposed else (shape[1], 1)
    return MatrixLayout(row, column, tuple(strides))


@dataclass(frozen=True)
class ConvSpec:
    """A convolution in 1, 2 or 3 spatial dimensions, and with it both of its gradients.

    x: (batch, channels, *size); weight: (out_channels, channels / groups, *kernel);
    y: (batch, out_channels, *out_size). Padding is by zeros, before and after each dimension.
    A transposed convolution is the input gradient: its input is y, its result x, whose `size`
    (output padding included) is given.
    """

    batch: int
    channels: int
    out_channels: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad_low: tuple[int, ...]
    pad_high: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    dtype: str = "float32"

    def __post_init__(self) -> None:
        per_dimension = (self.kernel, self.stride, self.pad_low, self.pad_high, self.dilation)
        if any(len(x) != len(self.size) for x in per_dimension):
            raise ValueError(f"{self}: wanted one entry for each of {len(self.size)} dimensions")
        if self.channels % self.groups or self.out_channels % self.groups:
            raise ValueError(f"{self}: groups has to divide both numbers of channels")
        if min(self.out_size) < 1:
            raise ValueError(f"{self}: the window is larger than the padded input")

    @property
    def out_size(self) -> tuple[int, ...]:
        """Spatial size of y."""
        zipped = zip(
            self.size,
            self.kernel,
            self.stride,
            self.pad_low,
            self.pad_high,
            self.dilation,
            strict=True,
        )
        return tuple((n + lo + hi - d * (k - 1) - 1) // s + 1 for n, k, s, lo, hi, d in zipped)

    @property
    def x_shape(self) -> tuple[int, ...]:
        """Of the input and of its gradient."""
        return (self.batch, self.channels, *self.size)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Of the weight and of its gradient."""
        return (self.out_channels, self.channels // self.groups, *self.kernel)

    @property
    def y_shape(self) -> tuple[int, ...]:
        """Of the output and of its gradient."""
        return (self.batch, self.out_channels, *self.out_size)


@dataclass(frozen=True)
class PoolSpec:
    """Pooling windows over `planes` planes (batch times channels) of 1, 2 or 3 dimensions.

    `out_size` is explicit: windows may reach over the end (ceil_mode). `pad_high` counts for
    `count_include_pad` only: an average divides by the part of its window that lies within the
    padded input, or, without `count_include_pad`, within the input; or by `divisor`, if given.
    """

    planes: int
    size: tuple[int, ...]
    out_size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad_low: tuple[int, ...]
    pad_high: tuple[int, ...]
    dilation: tuple[int, ...]
    count_include_pad: bool = True
    dtype: str = "float32"
    divisor: int | None = None

    @property
    def windows(self) -> ConvSpec:
        """The convolution of one channel that has these windows."""
        axes = zip(
            self.size,
            self.out_size,
            self.kernel,
            self.stride,
            self.pad_low,
            self.dilation,
            strict=True,
        )
        high = tuple((m - 1) * s + d * (k - 1) + 1 - n - lo for n, m, k, s, lo, d in axes)
        return ConvSpec(
            self.planes,
            1,
            1,
            self.size,
            self.kernel,
            self.stride,
            self.pad_low,
            high,
            self.dilation,
            1,
            self.dtype,
        )


@dataclass(frozen=True)
class MaxPool:
    """The maximum of each window, and with `indices` the place of each in its plane."""

    pool: PoolSpec
    indices: bool = False


@dataclass(frozen=True)
class MaxPoolGradient:
    """The gradient of x, from x and the gradient of y."""

    pool: PoolSpec


@dataclass(frozen=True)
class AveragePool:
    """The average of each window."""

    pool: PoolSpec


@dataclass(frozen=True)
class AveragePoolGradient:
    """The gradient of x, from that of y."""

    pool: PoolSpec


@dataclass(frozen=True)
class ConvForward:
    """The output y of a convolution, from x and weight."""

    conv: ConvSpec


@dataclass(frozen=True)
class ConvInputGradient:
    """The gradient of x, from that of y and weight; also the transposed convolution."""

    conv: ConvSpec


@dataclass(frozen=True)
class ConvWeightGradient:
    """The gradient of the weight, from x and the gradient of y."""

    conv: ConvSpec


def check_reduction(reduction: str) -> None:
    """Raises ValueError for what is not in `COMBINATIONS`."""
    if reduction not in COMBINATIONS:
        raise ValueError(f"reduction is {reduction!r}; wanted one of {COMBINATIONS}")


@dataclass(frozen=True)
class TransposeSpec:
    """x of `shape` with axes permuted: axis `i` of the result is axis `perm[i]` of x.

    `dtype` is the type of elements as stored; nothing is computed.
    """

    shape: tuple[int, ...]
    perm: tuple[int, ...]
    dtype: str = "float32"

    @property
    def out_shape(self) -> tuple[int, ...]:
        return tuple(self.shape[a] for a in self.perm)

    @property
    def walked(self) -> int:
        """The axis of the result along which x is contiguous; -1 of a scalar."""
        return self.perm.index(len(self.shape) - 1) if self.shape else -1


@dataclass(frozen=True)
class TakeSpec:
    """Rows by index: data (outer, rows, inner), index (count,), result (outer, count, inner).

    A negative index counts from the end. One out of range is clamped when read and ignored when
    written: no kernel touches foreign memory.
    """

    outer: int
    rows: int
    inner: int
    count: int
    dtype: str = "float32"
    index_dtype: str = "int64"


@dataclass(frozen=True)
class ElementsSpec:
    """Elements by index along `axis`: index and result (or updates) have `index_shape`.

    `reduction` of a scatter: one of `COMBINATIONS`. Indices as in `TakeSpec`.
    """

    data_shape: tuple[int, ...]
    index_shape: tuple[int, ...]
    axis: int
    reduction: str = "none"
    dtype: str = "float32"
    index_dtype: str = "int64"

    def __post_init__(self) -> None:
        check_reduction(self.reduction)
        pairs = zip(self.data_shape, self.index_shape, strict=True)
        fits = all(i <= n or a == self.axis for a, (n, i) in enumerate(pairs))
        if not fits or not 0 <= self.axis < len(self.data_shape):
            raise ValueError(f"{self}: the index may exceed the data along `axis` only")


@dataclass(frozen=True)
class SortSpec:
    """A stable sort of each row of (rows, columns); the first `keep` of each are returned.

    NaN counts as larger than every number, as in PyTorch.
    """

    rows: int
    columns: int
    keep: int
    descending: bool = False
    dtype: str = "float32"
    index_dtype: str = "int64"


@dataclass(frozen=True)
class ScanSpec:
    """Running sums, or products, along the middle axis of (outer, length, inner).

    `exclusive` leaves out the element itself, `reverse` runs from the end.
    """

    outer: int
    length: int
    inner: int
    dtype: str = "float32"
    out_dtype: str = "float32"
    exclusive: bool = False
    reverse: bool = False
    product: bool = False
