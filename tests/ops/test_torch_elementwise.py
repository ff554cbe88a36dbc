from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nngraph import ops
from nngraph.ir.builder import Builder
from nngraph.ir.dtypes import DTYPES, Kind, as_dtype, float64
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.types import type_of_array
from nngraph.ops import REGISTRY, Cast, Clip, Where
from nngraph.ops.elementwise.special import erf, erfc
from tests.support.backends import BACKENDS, run_graph
from tests.support.oracle import compare

NAN, INF = np.nan, np.inf
SPECIAL = np.asarray([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, 0.3])
INTS = np.asarray([-7, -2, -1, 0, 1, 2, 7], np.int64)

UNARY: dict[str, Callable[..., Any]] = {
    name: torch.clone if name == "copy" else getattr(torch, name)
    for name, op in REGISTRY.items()
    if issubclass(op, ops.Unary) and Kind.FLOAT in op.takes.kinds
}
BINARY: dict[str, Callable[..., Any]] = {
    name: getattr(torch, name)
    for name in (
        *("add", "sub", "mul", "div", "floor_divide", "remainder", "fmod", "pow", "maximum"),
        *("minimum", "atan2", "eq", "ne", "lt", "le", "gt", "ge"),
    )
}
# PyTorch has no gradient for the quotient's floor; here it is zero, as that of floor itself.
NO_GRADIENT = {"floor_divide"}
FOR_INTS = ("neg", "abs", "sign", "floor", "ceil", "round", "trunc", "relu")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str, dtype: Any) -> None:
    compare(REGISTRY[name](), [SPECIAL.astype(dtype)], UNARY[name])


@pytest.mark.parametrize("name", FOR_INTS)
def test_unary_of_integers(name: str) -> None:
    compare(REGISTRY[name](), [INTS], UNARY[name])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str, dtype: Any) -> None:
    x = SPECIAL.astype(dtype)
    inputs = [x[:, None], x[None] if name != "pow" else x[None, 3:]]
    compare(REGISTRY[name](), inputs, BINARY[name], gradient=name not in NO_GRADIENT)


@pytest.mark.parametrize("exponent", [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0])
def test_power_and_its_gradient_at_zero(exponent: float) -> None:
    base = np.asarray([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, INF])
    compare(ops.Pow(), [base, np.full(7, exponent)], torch.pow)


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod"])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_division_of_integers(name: str, dtype: Any) -> None:
    divisors = np.asarray([-3, -2, -1, 1, 2, 3], dtype)
    compare(REGISTRY[name](), [INTS.astype(dtype)[:, None], divisors], BINARY[name])
    with pytest.raises(ZeroDivisionError, match=name):
        REGISTRY[name]().eval(np.asarray([1], dtype), np.asarray([0], dtype))


def test_power_of_integers() -> None:
    exponents = np.asarray([-3, -2, -1, 0, 1, 2, 3], np.int64)
    nonzero = INTS[INTS != 0]
    compare(ops.Pow(), [nonzero[:, None], exponents], torch.pow)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8])
@pytest.mark.parametrize(
    ("name", "twin"),
    [("shift_left", torch.bitwise_left_shift), ("shift_right", torch.bitwise_right_shift)],
)
def test_shifts(name: str, twin: Any, dtype: Any) -> None:
    bits = 8 * np.dtype(dtype).itemsize
    x = np.asarray([1, 100, 7, 0] if dtype is np.uint8 else [-100, -1, 0, 1, 100]).astype(dtype)
    compare(REGISTRY[name](), [x[:, None], np.asarray([0, 1, 3, bits - 1, bits], dtype)], twin)


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor"])
@pytest.mark.parametrize("values", [INTS, np.asarray([True, False])])
def test_bits(name: str, values: Array) -> None:
    compare(REGISTRY[name](), [values[:, None], values], getattr(torch, name))
    compare(ops.BitwiseNot(), [values], torch.bitwise_not)


