"""Convolution in 1, 2 and 3 dimensions and its gradients: the choice of a kernel for each shape.

- 1x1 with stride 1 and one group is a batched matrix product over the images.
- All else is a sum over taps in zero-padded planes (`conv_taps`, `conv_weight`): any stride,
  dilation, padding and groups, depthwise included; what differs is the register tile.
"""

from __future__ import annotations

import math
from dataclasses import replace

from nngraph.backends.tvm.specs import ConvSpec, GemmSpec, MatrixLayout
from nngraph.backends.tvm.strategies.common import Epilogue, Expr, PrimFunc
from nngraph.backends.tvm.strategies.conv_taps import TapConv, build_tap_conv
from nngraph.backends.tvm.strategies.conv_weight import build_weight_gradient
from nngraph.backends.tvm.strategies.gemm import gemm
from nngraph.backends.tvm.strategies.taps import forward_plan, input_gradient_plan


def conv_forward(spec: ConvSpec, epilogue: Epilogue | None = None) -> PrimFunc:
    """The output y. Parameters: x, weight, extras, y, further outputs; flat but the extras.

    The epilogue's index is `[image, out channel, *position]`.
    """
    if is_pointwise(spec):
        return _pointwise(spec, epilogue, gradient=False)
    plan = forward_plan(spec)
    channels, per_out = spec.channels // spec.groups, spec.out_channels // spec.groups
    taps = math.prod(spec.kernel)

    def index(group: Expr, out: Expr, channel: Expr, tap: Expr) -> Expr:
        return ((group * per_out + out) * channels + channel) * taps + tap

    conv = TapConv(
        "conv_forward",
        plan,
        spec.batch,
        spec.groups,
        channels,
        per_out,
        math.prod(spec.weight_shape),
        index,
        spec.dtype,
    )
    return build_tap_conv(conv, epilogue)


def conv_input_gradient(spec: ConvSpec, epilogue: Epilogue | None = None) -> PrimFunc:
    """The gradient dx of the input. Parameters: dy, weight, extras, dx, further outputs; flat.

    Also the transposed convolution. The epilogue's index is `[image, channel, *position]` in dx.
    """
    if is_pointwise(spec):
        return _pointwise(spec, epilogue, gradient=True)
    plan = input_gradient_plan(spec)
    channels, per_out = spec.channels // spec.groups, spec.out_channels // spec.groups
    taps = math.prod(spec.kernel)

    def index(group: Expr, channel: Expr, out: Expr, tap: Expr) -> Expr:
        return ((group * per_out + out) * channels + channel) * taps + tap

    conv = TapConv(
        "conv_input_gradient",
        plan,
        spec.batch,
        spec.groups,
        per_out,
        channels,
        math.prod(spec.weight_shape),
        index,
        spec.dtype,
    )
    return build_tap_conv(conv, epilogue)


def conv_weight_gradient(spec: ConvSpec) -> PrimFunc:
    """The gradient of the weight. Parameters: x, dy, dweight; flat. Sums have a fixed order."""
    return build_weight_gradient(spec)


def is_pointwise(spec: ConvSpec) -> bool:
    """Whether the convolution is a matrix product of each image: 1x1, stride 1, no padding."""
    ones = (1,) * len(spec.size)
    zeros = (0,) * len(spec.size)
    return (
        spec.groups == 1
        and spec.kernel == spec.stride == ones
        and spec.pad_low == spec.pad_high == zeros
    )


def _pointwise(spec: ConvSpec, epilogue: Epilogue | None, gradient: bool) -> PrimFunc:
    """As y[n] = W x[n], or dx[n] = W' dy[n]; a 1x1 epilogue index is spread over the positions."""
    positions = math.prod(spec.size)
    rows, inner = spec.out_channels, spec.channels
    weight = MatrixLayout(spec.channels, 1, (0,))
    if gradient:
        rows, inner, weight = inner, rows, MatrixLayout(1, spec.channels, (0,))
    source = MatrixLayout(positions, 1, (inner * positions,))
    target = MatrixLayout(positions, 1, (rows * positions,))
    product = GemmSpec(
        rows, positions, inner, (spec.batch,), weight, source, target, spec.dtype, spec.dtype
    )
    return gemm(product, _spread(epilogue, spec.size), swap_arguments=True)


def _spread(epilogue: Epilogue | None, size: tuple[int, ...]) -> Epilogue | None:
    from nngraph.backends.tvm.strategies.common import unflatten

    if epilogue is None:
        return None
    apply = epilogue.apply
    return replace(epilogue, apply=lambda v, i, e: apply(v, [*i[:-1], *unflatten(i[-1], size)], e))
