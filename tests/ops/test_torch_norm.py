"""Softmax, activations and normalization against PyTorch, forward and gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nngraph.ir.types import TypeMismatch, tensor_type
from nngraph.ops.activation import Gelu, LogSoftmax, Silu, Softmax
from nngraph.ops.norm.batchnorm import BatchNormInference, BatchNormTraining, batch_norm_training
from nngraph.ops.norm.layernorm import LayerNorm, layer_norm
from tests.support.graphs import run_with_gradients
from tests.support.oracle import compare

TYPES = [np.float64, np.float32]
SHAPES = [(4, 3), (2, 3, 5), (2, 3, 4, 2), (1, 2, 2, 3, 2)]


def normal(*shapes: tuple[int, ...], dtype: Any) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s).astype(dtype) for s in shapes]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax(axis: int, dtype: Any) -> None:
    (x,) = normal((3, 4, 5), dtype=dtype)
    for scale in (1, 100):  # the latter needs the maximum taken out
        compare(Softmax(axis), (x * scale,), lambda v: torch.softmax(v, axis))
        compare(LogSoftmax(axis), (x * scale,), lambda v: torch.log_softmax(v, axis))


@pytest.mark.parametrize("dtype", TYPES)
def test_softmax_of_special_values(dtype: Any) -> None:
    inf = np.inf
    rows = [[-inf, 0, 1], [-inf, -inf, -inf], [inf, 0, 1], [np.nan, 0, 1], [3e38, -3e38, 0]]
    x = np.asarray(rows, dtype)
    compare(Softmax(1), (x,), lambda v: torch.softmax(v, 1))
    compare(LogSoftmax(1), (x,), lambda v: torch.log_softmax(v, 1))


ACTIVATIONS: list[tuple[Any, Callable[..., Any]]] = [
    (Silu(), F.silu),
    (Gelu(), F.gelu),
    (Gelu("tanh"), lambda v: F.gelu(v, approximate="tanh")),
]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("op", "twin"), ACTIVATIONS, ids=["silu", "gelu", "gelu-tanh"])
def test_activations(op: Any, twin: Any, dtype: Any) -> None:
    x = np.concatenate([np.linspace(-12, 12, 101), [0.0, -0.0, 40, -40]]).astype(dtype)
    compare(op, (x,), twin)
    # At infinity PyTorch's own answer for gelu depends on the type.
    compare(op, (np.asarray([np.nan, 1e4, -1e4], dtype),), twin)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("shape", "rank"), [((3, 5), 1), ((2, 3, 4), 1), ((2, 3, 4), 2), ((6,), 1)]
)
def test_layer_norm(shape: Any, rank: int, dtype: Any) -> None:
    tail = shape[len(shape) - rank :]
    x, weight, bias = normal(shape, tail, tail, dtype=dtype)

    def twin(x: Any, weight: Any, bias: Any) -> Any:
        # Statistics by hand: the derivative of native_layer_norm leaves those outputs out.
        axes = tuple(range(-rank, 0))
        variance = x.var(axes, correction=0, keepdim=True)
        y = F.layer_norm(x, tail, weight, bias, 1e-5)
        return y, x.mean(axes, keepdim=True), torch.rsqrt(variance + 1e-5)

    compare(LayerNorm(rank, 1e-5), (x, weight, bias), twin)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm(shape: Any, dtype: Any) -> None:
    channels = shape[1:2]
    x, weight, bias, mean = normal(shape, channels, channels, channels, dtype=dtype)
    axes = (0, *range(2, len(shape)))

    def training(x: Any, weight: Any, bias: Any) -> Any:
        y = F.batch_norm(x, None, None, weight, bias, training=True, eps=1e-3)
        return y, x.mean(axes), x.var(axes, correction=0)

    compare(BatchNormTraining(1e-3), (x, weight, bias), training)
    compare(
        BatchNormInference(1e-3),
        (x, weight, bias, mean, mean**2 + dtype(0.5)),
        lambda x, w, b, m, v: F.batch_norm(x, m.detach(), v.detach(), w, b, eps=1e-3),
        gradient=False,
    )


def test_inference_gradients() -> None:
    """Also of the kept statistics, which PyTorch's own function does not differentiate."""
    arrays = normal((2, 3, 4), (3,), (3,), (3,), (3,), dtype=np.float64)
    arrays[4] = arrays[4] ** 2 + 0.5

    def twin(x: Any, w: Any, b: Any, m: Any, v: Any) -> Any:
        m, v, w, b = (t[:, None] for t in (m, v, w, b))
        return (x - m) / torch.sqrt(v + 1e-3) * w + b

    compare(BatchNormInference(1e-3), arrays, twin)


def test_a_large_mean_keeps_the_variance() -> None:
    """Two passes: the mean of squares minus the squared mean would be noise here."""
    x = np.asarray([[0, 1, 2, 3]], np.float32) + np.float32(1e5)
    ones, zeros = np.ones(4, np.float32), np.zeros(4, np.float32)
    y = LayerNorm(1, 0.0).eval(x, ones, zeros)[0]
    np.testing.assert_allclose(y, [[-1.3416408, -0.4472136, 0.4472136, 1.3416408]], rtol=1e-5)
    y = BatchNormTraining(0.0).eval(x.T, ones[:1], zeros[:1])[0]
    np.testing.assert_allclose(y.T, [[-1.3416408, -0.4472136, 0.4472136, 1.3416408]], rtol=1e-5)


@pytest.mark.parametrize("which", ["layer", "batch"])
def test_double_backward(which: str) -> None:
    x, weight, bias, c = normal((3, 4), (4,), (4,), (3, 4), dtype=np.float64)
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, weight, bias)]
    if which == "layer":
        y = F.layer_norm(leaves[0], (4,), leaves[1], leaves[2], 1e-5)
    else:
        y = F.batch_norm(leaves[0], None, None, leaves[1], leaves[2], True, 0.1, 1e-5)
    first = torch.autograd.grad(y, leaves, torch.tensor(c), create_graph=True)
    total = sum((g * g).sum() for g in first) / 2
    wanted = torch.autograd.grad(total, leaves, allow_unused=True)

    def build(x: Any, weight: Any, bias: Any) -> Any:
        if which == "layer":
            return layer_norm(x, weight, bias, 1, 1e-5)[0]
        return batch_norm_training(x, weight, bias, 1e-5)[0]

    _, found = run_with_gradients(build, (x, weight, bias), (c,), twice=True)
    for ours, theirs in zip(found, wanted, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9)


def test_symbolic_batch() -> None:
    x, w = tensor_type("f32", ("n", 3, "h", "h")), tensor_type("f32", (3,))
    assert BatchNormTraining(1e-5).infer(x, w, w) == (x, w, w)
    half = tensor_type("f16", ("n", 4))
    y, mean, _ = LayerNorm(1, 1e-5).infer(half, *(tensor_type("f16", (4,)),) * 2)
    assert y == half and mean == tensor_type("f32", ("n", 1))


def test_misfits_are_refused() -> None:
    x, w = tensor_type("f32", (2, 3)), tensor_type("f32", (2,))
    with pytest.raises(TypeMismatch, match=r"the weight is f32\[2\]; it must be of shape \[3\]"):
        BatchNormTraining(1e-5).infer(x, w, w)
    with pytest.raises(TypeMismatch, match=r"of shape \[3\]"):
        LayerNorm(1, 1e-5).infer(x, w, w)
    with pytest.raises(TypeMismatch, match="'none' or 'tanh'"):
        Gelu("erf").infer(x)
