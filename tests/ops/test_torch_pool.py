"""Pooling and its gradients against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nngraph.ir.dims import as_dim
from nngraph.ir.types import TypeMismatch, tensor_type
from nngraph.ops.window.avgpool import AvgPool, avg_pool
from nngraph.ops.window.pool import MaxPool, MaxPoolGrad, MaxPoolIndices, max_pool, max_pool_indices
from tests.support.graphs import run, run_with_gradients

MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
KINDS = [(np.float64, 1e-12), (np.float32, 1e-5)]
# shape, kernel, stride, padding, dilation
SHAPES = [
    ((2, 3, 8, 6), (2, 2), (2, 2), (0, 0), (1, 1)),
    ((2, 3, 9, 7), (3, 3), (2, 2), (1, 1), (1, 1)),
    ((1, 2, 9, 8), (3, 2), (1, 3), (1, 0), (2, 1)),
    ((1, 2, 6, 6), (2, 2), (3, 4), (1, 1), (1, 1)),
    ((2, 2, 11), (4,), (3,), (2,), (1,)),
    ((1, 2, 5, 6, 4), (2, 3, 2), (2, 2, 1), (1, 1, 0), (1, 1, 1)),
]


def pairs(padding: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    return tuple((p, p) for p in padding)


def check(build: Any, wanted: torch.Tensor, tx: torch.Tensor, tolerance: float) -> None:
    """Values and the gradient for a random cotangent."""
    x = tx.detach().numpy()
    c = np.random.default_rng(9).standard_normal(tuple(wanted.shape)).astype(x.dtype)
    (y,), (dx,) = run_with_gradients(build, (x,), (c,))
    np.testing.assert_allclose(y, wanted.detach(), atol=tolerance, rtol=tolerance)
    (g,) = torch.autograd.grad(wanted, tx, torch.tensor(c))
    np.testing.assert_allclose(dx, g, atol=tolerance, rtol=tolerance)  # type: ignore[arg-type]


@pytest.mark.parametrize(("dtype", "tolerance"), KINDS)
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("case", SHAPES, ids=str)
def test_max_pool(case: Any, ceil_mode: bool, dtype: Any, tolerance: float) -> None:
    shape, kernel, stride, padding, dilation = case
    rng = np.random.default_rng(0)
    for x in (rng.standard_normal(shape), np.round(rng.standard_normal(shape))):  # the latter ties
        x = x.astype(dtype)
        tx = torch.tensor(x, requires_grad=True)
        wanted, places = MAX[len(kernel)](
            tx, kernel, stride, padding, dilation, ceil_mode, return_indices=True
        )
        attributes = (kernel, stride, pairs(padding), dilation, ceil_mode)
        check(lambda v, a=attributes: max_pool(v, *a), wanted, tx, tolerance)
        y, found = MaxPoolIndices(*attributes).eval(x)
        np.testing.assert_array_equal(y, wanted.detach())
        np.testing.assert_array_equal(found, places)


def test_max_pool_of_nan_and_infinity_as_pytorch() -> None:
    rng = np.random.default_rng(1)
    x = rng.choice([np.nan, -np.inf, 1.0, 2.0], (2, 3, 7, 7), p=[0.1, 0.6, 0.2, 0.1])
    attributes = ((3, 2), (2, 1), ((1, 1), (1, 1)), (1, 1), False)
    y, places = MaxPoolIndices(*attributes).eval(x)
    wanted, at = F.max_pool2d(torch.tensor(x), (3, 2), (2, 1), 1, return_indices=True)
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_array_equal(places, at)


def test_max_pool_gradients_agree_and_differentiate() -> None:
    """MaxPoolGrad, its decomposition, and the rule of MaxPoolIndices are one function."""
    rng = np.random.default_rng(2)
    x = np.round(rng.standard_normal((2, 2, 6, 5)), 1)
    attributes = ((3, 2), (2, 1), ((1, 1), (0, 1)), (1, 1), False)
    op = MaxPoolGrad(*attributes)
    c = rng.standard_normal(MaxPool(*attributes).eval(x)[0].shape)
    (dx,) = op.eval(x, c)
    (unfolded,) = run(lambda a, b: op.decompose(a, b), (x, c))
    np.testing.assert_allclose(unfolded, dx, atol=1e-14)
    _, (by_places,) = run_with_gradients(
        lambda a: max_pool_indices(a, *attributes), (x,), (c, None)
    )
    np.testing.assert_allclose(by_places, dx, atol=1e-14)  # type: ignore[arg-type]
    # The adjoint of a linear map: <grad(x, c), v> = <c, vjp(v)>.
    v = rng.standard_normal(x.shape)
    _, (_, to_c) = run_with_gradients(lambda a, b: a.apply(op, (a, b)), (x, c), (v,))
    assert to_c is not None and np.vdot(dx, v) == pytest.approx(np.vdot(c, to_c), rel=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), KINDS)
@pytest.mark.parametrize("count_include_pad", [False, True])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("case", SHAPES, ids=str)
def test_avg_pool(
    case: Any, ceil_mode: bool, count_include_pad: bool, dtype: Any, tolerance: float
) -> None:
    shape, kernel, stride, padding, _ = case
    rng = np.random.default_rng(3)
    x = rng.standard_normal(shape).astype(dtype)
    tx = torch.tensor(x, requires_grad=True)
    wanted = AVG[len(kernel)](tx, kernel, stride, padding, ceil_mode, count_include_pad)
    attributes = (kernel, stride, pairs(padding), ceil_mode, count_include_pad)
    check(lambda v: avg_pool(v, *attributes), wanted, tx, tolerance)


def test_avg_pool_with_a_divisor() -> None:
    x = np.random.default_rng(4).standard_normal((2, 3, 6, 6))
    tx = torch.tensor(x, requires_grad=True)
    wanted = F.avg_pool2d(tx, 3, 2, 1, divisor_override=5)
    attributes = ((3, 3), (2, 2), ((1, 1), (1, 1)), False, True, 5)
    check(lambda v: avg_pool(v, *attributes), wanted, tx, 1e-12)


def test_symbolic_sizes() -> None:
    x = tensor_type("f32", ("n", 3, "h", 8))
    (y,) = MaxPool((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)).infer(x)
    assert y.shape == (as_dim("n"), 3, as_dim("(h-2)//2+1"), 4)
    (y,) = AvgPool((3, 3), (2, 2), ((0, 0), (0, 0)), ceil_mode=True).infer(x)
    assert y.shape[2] == as_dim("(h-2)//2+1")
    with pytest.raises(TypeMismatch, match="ceil_mode=False"):
        AvgPool((2, 2), (3, 3), ((1, 1), (1, 1)), ceil_mode=True).infer(x)


def test_misfits_are_refused() -> None:
    x = tensor_type("f32", (1, 1, 4, 4))
    with pytest.raises(TypeMismatch, match="at most half"):
        MaxPool((2, 2), (2, 2), ((2, 0), (0, 0)), (1, 1)).infer(x)
    with pytest.raises(TypeMismatch, match="floating point"):
        AvgPool((2, 2), (2, 2), ((0, 0), (0, 0))).infer(x.with_dtype(tensor_type("i32").dtype))
    with pytest.raises(TypeMismatch, match="the pooling's output"):
        MaxPoolGrad((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)).infer(x, x)
