from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from tvm import tirx

from nngraph.backends.tvm.codegen.common import Epilogue
from nngraph.backends.tvm.library import Kernel
from nngraph.backends.tvm.specs import ConvForward, ConvInputGradient, ConvSpec, ConvWeightGradient
from nngraph.backends.tvm.strategies.conv import is_pointwise
from tests.backends.tvm.kernel_case import Array, KernelCase, built, random

Extents = int | tuple[int, ...]


def conv(
    batch: int,
    channels: int,
    out: int,
    size: tuple[int, ...],
    kernel: Extents,
    stride: Extents = 1,
    pad: Extents = 0,
    dilation: Extents = 1,
    groups: int = 1,
    pad_high: Extents | None = None,
    dtype: str = "float32",
) -> ConvSpec:
    def full(x: Extents) -> tuple[int, ...]:
        return (x,) * len(size) if isinstance(x, int) else x

    high = full(pad if pad_high is None else pad_high)
    return ConvSpec(
        batch,
        channels,
        out,
        size,
        full(kernel),
        full(stride),
        full(pad),
        high,
        full(dilation),
        groups,
        dtype,
    )


SPECS = {
    "3x3": conv(2, 3, 8, (9, 11), 3, pad=1),
    "wide": conv(5, 6, 10, (20, 33), 3, pad=1),
    "small image": conv(5, 17, 33, (4, 4), 3, pad=1),
    "many images": conv(11, 70, 33, (4, 4), 3, pad=1),
    "many images, stride 2": conv(9, 24, 40, (6, 7), 3, 2, (1, 2)),
    "many images, groups": conv(8, 48, 64, (3, 5), 3, pad=2, dilation=2, groups=2),
    "many images, 3-d": conv(8, 20, 16, (3, 3, 4), 3, pad=1),
    "many images, in parts": conv(8, 160, 32, (3, 3), 3, pad=1),
    "stride 2": conv(4, 3, 16, (20, 20), 3, 2, 1),
    "stride 2, odd size": conv(4, 16, 32, (17, 15), 3, 2, 1),
    "1x1": conv(3, 5, 7, (6, 6), 1),
    "1x1 stride 2": conv(4, 16, 20, (9, 9), 1, 2),
    "one image": conv(1, 8, 40, (7, 7), 3, 2, 1),
    "depthwise": conv(4, 12, 12, (32, 32), 3, pad=1, groups=12),
    "depthwise stride 2": conv(4, 12, 12, (32, 32), 3, 2, 1, groups=12),
    "depthwise multiplied": conv(4, 12, 24, (8, 8), 3, pad=1, groups=12),
    "groups": conv(4, 12, 24, (9, 9), (5, 3), 1, (2, 1), groups=4),
    "two groups": conv(2, 64, 64, (6, 6), 3, pad=1, groups=2),
    "1-d": conv(2, 3, 5, (40,), 5, 3, 2, 2),
    "3-d": conv(2, 3, 5, (6, 7, 8), 3, 2, 1),
    "3-d all": conv(
        2, 4, 6, (5, 6, 20), (2, 3, 3), (1, 2, 1), (0, 1, 2), (2, 1, 1), 2, pad_high=(1, 0, 1)
    ),
    "patches": conv(2, 3, 20, (32, 32), 8, 8),
    "stride over kernel": conv(2, 4, 4, (10, 10), 2, 3),
    "5x5, one channel": conv(4, 1, 32, (28, 28), 5, pad=2),
    "7x7": conv(2, 3, 4, (12, 12), 7, pad=3),
    "float64": conv(4, 6, 20, (18, 18), 3, pad=1, dtype="float64"),
    "float64 small": conv(4, 6, 20, (6, 6), 3, 2, 1, dtype="float64"),
    "float64 depthwise": conv(4, 6, 6, (18, 18), 3, pad=1, groups=6, dtype="float64"),
    "float16": conv(4, 6, 20, (18, 18), 3, pad=1, dtype="float16"),
    "bfloat16": conv(2, 6, 20, (6, 6), 3, pad=1, dtype="bfloat16"),
    "bfloat16 1x1": conv(2, 6, 20, (6, 6), 1, dtype="bfloat16"),
}


def reference(spec: ConvSpec, x: Array, w: Array, dy: Array) -> tuple[Array, Array, Array]:
    """y, dx and dw in float64."""
    pads = list(zip(spec.pad_low, spec.pad_high, strict=True))
    function = getattr(torch.nn.functional, f"conv{len(spec.size)}d")
    tx, tw, tdy = (torch.from_numpy(a.astype(np.float64)) for a in (x, w, dy))
    tx.requires_grad_()
    tw.requires_grad_()
    padded = torch.nn.functional.pad(tx, [p for pair in reversed(pads) for p in pair])
    y = function(padded, tw, None, spec.stride, 0, spec.dilation, spec.groups)
    y.backward(tdy)
    return y.detach().numpy(), tx.grad.numpy(), tw.grad.numpy()


def apply(value: Any, index: list[Any], extras: list[Any]) -> Any:
    total = value + extras[0][index[1]] + extras[1][tuple(index)]
    return tirx.max(total, tirx.const(0, "float32"))


def cases() -> Iterator[KernelCase]:
    for name, spec in SPECS.items():
        x, w = random(spec.x_shape, spec.dtype), random(spec.weight_shape, spec.dtype, 1)
        dy = random(spec.y_shape, spec.dtype, 2)
        y, dx, dw = (a.astype(x.dtype) for a in reference(spec, x, w, dy))
        yield KernelCase(f"y {name}", built(ConvForward(spec)), (x, w), (y,))
        yield KernelCase(f"dx {name}", built(ConvInputGradient(spec)), (dy, w), (dx,))
        yield KernelCase(f"dw {name}", built(ConvWeightGradient(spec)), (x, dy), (dw,))


def epilogue_cases() -> Iterator[KernelCase]:
    for name in ("wide", "small image", "many images", "1x1", "depthwise multiplied", "1-d"):
        spec = SPECS[name]
        x, w, dy = (random(s) for s in (spec.x_shape, spec.weight_shape, spec.y_shape))
        bias, residual = random((spec.out_channels,)), random(spec.y_shape, seed=3)
        y, _, _ = reference(spec, x, w, dy)
        shaped = bias.reshape(-1, *(1,) * len(spec.size))
        want = np.maximum(y + shaped + residual, 0).astype("f4")
        extras = ((bias.shape, "float32"), (residual.shape, "float32"))
        yield KernelCase(
            f"epilogue {name}",
            built(ConvForward(spec), Epilogue(apply, extras)),
            (x, w, bias, residual),
            (want,),
        )


CASES = [*cases(), *epilogue_cases()]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_convolution(case: KernelCase, kernels: dict[str, Kernel]) -> None:
    case.check(kernels[case.name])


def test_only_an_unpadded_1x1_is_a_matrix_product() -> None:
    assert is_pointwise(SPECS["1x1"])
    assert not is_pointwise(SPECS["1x1 stride 2"])
    assert not is_pointwise(conv(2, 4, 4, (6, 6), 1, pad=1))


def test_window_larger_than_the_input_is_refused() -> None:
    with pytest.raises(ValueError, match="window is larger"):
        conv(1, 1, 1, (2, 2), 3)


def test_groups_have_to_divide_the_channels() -> None:
    with pytest.raises(ValueError, match="groups has to divide"):
        conv(1, 3, 4, (4, 4), 3, groups=2)