@pytest.mark.parametrize("name", ["logical_and", "logical_or", "logical_xor"])
def test_logic(name: str) -> None:
    values = np.asarray([True, False])
    compare(REGISTRY[name](), [values[:, None], values], getattr(torch, name))
    compare(ops.LogicalNot(), [values], torch.logical_not)


@pytest.mark.parametrize(
    ("low", "high"), [(-1.0, 1.0), (None, 0.5), (0.5, None), (1.0, -1.0), (-INF, INF), (0.0, 0.0)]
)
def test_clip(low: float | None, high: float | None) -> None:
    compare(Clip(low, high), [SPECIAL], lambda x: torch.clamp(x, low, high))


def test_clip_of_integers() -> None:
    compare(Clip(-1, 2), [INTS], lambda x: torch.clamp(x, -1, 2))


def test_where_broadcasts_and_routes_the_gradient() -> None:
    condition = np.asarray([[True], [False], [True]])
    x, y = np.asarray([[1.0, NAN, 3.0]]), np.asarray([[4.0], [INF], [NAN]])
    compare(Where(), [condition, x, y], torch.where)
    compare(Where(), [np.asarray(True), x[0, 0], y], torch.where)


@pytest.mark.parametrize("target", [d for d in DTYPES if not d.name.startswith("uint")], ids=str)
@pytest.mark.parametrize("source", [np.float32, np.float64, np.int64, np.bool_])
def test_cast(source: Any, target: Any) -> None:
    values = np.asarray([-3.0, -2.7, -0.5, 0.0, 0.5, 1.0, 2.7, 100.0]).astype(source)
    twin = getattr(torch, target.name)
    wide = torch.float64 if as_dtype(target).is_floating_point else twin
    got = Cast(target).eval(values)[0]
    wanted = torch.tensor(values).to(twin)
    assert got.dtype == target.numpy
    kind = np.float64 if wide is torch.float64 else got.dtype
    np.testing.assert_array_equal(got.astype(kind), wanted.to(wide).numpy())


def test_cast_carries_gradients_between_float_types() -> None:
    compare(Cast(float64), [SPECIAL.astype(np.float32)], lambda x: x.double())


def test_error_function_to_the_last_digits() -> None:
    x = np.concatenate([np.linspace(-7, 7, 4001), [1e-300, 1e-8, 0.46875, 4.0, 6.5, 30.0]])
    wanted = torch.erf(torch.tensor(x)).numpy()
    np.testing.assert_allclose(erf(x), wanted, rtol=1e-15, atol=0)
    single = x.astype(np.float32)
    exact = torch.erf(torch.tensor(single).double()).numpy()
    assert erf(single).dtype == np.float32
    np.testing.assert_allclose(erf(single), exact, rtol=4e-7, atol=1e-45)
    assert np.abs(erf(np.linspace(-9, 9, 3001, dtype=np.float32))).max() == 1


def test_complement_of_the_error_function_where_it_is_small() -> None:
    x = np.concatenate([np.linspace(-7, 26, 4001), [1e-300, 0.46875, 4.0]])
    wanted = torch.erfc(torch.tensor(x)).numpy()
    np.testing.assert_allclose(erfc(x), wanted, rtol=1e-12, atol=0)
    single = x[x < 9].astype(np.float32)
    exact = torch.erfc(torch.tensor(single).double()).numpy()
    assert erfc(single).dtype == np.float32
    np.testing.assert_allclose(erfc(single), exact, rtol=1.2e-7, atol=0)
    np.testing.assert_array_equal(erfc(np.asarray([INF, -INF, NAN])), [0, 2, NAN])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("f4", 2e-5), ("f8", 1e-12)])
def test_the_complement_does_not_cancel_on_any_backend(
    backend: str, dtype: str, tolerance: float
) -> None:
    x = np.linspace(-4, 9, 261).astype(dtype)
    graph = Graph()
    value = graph.add_input(type_of_array(x))
    with Builder(graph):
        graph.add_output(ops.erfc(value))
    (found,) = run_graph(backend, graph, [x])
    wanted = torch.erfc(torch.tensor(x).double()).numpy()
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=0)
