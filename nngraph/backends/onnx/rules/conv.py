"""Convolutions and their two gradients, in the forms that measured fastest (see ``choices``)."""

from __future__ import annotations

from typing import Any

from nngraph import ops
from nngraph.backends.onnx.choices import WeightGradient
from nngraph.backends.onnx.emission import Emission, Emissions, OpSite, Site
from nngraph.backends.onnx.fused import BiasConv
from nngraph.backends.onnx.rules.linalg import matrix_product
from nngraph.backends.onnx.rules.sums import added
from nngraph.backends.onnx.rules.window import WindowGrid, product
from nngraph.ir.dims import Dim, positive_part
from nngraph.ir.dtypes import float64
from nngraph.ir.types import Shape

__all__ = ["EMISSIONS", "input_gradient", "grid_of"]


Convolution = ops.Conv | ops.ConvInputGrad | ops.ConvWeightGrad


def grid_of(op: Convolution, kernel: tuple[int, ...], sizes: Shape, counts: Shape) -> WindowGrid:
    """The windows of one of the three convolution operators."""
    return WindowGrid(
        kernel, op.stride, op.dilation, tuple(a for a, _ in op.padding), sizes, counts
    )


def _attributes(grid: WindowGrid, pads: list[int], groups: int) -> dict[str, Any]:
    return {
        "kernel_shape": list(grid.kernel),
        "strides": list(grid.stride),
        "pads": pads,
        "dilations": list(grid.dilation),
        "group": groups,
    }


def _conv(s: OpSite[ops.Conv]) -> str:
    if s.dtype is float64:
        grid = _forward_grid(s, s.op)
        return _convolution64(s, s.inputs[0], s.inputs[1], grid, s.op.groups)
    return _native(s, s.op)


def _bias_conv(s: OpSite[BiasConv]) -> str:
    return _native(s, s.op.inner)


def _forward_grid(s: Site, op: ops.Conv) -> WindowGrid:
    kernel = tuple(int(k) for k in s.types[1].static_shape[2:])
    return grid_of(op, kernel, s.types[0].shape[2:], s.shape[2:])


def _native(s: Site, op: ops.Conv) -> str:
    pads = [*(a for a, _ in op.padding), *(b for _, b in op.padding)]
    return s("Conv", *s.inputs, **_attributes(_forward_grid(s, op), pads, op.groups))


