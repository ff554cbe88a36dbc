"""Convolution and its gradients against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nngraph.ir.dims import as_dim
from nngraph.ir.types import TypeMismatch, tensor_type
from nngraph.ops.window.conv import Conv, ConvInputGrad, ConvWeightGrad, conv
from tests.support.graphs import run_with_gradients

TORCH_CONV: dict[int, Callable[..., torch.Tensor]] = {
    1: torch.conv1d,
    2: torch.conv2d,
    3: torch.conv3d,
}
# x, w, stride, padding, dilation, groups
CASES = [
    ((2, 3, 9), (4, 3, 3), (2,), ((1, 1),), (1,), 1),
    ((2, 4, 8), (6, 2, 2), (1,), ((2, 0),), (3,), 2),
    ((2, 3, 8, 7), (5, 3, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((2, 3, 8, 7), (5, 3, 3, 2), (2, 3), ((1, 0), (0, 2)), (1, 2), 1),
    ((1, 4, 9, 9), (4, 2, 4, 1), (3, 2), ((0, 0), (0, 0)), (2, 1), 2),
    ((2, 4, 7, 7), (4, 1, 3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 4),
    ((2, 3, 6, 7), (6, 1, 3, 2), (1, 2), ((0, 1), (2, 1)), (2, 1), 3),
    ((3, 1, 5, 5), (4, 1, 3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((2, 6, 5, 4), (8, 6, 1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((2, 6, 5, 4), (8, 6, 1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1), 1),
    ((2, 2, 4, 5, 6), (4, 1, 2, 3, 2), (1, 2, 2), ((1, 1), (0, 1), (0, 0)), (1, 1, 2), 2),
    ((1, 2, 4, 5, 4), (3, 2, 2, 2, 2), (2, 1, 1), ((0, 0), (1, 1), (0, 1)), (1, 1, 1), 1),
]
KINDS = [(np.float64, 1e-11), (np.float32, 2e-4)]


def torch_conv(
    x: torch.Tensor, w: torch.Tensor, stride: Any, padding: Any, dilation: Any, groups: int
) -> torch.Tensor:
    flat = [p for pair in reversed(padding) for p in pair]
    padded = torch.nn.functional.pad(x, flat)
    return TORCH_CONV[len(stride)](padded, w, None, stride, 0, dilation, groups)


@pytest.mark.parametrize(("dtype", "tolerance"), KINDS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients(case: Any, dtype: Any, tolerance: float) -> None:
    x_shape, w_shape, *attributes = case
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(dtype) for s in (x_shape, w_shape))
    tx, tw = (torch.tensor(a, requires_grad=True) for a in (x, w))
    wanted = torch_conv(tx, tw, *attributes)
    c = rng.standard_normal(tuple(wanted.shape)).astype(dtype)
    grads = torch.autograd.grad(wanted, (tx, tw), torch.tensor(c), create_graph=True)
    (y,), found = run_with_gradients(lambda a, b: conv(a, b, *attributes), (x, w), (c,))
    np.testing.assert_allclose(y, wanted.detach(), atol=tolerance, rtol=tolerance)
    for ours, theirs in zip(found, grads, strict=True):
        assert ours is not None and ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs.detach(), atol=tolerance, rtol=tolerance)
    if dtype is np.float64:
        loss = sum((g * g).sum() for g in grads) / 2
        second = torch.autograd.grad(loss, (tx, tw))
        _, found = run_with_gradients(lambda a, b: conv(a, b, *attributes), (x, w), (c,), True)
        for ours, theirs in zip(found, second, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-9, rtol=1e-9)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_family_is_adjoint(case: Any) -> None:
    """<conv(x, w), dy> = <x, input_grad(dy, w)> = <w, weight_grad(x, dy)>."""
    x_shape, w_shape, *attributes = case
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal(x_shape), rng.standard_normal(w_shape)
    (y,) = Conv(*attributes).eval(x, w)
    dy = rng.standard_normal(y.shape)
    (dx,) = ConvInputGrad(*attributes, x.shape[2:]).eval(dy, w)
    (dw,) = ConvWeightGrad(*attributes, w.shape[2:]).eval(x, dy)
    assert np.vdot(y, dy) == pytest.approx(np.vdot(x, dx), rel=1e-10, abs=1e-10)
    assert np.vdot(y, dy) == pytest.approx(np.vdot(w, dw), rel=1e-10, abs=1e-10)


def test_half_precision_accumulates_in_float32() -> None:
    x = np.full((1, 4096, 2, 2), 1 + 2**-10, np.float16)
    w = np.ones((1, 4096, 1, 1), np.float16)
    (y,) = Conv((1, 1), ((0, 0), (0, 0)), (1, 1), 1).eval(x, w)
    assert y.dtype == np.float16 and (y == np.float16(4096 * (1 + 2**-10))).all()


def test_symbolic_sizes() -> None:
    op = Conv((2, 1), ((1, 1), (1, 1)), (1, 1), 1)
    x, w = tensor_type("f32", ("n", 3, "h", "w")), tensor_type("f32", (8, 3, 3, 3))
    (y,) = op.infer(x, w)
    assert y.shape == (as_dim("n"), 8, as_dim("(h+2-3)//2+1"), as_dim("w"))
    attributes = (op.stride, op.padding, op.dilation, op.groups)
    assert ConvInputGrad(*attributes, x.shape[2:]).infer(y, w) == (x,)
    assert ConvWeightGrad(*attributes, (3, 3)).infer(x, y) == (w,)


@pytest.mark.parametrize(
    ("x", "w", "groups", "text"),
    [
        ((1, 4, 5, 5), (2, 3, 3, 3), 1, "3 channels"),
        ((1, 4, 5, 5), (3, 2, 3, 3), 2, "2 groups divide"),
        ((1, 3, 2, 5), (2, 3, 3, 3), 1, "kernel spans 3"),
        ((1, 3, 5), (2, 3, 3), 1, "spatial"),
        ((1, 3, 5, 5), (2, 3, 3), 1, "of rank 4"),
    ],
)
def test_misfits_are_refused(x: Any, w: Any, groups: int, text: str) -> None:
    op = Conv((1, 1), ((0, 0), (0, 0)), (1, 1), groups)
    with pytest.raises(TypeMismatch, match=text):
        op.infer(tensor_type("f32", x), tensor_type("f32", w))


def test_a_gradient_of_the_wrong_size_is_refused() -> None:
    op = ConvInputGrad((1, 1), ((0, 0), (0, 0)), (1, 1), 1, (5, 5))
    with pytest.raises(TypeMismatch, match="the convolution's output"):
        op.infer(tensor_type("f32", (1, 2, 5, 5)), tensor_type("f32", (2, 3, 3, 3)))
