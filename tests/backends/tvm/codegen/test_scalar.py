"""The table of elementwise operators is complete, and right where TVM alone would not be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from nngraph import ops
from nngraph.backends.tvm.codegen import scalar
from nngraph.backends.tvm.lower.table import is_lowered
from nngraph.ir.builder import Builder
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.op import Trait
from nngraph.ir.types import type_of_array
from tests.support.tolerances import assert_close
from tests.support.tvm_programs import emit, load_all

SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 2.5, -2.5, np.inf, -np.inf, np.nan], np.float32)
NAMES = ("x*0", "x/0", "0/x", "x!=x", "max", "min", "relu", "sign", "round", "floor_divide", "rem")


def test_every_elementwise_primitive_has_a_row() -> None:
    for name, op in ops.REGISTRY.items():
        if Trait.ELEMENTWISE in op.traits and not op.defines("decompose"):
            assert scalar.knows(op), name
            assert is_lowered(next(iter(op.samples())).op), name


def test_an_operator_from_elsewhere_has_no_kernel_though_it_is_elementwise() -> None:
    @dataclass(frozen=True)
    class Own(ops.Unary):
        name = "own"

    assert Trait.ELEMENTWISE in Own.traits
    assert not is_lowered(Own())


def _graph() -> Graph:
    graph = Graph("special")
    x = graph.add_input(type_of_array(SPECIAL[:, None]))
    y = graph.add_input(type_of_array(SPECIAL[None]))
    with Builder(graph):
        for value in (
            ops.mul(x, 0.0),
            ops.div(x, 0.0),
            ops.div(0.0, x),
            ops.ne(x, y),
            ops.maximum(x, y),
            ops.minimum(x, y),
            ops.relu(x),
            ops.sign(x),
            ops.round(x),
            ops.floor_divide(x, y),
            ops.remainder(x, y),
        ):
            graph.add_output(value)
    return graph


@pytest.fixture(scope="module")
def results() -> list[np.ndarray]:  # type: ignore[type-arg]
    (executable,) = load_all([emit(_graph())])
    return executable.run([SPECIAL[:, None].copy(), SPECIAL[None].copy()], [], [])[0]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_special_values(number: int, results: list[np.ndarray]) -> None:  # type: ignore[type-arg]
    wanted = evaluate(_graph(), [SPECIAL[:, None], SPECIAL[None]])
    assert_close(results[number], wanted[number], NAMES[number])
