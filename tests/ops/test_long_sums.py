"""Sums of many terms keep their digits on every backend (docs/numerics.md)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch

import nngraph as ng
import nngraph.nn.functional as F
from nngraph.backends import registry
from tests.support.tolerances import LONG_SUM

EVERYWHERE = ("eager", *registry.BACKENDS)
Case = tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]


def _normal(x: Any, axes: tuple[int, ...]) -> Any:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)


def _exponents(x: Any) -> Any:
    return np.exp(x - x.max())


# Each in nngraph's words and in NumPy's of float64, for two vectors.
CASES: dict[str, Case] = {
    "sum": (lambda x, y: x.sum(), lambda x, y: x.sum()),
    "mean": (lambda x, y: x.mean(), lambda x, y: x.mean()),
    "column": (lambda x, y: x.reshape(-1, 1).sum(0), lambda x, y: x.sum(keepdims=True)),
    "narrow": (lambda x, y: x.reshape(-1, 2).sum(0), lambda x, y: x.reshape(-1, 2).sum(0)),
    "wide": (lambda x, y: x.reshape(-1, 50).mean(0), lambda x, y: x.reshape(-1, 50).mean(0)),
    "channels": (
        lambda x, y: x.reshape(-1, 2, 10).sum((0, 2), True),
        lambda x, y: x.reshape(-1, 2, 10).sum((0, 2), keepdims=True),
    ),
    "middle": (
        lambda x, y: x.reshape(2, -1, 10).mean(1),
        lambda x, y: x.reshape(2, -1, 10).mean(1),
    ),
    "no block divides": (lambda x, y: x[3:].sum(), lambda x, y: x[3:].sum()),
    "var": (lambda x, y: x.var(), lambda x, y: x.var(ddof=1)),
    "norm": (lambda x, y: x.norm(), lambda x, y: np.linalg.norm(x)),
    "mse_loss": (lambda x, y: F.mse_loss(x, y), lambda x, y: ((x - y) ** 2).mean()),
    "logsumexp": (lambda x, y: x.logsumexp(0), lambda x, y: np.log(np.exp(x).sum())),
    "softmax": (
        lambda x, y: x.softmax(0)[:9],
        lambda x, y: (_exponents(x) / _exponents(x).sum())[:9],
    ),
    "dot": (lambda x, y: x.dot(y), lambda x, y: x @ y),
    "matmul": (
        lambda x, y: x.reshape(4, -1) @ y.reshape(-1, 4),
        lambda x, y: x.reshape(4, -1) @ y.reshape(-1, 4),
    ),
    "gradient of a product": (
        lambda x, y: x.reshape(-1, 4).T @ y.reshape(-1, 4),
        lambda x, y: x.reshape(-1, 4).T @ y.reshape(-1, 4),
    ),
    "cumsum": (lambda x, y: x.cumsum(0)[-9:], lambda x, y: np.cumsum(x)[-9:]),
    "prod": (lambda x, y: ((x - y) * 0 + 1.00001).prod(), lambda x, y: _power(x.size)),
    "layer_norm": (lambda x, y: F.layer_norm(x, x.shape)[:9], lambda x, y: _normal(x, (0,))[:9]),
    "batch_norm": (
        lambda x, y: F.batch_norm(x.reshape(-1, 2, 10), None, None, training=True)[:9],
        lambda x, y: _normal(x.reshape(-1, 2, 10), (0, 2))[:9],
    ),
}


def _power(count: int) -> Any:
    return np.float64(np.float32(1.00001)) ** count


def _vectors(count: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.random(count, dtype=np.float32) + np.float32(0.5)
    return x, rng.random(count, dtype=np.float32)


def _compiled(function: Any, backend: str) -> Any:
    return function if backend == "eager" else ng.compile(function, backend=backend)


def _assert_accurate(got: Any, wanted: Any, note: str) -> None:
    wanted = np.asarray(wanted)
    error = np.abs(np.asarray(got, np.float64) - wanted).max() / np.abs(wanted).max()
    assert error < LONG_SUM, f"{note}: {error:.1e}"


@pytest.mark.parametrize("count", [10_000, 1_000_000])
@pytest.mark.parametrize("backend", EVERYWHERE)
def test_errors_do_not_grow_with_the_length(backend: str, count: int) -> None:
    def every(x: Any, y: Any) -> Any:
        return [ours(x, y) for ours, _ in CASES.values()]

    x, y = _vectors(count)
    found = _compiled(every, backend)(ng.tensor(x), ng.tensor(y))
    wide = x.astype(np.float64), y.astype(np.float64)
    for (name, (_, wanted)), got in zip(CASES.items(), found, strict=True):
        _assert_accurate(got.numpy(), wanted(*wide), f"{name} of {count} on {backend}")


@pytest.mark.parametrize("backend", EVERYWHERE)
def test_ten_million_terms(backend: str) -> None:
    def losses(x: Any) -> Any:
        return F.mse_loss(x, x * 0), x.reshape(-1, 5).sum(0)

    x, _ = _vectors(10_000_000)
    wide = x.astype(np.float64)
    loss, columns = _compiled(losses, backend)(ng.tensor(x))
    _assert_accurate(loss.numpy(), (wide**2).mean(), "mse_loss")
    _assert_accurate(columns.numpy(), wide.reshape(-1, 5).sum(0), "columns")


@pytest.mark.parametrize("backend", EVERYWHERE)
def test_gradients_are_sums_too(backend: str) -> None:
    """Of a bias, of layer and batch normalization, of a depthwise and of a plain convolution."""

    def gradients(x: Any, params: Any) -> Any:
        weight, bias, conv, depthwise = params
        y = F.layer_norm(x + bias, (4,), weight, bias)
        (y * y).sum().backward()
        images = x.reshape(-1, 4, 5)
        scale = weight * 1.0
        z = F.batch_norm(images, None, None, scale, bias, training=True)
        z = F.conv1d(z * z, conv) + F.conv1d(images, depthwise, groups=4)
        (z * z).sum().backward()
        return [p.grad for p in params]

    x, _ = _vectors(400_000)
    rng = np.random.default_rng(1)
    shapes = (4,), (4,), (4, 4, 2), (4, 1, 2)
    params = [rng.random(s, dtype=np.float32) + np.float32(0.5) for s in shapes]
    ours = [ng.tensor(p, requires_grad=True) for p in params]
    found = _compiled(gradients, backend)(ng.tensor(x.reshape(-1, 4)), ours)
    with ng.enable_grad():
        exact = [ng.tensor(p.astype(np.float64), requires_grad=True) for p in params]
        wanted = gradients(ng.tensor(x.astype(np.float64).reshape(-1, 4)), exact)
    for got, want, shape in zip(found, wanted, shapes, strict=True):
        _assert_accurate(got.numpy(), want.numpy(), f"the gradient of {shape}")


@pytest.mark.parametrize("rows", [7, 100_003])
def test_lengths_that_only_a_call_knows(rows: int, tmp_path: Path) -> None:
    """In an exported file, without nngraph."""

    def reduce(x: Any) -> Any:
        return x.sum(), x.mean(0), x.reshape(-1, 2, 5).sum((0, 2)), x.to(ng.int64).sum(0)

    path = ng.export(reduce, tmp_path / "sums.onnx", ng.spec((None, 10)))
    x = _vectors(rows * 10)[0].reshape(rows, 10)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    got = session.run(None, {session.get_inputs()[0].name: x})
    wide = x.astype(np.float64)
    wanted = wide.sum(), wide.mean(0), wide.reshape(-1, 2, 5).sum((0, 2)), x.astype(int).sum(0)
    for one, want in zip(got, wanted, strict=True):
        _assert_accurate(one, want, str(rows))


@pytest.mark.parametrize("backend", EVERYWHERE)
def test_integers_add_up_exactly_and_wrap_around(backend: str) -> None:
    def sums(x: Any) -> Any:
        parts = x.reshape(3, 5, 20, 100)
        small = x.to(ng.int32)
        return (
            parts.sum(),
            parts.sum((0, 2)),
            parts.sum((1, 3), keepdim=True),
            small.reshape(3, -1).sum(1, dtype=ng.int32),
            x.to(ng.uint8).reshape(3, -1).sum(0),
            x.cumsum(0)[-5:],
        )

    x = np.random.default_rng(0).integers(-(2**62), 2**62, 30_000)
    found = _compiled(sums, backend)(ng.tensor(x))
    t = torch.tensor(x)
    parts = t.reshape(3, 5, 20, 100)
    wanted = (
        parts.sum(),
        parts.sum((0, 2)),
        parts.sum((1, 3), keepdim=True),
        t.to(torch.int32).reshape(3, -1).sum(1, dtype=torch.int32),
        t.to(torch.uint8).reshape(3, -1).sum(0),
        t.cumsum(0)[-5:],
    )
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(got.numpy(), want.numpy())


@pytest.mark.parametrize("backend", EVERYWHERE)
def test_half_precision_counts_past_its_range(backend: str) -> None:
    """65504 is the largest float16; a mean has more terms."""

    def statistics(x: Any) -> Any:
        y = x.half()
        (y.mean() * 100).backward()
        return y.mean(), y.var(), y.norm(), x.grad

    x = (np.arange(100_000) % 8).astype(np.float32)
    found = _compiled(statistics, backend)(ng.tensor(x, requires_grad=True))
    t = torch.tensor(x, requires_grad=True)
    y = t.half()
    (y.mean() * 100).backward()
    for got, want in zip(found, (y.mean(), y.var(), y.norm(), t.grad), strict=True):
        assert want is not None
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), 1e-3)
