"""Convolutions and padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from nngraph import ops
from nngraph.frontend.functional.kinds import need_numbers
from nngraph.frontend.precision.casting import autocasts, cast_as
from nngraph.frontend.promotion import need_fit
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional.sizes import PerAxis, batched, each, need_shape, symmetric

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_tbc",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "pad",
]

_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "circular"}
_LISTED = {"reflect": "reflection", "replicate": "replication"}


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """More elements around the last axes.

    Args:
        input: what to pad.
        pad: before and after, the last axis first; negative numbers cut.
        mode: ``"constant"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        value: of constant padding, 0 if None.

    Raises:
        NotImplementedError: for another mode, or more or fewer axes than it can pad: all but the
            constant one leave one or two in front as they are.
        RuntimeError: for an odd number of paddings, more than there are axes, or a value that the
            dtype cannot hold.
    """
    if mode not in _MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) // 2 > input.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input "
            f"dimension but got padding length {len(pad)} and input of dimension "
            f"{input.ndim}"
        )
    if mode != "constant" and input.ndim - len(pad) // 2 not in (1, 2):
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {input.ndim}D input tensor: "
            f"mode {mode!r} pads all axes but the first one or two"
        )
    if mode in ("reflect", "replicate"):
        need_numbers(f"pad(mode={mode!r})", input.dtype)
        if input.aval.shape[-len(pad) // 2 - 1] == 0:
            raise RuntimeError(
                "Expected tensor with possibly 0 batch size and other non-zero dimensions for "
                f"input, but got: {list(input.aval.shape)}"
            )
    pairs = [(int(pad[i]), int(pad[i + 1])) for i in range(0, len(pad), 2)][::-1]
    whole = [(0, 0)] * (input.ndim - len(pairs)) + pairs
    filling = 0.0 if value is None else value
    need_fit(filling, input.dtype)
    if mode in _LISTED:
        (input,) = cast_as(f"{_LISTED[mode]}_pad{len(pairs)}d", input)
    return ops.pad(input, whole, _MODES[mode], filling)


def _with_bias(out: Tensor, bias: Tensor | None, count: int) -> Tensor:
    need_shape("the bias of a convolution", bias, out.aval.shape[1])
    return out if bias is None else out + bias.reshape(-1, *(1,) * count)


def padding_pairs(
    padding: PerAxis | str, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """Before and after, for each axis of a convolution.

    Raises:
        RuntimeError: for another word than ``"valid"`` and ``"same"``, or strides with ``"same"``.
    """
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        if any(s != 1 for s in stride):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple((t // 2, t - t // 2) for t in totals)
    if isinstance(padding, str):
        raise RuntimeError(f"Invalid padding string: {padding!r}; it must be 'valid' or 'same'")
    return symmetric(each(padding, len(kernel), "padding"))


def _conv(
    name: str,
    count: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: PerAxis,
    padding: PerAxis | str,
    dilation: PerAxis,
    groups: int,
) -> Tensor:
    strides, dilations = each(stride, count, "stride"), each(dilation, count, "dilation")
    kernel = [cast("int", k) for k in weight.aval.shape[2:]]
    pairs = padding_pairs(padding, kernel, strides, dilations)

    def run(x: Tensor) -> Tensor:
        _check_channels(name, x, weight, groups)
        return ops.conv(x, weight, strides, pairs, dilations, groups)

    return batched(name, input, count, lambda x: _with_bias(run(x), bias, count))


def _check_channels(name: str, x: Tensor, weight: Tensor, groups: int) -> None:
    wanted = cast("int", weight.shape[1]) * groups
    if x.shape[1] != wanted:
        raise RuntimeError(
            f"{name}: given groups={groups}, weight of size {list(weight.shape)}, expected "
            f"input{list(x.shape)} to have {wanted} channels, but got {x.shape[1]} channels instead"
        )


@autocasts
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: PerAxis = 1,
    padding: PerAxis | str = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of ``[N, C, L]`` with ``weight [O, C/groups, K]``."""
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@autocasts
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: PerAxis = 1,
    padding: PerAxis | str = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of ``[N, C, H, W]`` with ``weight [O, C/groups, KH, KW]``.

    Args:
        input: also ``[C, H, W]``.
        weight: the filters.
        bias: ``[O]``, added to each channel.
        stride, dilation: one number or one for each axis.
        padding: likewise, or ``"valid"``, or ``"same"`` for an output of the input's size.
        groups: parts into which channels fall that do not see each other.

    Raises:
        RuntimeError: if sizes do not fit.
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@autocasts
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: PerAxis = 1,
    padding: PerAxis | str = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of ``[N, C, D, H, W]`` with ``weight [O, C/groups, KD, KH, KW]``."""
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def _transposed(
    name: str,
    count: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: PerAxis,
    padding: PerAxis,
    output_padding: PerAxis,
    groups: int,
    dilation: PerAxis,
) -> Tensor:
    if weight.ndim != count + 2 or 0 in weight.aval.shape[:2]:
        raise RuntimeError(
            f"{name}: the weight is {weight.aval}; it must have {count + 2} axes, and channels"
        )
    strides, dilations = each(stride, count, "stride"), each(dilation, count, "dilation")
    pads, extra = each(padding, count, "padding"), each(output_padding, count, "output_padding")
    kernel = [cast("int", k) for k in weight.aval.shape[2:]]
    for e, s, d in zip(extra, strides, dilations, strict=True):
        if e >= s and e >= d:
            raise RuntimeError(
                "output padding must be smaller than either stride or dilation, but "
                f"got output_padding {e}, stride {s}, dilation {d}"
            )

    # From a stride on, where dilation lets it go, more output is less padding, and zeros after it.
    within = [min(e, s - 1) for e, s in zip(extra, strides, strict=True)]
    uncut = [min(e - w, p) for e, w, p in zip(extra, within, pads, strict=True)]
    zeros = [(0, e - w - u) for e, w, u in zip(extra, within, uncut, strict=True)]
    both = tuple((p, p - u) for p, u in zip(pads, uncut, strict=True))

    def run(x: Tensor) -> Tensor:
        size = tuple(
            (n - 1) * s - low - high + d * (k - 1) + e + 1
            for n, s, (low, high), d, k, e in zip(
                x.aval.shape[2:], strides, both, dilations, kernel, within, strict=True
            )
        )
        if any(isinstance(n, int) and n < 0 for n in size):
            raise RuntimeError(
                f"{name}: the output of an input of {x.aval} would be of the spatial size {size}; "
                "use a larger input, less padding or a larger kernel"
            )
        y = ops.conv_input_grad(x, weight, size, strides, both, dilations, groups)
        return ops.pad(y, ((0, 0), (0, 0), *zeros)) if any(e for _, e in zeros) else y

    return batched(name, input, count, lambda x: _with_bias(run(x), bias, count))


@autocasts
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: PerAxis = 1,
    padding: PerAxis = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
) -> Tensor:
    """The adjoint of ``conv1d``; ``weight`` is ``[C, O/groups, K]``."""
    return _transposed(
        "conv_transpose1d",
        1,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


@autocasts
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: PerAxis = 1,
    padding: PerAxis = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
) -> Tensor:
    """The adjoint of ``conv2d``; ``weight`` is ``[C, O/groups, KH, KW]``."""
    return _transposed(
        "conv_transpose2d",
        2,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


@autocasts
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: PerAxis = 1,
    padding: PerAxis = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
) -> Tensor:
    """The adjoint of ``conv3d``; ``weight`` is ``[C, O/groups, KD, KH, KW]``."""
    return _transposed(
        "conv_transpose3d",
        3,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


@autocasts
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """``conv1d`` of ``[T, N, C]`` with ``weight [K, C, O]`` and ``bias [O]``: ``[T', N, O]``.

    Raises:
        RuntimeError: for other shapes.
    """
    fits = input.ndim == 3 and weight.ndim == 3 and bias.ndim == 1
    if not fits or input.shape[2] != weight.shape[1] or weight.shape[2] != bias.shape[0]:
        raise RuntimeError(
            "conv_tbc: expected input [T, N, C], weight [K, C, O] and bias [O], "
            f"but got {input.aval}, {weight.aval} and {bias.aval}"
        )
    found = conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return found.permute(2, 0, 1)
