from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nngraph import ops
from nngraph.ir.builder import Builder
from nngraph.ir.dims import sym
from nngraph.ir.dtypes import bfloat16, float16, float32
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.op import Sample
from nngraph.ir.types import TypeMismatch, tensor_type
from nngraph.ops import ArgMax, ArgMin, CumProd, CumSum, LogSumExp, Prod, Var
from tests.support.contract import forward_graph, gradient_graph
from tests.support.oracle import compare

NAN, INF = np.nan, np.inf
RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 3, 4))
TIES = np.asarray([[1.0, 3.0, 3.0, 1.0], [2.0, 2.0, 2.0, 2.0], [0.0, -0.0, INF, -INF]])
WITH_NAN = np.asarray([[1.0, NAN, 3.0], [NAN, NAN, 1.0], [2.0, 1.0, 2.0]])
AXES = [(0,), (1,), (2,), (0, 2), (0, 1, 2)]

FOLDS: dict[str, Callable[..., Any]] = {
    "sum": torch.sum,
    "mean": torch.mean,
    "max": torch.amax,
    "min": torch.amin,
    "log_sum_exp": torch.logsumexp,
}


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("name", FOLDS)
def test_fold(name: str, axes: tuple[int, ...], keepdims: bool) -> None:
    op = ops.REGISTRY[name](axes, keepdims)
    for x in (X, X.astype(np.float32)):
        compare(op, [x], lambda t: FOLDS[name](t, axes, keepdim=keepdims), scale=3)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("x", [TIES, WITH_NAN, np.abs(TIES)], ids=["ties", "nan", "inf"])
@pytest.mark.parametrize("name", FOLDS)
def test_fold_of_ties_and_special_values(name: str, x: Any, axis: int) -> None:
    compare(ops.REGISTRY[name]((axis,), False), [x], lambda t: FOLDS[name](t, (axis,)))


def test_logsumexp_of_only_minus_infinity() -> None:
    x = np.asarray([[-INF, -INF], [-INF, 0.0]])
    compare(LogSumExp((1,), False), [x], lambda t: torch.logsumexp(t, 1))


def test_gradient_of_a_large_logsumexp_in_half_precision() -> None:
    """The result, 10000.7, is 10000 in float16; the shares are one half nevertheless."""
    x = np.full((1, 2), 1e4, np.float16)
    graph = gradient_graph(forward_graph(Sample(LogSumExp((1,), False), (x,))))
    (found,) = evaluate(graph, [x, np.ones(1, np.float16)])
    assert found.tolist() == [[0.5, 0.5]]


@pytest.mark.filterwarnings("ignore:var.*degrees of freedom")
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("correction", [0, 1, 2])
def test_variance(axes: tuple[int, ...], correction: int) -> None:
    compare(Var(axes, correction, False), [X], lambda t: torch.var(t, axes, correction=correction))


@pytest.mark.filterwarnings("ignore:var.*degrees of freedom")
def test_variance_of_one_element() -> None:
    compare(Var((0,), 1, True), [X[:1]], lambda t: torch.var(t, 0, keepdim=True))


@pytest.mark.parametrize("zeros", [(), (1,), (1, 3)])
def test_product_and_its_gradients_with_zeros(zeros: tuple[int, ...]) -> None:
    x = np.asarray([2.0, 3.0, -1.5, 0.5, 4.0])
    x[list(zeros)] = 0.0
    compare(Prod((0,), False), [x], lambda t: torch.prod(t, 0))
    compare(CumProd(0), [x], lambda t: torch.cumprod(t, 0))
    compare(Prod((1,), True), [np.stack([x, x + 1])], lambda t: torch.prod(t, 1, keepdim=True))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_running_folds(axis: int) -> None:
    compare(CumSum(axis), [X], lambda t: torch.cumsum(t, axis))
    compare(CumProd(axis), [X], lambda t: torch.cumprod(t, axis))
    twin = lambda t: torch.flip(torch.cumsum(torch.flip(t, (axis,)), axis), (axis,))  # noqa: E731
    compare(CumSum(axis, reverse=True), [X], twin)
    compare(CumSum(axis, exclusive=True), [X], lambda t: torch.cumsum(t, axis) - t)


@pytest.mark.parametrize("x", [X[0], TIES, WITH_NAN, (X[0] * 4).astype(np.int32)])
@pytest.mark.parametrize("axis", [0, 1])
def test_positions(axis: int, x: Any) -> None:
    compare(ArgMax(axis, False), [x], lambda t: torch.argmax(t, axis))
    compare(ArgMin(axis, True), [x], lambda t: torch.argmin(t, axis, keepdim=True))


def test_sums_of_half_precision_do_not_stall() -> None:
    """In bfloat16 256 + 1 is 256: the sum must be carried in float32."""
    for dtype, count in ((bfloat16, 1000), (float16, 5000)):
        ones = np.ones(count, dtype.numpy)
        exact = np.asarray(count, dtype.numpy)
        assert ops.Sum((0,), False).eval(ones)[0] == exact
        assert ops.Mean((0,), False).eval(ones)[0] == 1
        assert ops.CumSum(0).eval(ones)[0][-1] == exact


def test_shapes_may_be_symbolic() -> None:
    kind = tensor_type("f32", ("batch", 3))
    assert str(ops.Sum((1,), True).infer(kind)[0]) == "f32[batch,1]"
    assert ops.Var((0,), 1, False).infer(kind)[0].shape == (3,)


def test_mean_over_a_symbolic_axis_differentiates() -> None:
    graph = Graph()
    x = graph.add_input(tensor_type(float32, (sym("n"), 2)))
    with Builder(graph):
        graph.add_output(ops.var(ops.mean(x, 1, True), None))
    gradient = gradient_graph(graph)
    assert gradient.outputs[0].type == x.type
    assert evaluate(graph, [np.arange(6, dtype=np.float32).reshape(3, 2)])[0] == 4.0


@pytest.mark.parametrize(
    ("op", "kind", "text"),
    [
        (ops.Max((0,), False), "f32[0,2]", "not empty along axes"),
        (ops.Mean((0,), False), "i32[2]", "of a floating point type"),
        (ops.Any((0,), False), "f32[2]", "bool (compare with 0 first)"),
        (ops.Sum((2,), False), "f32[2,2]", "in [0, 1]"),
        (ops.Sum((1, 0), False), "f32[2,2]", "sorted and different"),
        (ops.ArgMax(0, False), "f32[0]", "not empty"),
        (ops.CumSum(1), "f32[2]", "an axis of"),
    ],
)
def test_misuse_is_named(op: Any, kind: str, text: str) -> None:
    short, _, dims = kind.rstrip("]").partition("[")
    with pytest.raises(TypeMismatch) as error:
        op.infer(tensor_type(short, [int(d) for d in dims.split(",")]))
    assert text in str(error.value) and op.name in str(error.value)
