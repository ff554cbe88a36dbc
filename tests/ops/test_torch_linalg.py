from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nngraph.ir.dtypes import bfloat16, float16
from nngraph.ir.types import TypeMismatch, tensor_type
from nngraph.ops import MatMul
from tests.support.oracle import compare

RNG = np.random.default_rng(0)
BATCHES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((), ()),
    ((5,), ()),
    ((), (5,)),
    ((2, 1), (1, 3)),
    ((4,), (2, 1)),
    ((0,), ()),
    ((2, 3), (3,)),
]


@pytest.mark.parametrize("transposed", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("batches", BATCHES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_product(batches: Any, transposed: tuple[bool, bool], dtype: Any) -> None:
    (left, right), (ta, tb) = batches, transposed
    a = RNG.standard_normal((*left, *((3, 2) if ta else (2, 3)))).astype(dtype)
    b = RNG.standard_normal((*right, *((4, 3) if tb else (3, 4)))).astype(dtype)

    def twin(x: Any, y: Any) -> Any:
        return (x.mT if ta else x) @ (y.mT if tb else y)

    compare(MatMul(ta, tb), [a, b], twin, scale=3)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64])
def test_product_of_integers_wraps(dtype: Any) -> None:
    a = RNG.integers(-100, 100, (2, 3)).astype(dtype)
    compare(MatMul(False, True), [a, a], lambda x, y: x @ y.mT)


@pytest.mark.parametrize("dtype", [float16, bfloat16])
def test_half_precision_rounds_once(dtype: Any) -> None:
    a, b = (RNG.standard_normal(s).astype(dtype.numpy) for s in ((4, 300), (300, 5)))
    exact = (a.astype(np.float64) @ b.astype(np.float64)).astype(np.float32)
    (got,) = MatMul(False, False).eval(a, b)
    assert got.dtype == dtype.numpy
    unit = 2.0**-11 if dtype is float16 else 2.0**-8
    np.testing.assert_allclose(got.astype(np.float32), exact, rtol=1.01 * unit, atol=2e-5)


@pytest.mark.parametrize(
    ("left", "right", "text"),
    [
        ((2, 3), (4, 5), "3 rows"),
        ((3,), (3, 2), "of rank 2 or more"),
        ((2, 2, 3), (3, 3, 2), "do not broadcast"),
    ],
)
def test_misuse_is_named(left: Any, right: Any, text: str) -> None:
    with pytest.raises(TypeMismatch, match=text):
        MatMul(False, False).infer(tensor_type("f32", left), tensor_type("f32", right))
    with pytest.raises(TypeMismatch, match="cast a bool first"):
        MatMul(False, False).infer(tensor_type("bool", (2, 2)), tensor_type("bool", (2, 2)))
    with pytest.raises(TypeMismatch, match="first operand's type"):
        MatMul(False, False).infer(tensor_type("f32", (2, 2)), tensor_type("f64", (2, 2)))


def test_symbolic_shapes() -> None:
    a, b = tensor_type("f32", ("batch", 3, "k")), tensor_type("f32", ("k", 5))
    assert str(MatMul(False, False).infer(a, b)[0]) == "f32[batch,3,5]"
