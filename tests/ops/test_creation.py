from __future__ import annotations

import numpy as np
import pytest

from nngraph import ops
from nngraph.ir.dims import sym
from nngraph.ir.dtypes import bfloat16, bool_, float32, int32, int64, uint8
from nngraph.ir.graph import Graph
from nngraph.ir.literal import Literal
from nngraph.ir.types import TypeMismatch, tensor_type
from nngraph.ops import Constant, Full, Iota
from tests.support import graphs

X = np.asarray([1.0, 2.0], np.float32)


def test_fills() -> None:
    assert Full(2.5, bfloat16, (2,)).eval()[0].tolist() == [2.5, 2.5]
    assert Full(True, bool_, ()).eval()[0].item() is True
    assert Full(1, float32, (sym("n"), 2)).infer()[0].shape == (sym("n"), 2)


@pytest.mark.parametrize("value", [0.5, 256, -1, float("nan"), float("inf")])
def test_a_fill_fits_its_type(value: float) -> None:
    with pytest.raises(TypeMismatch, match="a whole number from 0 to 255 for uint8"):
        Full(value, uint8, ()).infer()


def test_numbers_beside_operands_take_their_type() -> None:
    (out,) = graphs.run(lambda x: ops.add(1, ops.mul(x, 2.0)), (X,))
    assert out.dtype == np.float32 and out.tolist() == [3.0, 5.0]
    with pytest.raises(TypeMismatch, match="a whole number"):
        graphs.run(lambda x: ops.mul(x, 0.5), (np.asarray([4]),))


def test_iota_counts_along_an_axis() -> None:
    assert Iota(int32, (2, 3), 1).eval()[0].tolist() == [[0, 1, 2], [0, 1, 2]]
    assert Iota(int32, (2, 3), 0).eval()[0].tolist() == [[0, 0, 0], [1, 1, 1]]
    with pytest.raises(TypeMismatch, match="one of the 1 axes"):
        Iota(int64, (2,), 1).infer()


def test_constants_are_equal_by_type_and_bytes() -> None:
    one, same = (Constant(Literal(np.asarray([1, 2]))) for _ in range(2))
    assert one == same and hash(one) == hash(same)
    assert one != Constant(Literal(np.asarray([1.0, 2.0])))
    assert Constant(Literal(np.asarray(0.0))) != Constant(Literal(np.asarray(-0.0)))
    assert not one.eval()[0].flags.writeable


def test_likes() -> None:
    graph = Graph()
    x = graph.add_input(tensor_type("f16", (2, "n")))
    from nngraph.ir.builder import Builder

    with Builder(graph):
        made = [ops.zeros_like(x), ops.ones_like(x), ops.full_like(x, 2), ops.scalar(1, x)]
    assert [v.type for v in made[:3]] == [x.type] * 3
    assert made[3].type == tensor_type("f16", ())
