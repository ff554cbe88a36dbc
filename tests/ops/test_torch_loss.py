"""Cross-entropy and embedding against PyTorch, forward and gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nngraph.ir.op import Sample
from nngraph.ir.types import TypeMismatch, tensor_type
from nngraph.ops.embedding import Embedding
from nngraph.ops.loss import CrossEntropy, cross_entropy
from tests.support.contract import forward_graph, gradient_graph
from tests.support.graphs import run_with_gradients
from tests.support.oracle import compare

TYPES = [np.float64, np.float32]
SHAPES = [(6, 5), (3, 4, 5), (2, 3, 2, 4)]


def data(shape: tuple[int, ...], dtype: Any) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(dtype) * 3
    target = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    return x, target, rng.uniform(0.2, 2, shape[1]).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cross_entropy(shape: Any, reduction: str, smoothing: float, dtype: Any) -> None:
    x, target, weight = data(shape, dtype)
    for ignored in (-100, 1):
        op = CrossEntropy(ignored, smoothing, reduction)
        keywords: Any = {
            "ignore_index": ignored,
            "label_smoothing": smoothing,
            "reduction": reduction,
        }
        compare(op, (x, target), lambda a, t, k=keywords: F.cross_entropy(a, t, **k))
        c = np.random.default_rng(1).standard_normal(op.eval(x, target)[0].shape).astype(dtype)
        tx = torch.tensor(x, requires_grad=True)
        loss = F.cross_entropy(tx, torch.tensor(target), torch.tensor(weight), **keywords)
        (wanted,) = torch.autograd.grad(loss, tx, torch.tensor(c))
        (y,), (found, _) = run_with_gradients(
            lambda a, t, w, i=ignored: cross_entropy(a, t, w, i, smoothing, reduction),
            (x, target, weight),
            (c,),
        )
        tolerance = 1e-11 if dtype is np.float64 else 1e-5
        np.testing.assert_allclose(y, loss.detach(), rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(
            found,
            wanted,
            rtol=tolerance,
            atol=tolerance,  # type: ignore[arg-type]
        )


def test_all_targets_ignored() -> None:
    x, target = np.ones((2, 3)), np.asarray([1, 1])
    assert np.isnan(CrossEntropy(1).eval(x, target)[0])
    assert CrossEntropy(1, 0.0, "sum").eval(x, target)[0] == 0
    compare(CrossEntropy(1), (x, target), lambda a, t: F.cross_entropy(a, t, ignore_index=1))


def test_an_ignored_row_may_hold_infinity() -> None:
    x = np.asarray([[1.0, -np.inf, 2.0], [0.5, 1.5, 2.5]])
    target = np.asarray([-100, 2])
    compare(CrossEntropy(), (x, target), F.cross_entropy, gradient=False)


@pytest.mark.parametrize("target", [-1, 3])
def test_a_target_out_of_range_is_named(target: int) -> None:
    with pytest.raises(IndexError, match=f"target {target} is out of range for 3 classes"):
        CrossEntropy().eval(np.zeros((1, 3)), np.asarray([target]))


def test_second_derivative() -> None:
    x, target, _ = data((4, 3), np.float64)
    tx = torch.tensor(x, requires_grad=True)
    loss = F.cross_entropy(tx, torch.tensor(target), label_smoothing=0.1)
    (first,) = torch.autograd.grad(loss, tx, create_graph=True)
    (wanted,) = torch.autograd.grad((first * first).sum() / 2, tx)
    _, (found,) = run_with_gradients(
        lambda a, t: cross_entropy(a, t, label_smoothing=0.1), (x, target), (np.ones(()),), True
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)  # type: ignore[arg-type]


def test_the_backward_graph_is_small() -> None:
    """Softmax by its logarithm once, one scatter, and no sum over the classes."""
    x, target, _ = data((4, 3), np.float32)
    graph = gradient_graph(forward_graph(Sample(CrossEntropy(), (x, target))))
    names = [n.op.name for n in graph.nodes if n.op.name != "cross_entropy"]
    assert names.count("log_softmax") == 1 and names.count("scatter_elements") == 1
    wide = [n.op.name for n in graph.nodes if n.outputs[0].type.shape == x.shape]
    assert sorted(wide) == ["exp", "log_softmax", "mul", "scatter_elements"]
    assert [n.inputs[0].type.shape for n in graph.nodes if n.op.name == "sum"] == [(4,)]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("padding", [None, 0, 3])
def test_embedding(padding: int | None, dtype: Any) -> None:
    weight = np.random.default_rng(2).standard_normal((5, 3)).astype(dtype)
    ids = np.asarray([[0, 3, 3], [4, 0, 1]])
    compare(Embedding(padding), (weight, ids), lambda w, i: F.embedding(i, w, padding))


@pytest.mark.parametrize("index", [5, -1])
def test_an_id_out_of_range_is_named(index: int) -> None:
    with pytest.raises(IndexError, match=f"embedding: id {index} is out of range for 5 rows"):
        Embedding().eval(np.zeros((5, 2)), np.asarray([0, index]))


def test_misfits_are_refused() -> None:
    x, t = tensor_type("f32", (4, 3)), tensor_type("i64", (4,))
    with pytest.raises(TypeMismatch, match=r"target is i64\[3\]; it must be i64\[4\]"):
        CrossEntropy().infer(x, tensor_type("i64", (3,)))
    with pytest.raises(TypeMismatch, match="int32 or int64"):
        CrossEntropy().infer(x, x)
    with pytest.raises(TypeMismatch, match="a number for each class"):
        CrossEntropy().infer(x, t, tensor_type("f32", (4,)))
    with pytest.raises(TypeMismatch, match="one of"):
        CrossEntropy(reduction="max").infer(x, t)
    with pytest.raises(TypeMismatch, match="padding_idx is 4"):
        Embedding(4).infer(x, t)
    batch = tensor_type("f32", ("n", 3)), tensor_type("i64", ("n",))
    assert CrossEntropy(reduction="none").infer(*batch) == (tensor_type("f32", ("n",)),)