def _grouped(s: Site, x: str, shape: Shape, groups: int) -> tuple[str, Shape]:
    """x[N, C, *P] as [N, G, C/G, P]."""
    new = (shape[0], groups, shape[1] // groups, product(shape[2:]))
    return s.reshape(x, new, shape), new


def _convolution64(s: Site, x: str, w: str, grid: WindowGrid, groups: int) -> str:
    """Taps side by side and one batched product: the runtime has no float64 convolution."""
    n, c, *_ = s.types[0].shape
    columns = _columns(s, x, grid, n, c, groups)
    filters, inner, *_ = s.types[1].static_shape
    taps = int(product(grid.kernel))  # type: ignore[arg-type]
    w = s.reshape(w, (groups, filters // groups, inner, taps))
    w = s("Transpose", w, perm=[0, 1, 3, 2])
    w = s.reshape(w, (1, groups, filters // groups, taps * inner))
    return s.reshape(s("MatMul", w, columns), s.shape)


def _columns(s: Site, x: str, grid: WindowGrid, n: Dim, c: Dim, groups: int) -> str:
    """[N, G, taps * C/G, P] of x[N, C, *S]."""
    shape = (n, c, *grid.counts)
    views = [_grouped(s, v, shape, groups)[0] for v in grid.views(s, grid.pad(s, x))]
    return s("Concat", *views, axis=2) if len(views) > 1 else views[0]


def _input_grad(s: OpSite[ops.ConvInputGrad]) -> str:
    dy, w = s.inputs
    kernel = s.types[1].static_shape[2:]
    grid = grid_of(s.op, kernel, s.op.size, s.types[0].shape[2:])
    return input_gradient(s, dy, w, grid, s.op.groups, s.types[1].shape[1] * s.op.groups)


def input_gradient(s: Site, dy: str, w: str, grid: WindowGrid, groups: int, channels: Dim) -> str:
    """The adjoint of a convolution in its input; the node's first operand is dy's type."""
    if s.dtype is float64:
        return _input_gradient64(s, dy, w, grid, groups, channels)
    width = channels if isinstance(channels, int) else 1
    margins = _flipped_pads(grid)
    if margins is None or s.choices.transposes_convolution(width, max(grid.stride)):
        return _transposed(s, dy, w, grid, groups)
    flipped = _flipped(s, w, grid, groups)
    return s("Conv", dy, flipped, **_attributes(grid, margins, groups))


def _flipped_pads(grid: WindowGrid) -> list[int] | None:
    """Padding of the convolution with flipped weights; None if it does not apply."""
    if any(st > 1 for st in grid.stride):
        return None
    rows = list(zip(grid.spans, grid.low, grid.sizes, grid.counts, strict=True))
    low = [span - 1 - pad for span, pad, _, _ in rows]
    high = [size - count + pad for _, pad, size, count in rows]
    pads = [*low, *high]
    if not all(isinstance(p, int) and p >= 0 for p in pads):
        return None
    return [p for p in pads if isinstance(p, int)]


def _flipped(s: Site, w: str, grid: WindowGrid, groups: int) -> str:
    """w[O, C/G, *K] reversed in each spatial axis, as [C, O/G, *K]."""
    filters, inner, *kernel = s.types[1].static_shape if len(s.types) > 1 else (0, 0)
    axes = [a + 2 for a, k in enumerate(grid.kernel) if k > 1]
    if axes:
        back, ends = s.ints(*[-1] * len(axes)), s.ints(*[-(2**31)] * len(axes))
        w = s("Slice", w, back, ends, s.ints(*axes), back)
    if groups == 1:
        return s("Transpose", w, perm=[1, 0, *range(2, 2 + len(kernel))])
    if filters == groups and inner == 1:
        return w
    w = s.reshape(w, (groups, filters // groups, inner, *kernel))
    w = s("Transpose", w, perm=[0, 2, 1, *range(3, 3 + len(kernel))])
    return s.reshape(w, (groups * inner, filters // groups, *kernel))


def _transposed(s: Site, dy: str, w: str, grid: WindowGrid, groups: int) -> str:
    given = [r - low for r, low in zip(grid.reaches, grid.low, strict=True)]
    # Of what the last window reaches, the padding after the input is cut off.
    over = [g - size for g, size in zip(given, grid.sizes, strict=True)]
    if not all(isinstance(o, int) for o in over):
        return _transposed_open(s, dy, w, grid, groups)
    cut = [max(int(o), 0) for o in over]  # type: ignore[arg-type]
    grow = [max(-int(o), 0) for o in over]  # type: ignore[arg-type]
    attributes = _attributes(grid, [*grid.low, *cut], groups)
    return s("ConvTranspose", dy, w, **attributes, output_padding=grow if any(grow) else None)


def _transposed_open(s: Site, dy: str, w: str, grid: WindowGrid, groups: int) -> str:
    """As far as the windows reach, then cut or filled up to sizes that only a call knows."""
    rank = len(grid.low)
    axes = s.ints(*range(2, 2 + rank))
    whole = s("ConvTranspose", dy, w, **_attributes(grid, [0] * 2 * rank, groups))
    ends = tuple(low + size for low, size in zip(grid.low, grid.sizes, strict=True))
    rest = tuple(positive_part(e - r) for e, r in zip(ends, grid.reaches, strict=True))
    if any(d != 0 for d in rest):
        whole = s("Pad", whole, s.writer.dims((*[0] * rank, *rest)), s.number(0), axes)
    return s("Slice", whole, s.ints(*grid.low), s.writer.dims(ends), axes)


def _input_gradient64(
    s: Site, dy: str, w: str, grid: WindowGrid, groups: int, channels: Dim
) -> str:
    (n, filters, *_) = s.types[0].shape
    inner = channels // groups
    d, _ = _grouped(s, dy, s.types[0].shape, groups)
    taps = int(product(grid.kernel))  # type: ignore[arg-type]
    w = s.reshape(w, (groups, filters // groups, inner, taps))
    w = s("Transpose", w, perm=[0, 3, 2, 1])
    w = s.reshape(w, (1, groups, taps * inner, filters // groups))
    columns = s("MatMul", w, d)  # [N, G, taps * C/G, P]
    if taps > 1:
        parts = s.writer.ops("Split", (columns, s.writer.dims((inner,) * taps)), taps, axis=2)
    else:
        parts = [columns]
    lead = (n, channels)
    return grid.spread(s, [s.reshape(p, (*lead, *grid.counts)) for p in parts], lead)


def _weight_grad(s: OpSite[ops.ConvWeightGrad]) -> str:
    x, dy = s.inputs
    (_, c, *sizes), (_, o, *counts) = s.types[0].shape, s.types[1].shape
    grid = grid_of(s.op, s.op.kernel, tuple(sizes), tuple(counts))
    groups = s.op.groups
    if groups > 1 and groups == c and groups == o:
        return _depthwise_weight(s, x, dy, grid)
    taps = int(product(grid.kernel))  # type: ignore[arg-type]
    form = WeightGradient.SUM
    if groups == 1 and s.dtype is not float64:
        positions = product(grid.counts)
        form = s.choices.weight_gradient(
            c if isinstance(c, int) else 1,
            taps,
            positions if isinstance(positions, int) else 65,
            max(grid.stride),
        )
    if form is WeightGradient.SUM:
        return _weight_by_sum(s, x, dy, grid, taps)
    return _weight_by_products(s, x, dy, grid, form)


def _weight_by_sum(
    s: OpSite[ops.ConvWeightGrad], x: str, dy: str, grid: WindowGrid, taps: int
) -> str:
    """Dy times the transposed columns for each image, then the sum over images."""
    groups, (n, c, *_) = s.op.groups, s.types[0].shape
    d, (_, _, filters, _) = _grouped(s, dy, s.types[1].shape, groups)
    columns = _columns(s, x, grid, n, c, groups)
    each = s("MatMul", d, s("Transpose", columns, perm=[0, 1, 3, 2]))  # [N, G, O/G, taps * C/G]
    total = added(s, each, (n, groups, filters, taps * (c // groups)), (0,))
    inner = c // groups
    total = s.reshape(total, (groups * filters, taps, inner))
    return s.reshape(s("Transpose", total, perm=[0, 2, 1]), s.shape)


def _weight_by_products(s: Site, x: str, dy: str, grid: WindowGrid, form: WeightGradient) -> str:
    """Images moved beside the positions: one long product, for each tap or for all."""
    (n, c, *_), (_, o, *_) = s.types[0].shape, s.types[1].shape
    swap = [1, 0, *range(2, s.types[0].rank)]
    length = n * product(grid.counts)
    d = s.reshape(s("Transpose", dy, perm=swap), (o, length))
    views = grid.views(s, grid.pad(s, s("Transpose", x, perm=swap)))
    rows = [s.reshape(v, (c, length)) for v in views]
    taps = len(rows)
    if form is WeightGradient.COLUMNS and taps > 1:
        columns = s("Concat", *rows, axis=0)
        whole = s.reshape(matrix_product(s, d, columns, tb=True), (o, taps, c))
        return s.reshape(s("Transpose", whole, perm=[0, 2, 1]), s.shape)
    parts = [s.reshape(matrix_product(s, d, r, tb=True), (o, c, 1)) for r in rows]
    return s.reshape(s("Concat", *parts, axis=2) if taps > 1 else parts[0], s.shape)


def _depthwise_weight(s: Site, x: str, dy: str, grid: WindowGrid) -> str:
    """Each tap's view times dy, summed over images and positions."""
    shape = s.types[1].shape
    axes = [a for a in range(len(shape)) if a != 1]
    views = grid.views(s, grid.pad(s, x))
    sums = [added(s, s("Mul", dy, view), shape, axes) for view in views]
    columns = [s("Unsqueeze", t, s.ints(1)) for t in sums]
    return s.reshape(s("Concat", *columns, axis=1) if len(columns) > 1 else columns[0], s.shape)


EMISSIONS: Emissions = {
    ops.Conv: Emission(_conv),
    BiasConv: Emission(_bias_conv),
    ops.ConvInputGrad: Emission(_input_grad),
    ops.ConvWeightGrad: Emission(_weight_grad),
}
