from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nngraph import ops
from nngraph.ir.builder import Builder
from nngraph.ir.dims import sym
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.types import TypeMismatch, tensor_type
from nngraph.ops import BroadcastTo, Concat, Flip, Pad, Reshape, Slice, SliceUpdate, Split, Tile
from tests.support import graphs
from tests.support.oracle import compare

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 3, 4))
MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "circular": "circular"}


def run(build: Any, *inputs: Array) -> Array:
    """The result of functions on operands."""
    return graphs.run(build, inputs)[0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pads", [(1, 2), (2, 0), (0, 0), (3, 3)])
def test_pad(mode: str, pads: tuple[int, int]) -> None:
    op = Pad(((0, 0), (0, 0), pads), mode, 0.0)
    compare(op, [X], lambda t: F.pad(t, pads, MODES[mode]))


def test_pad_all_axes_with_a_value() -> None:
    op = Pad(((1, 0), (2, 1), (0, 3)), "constant", -1.5)
    compare(op, [X], lambda t: F.pad(t, (0, 3, 2, 1, 1, 0), value=-1.5))


def test_pad_by_negative_counts_cuts() -> None:
    got = run(lambda x: ops.pad(x, ((-1, 0), (1, -2), (0, 0))), X)
    wanted = F.pad(torch.tensor(X), (0, 0, 1, -2, -1, 0)).numpy()
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("sizes", [(1, 2), (3,), (0, 1, 2), (1, 1, 1)])
def test_split_and_concat(sizes: tuple[int, ...]) -> None:
    compare(Split(1, sizes), [X], lambda t: torch.split(t, list(sizes), 1))
    parts = np.split(X, np.cumsum(sizes)[:-1], 1)
    compare(Concat(1), parts, lambda *ts: torch.cat(ts, 1))


def test_split_with_an_unused_piece_has_a_gradient() -> None:
    from tests.support.contract import gradient_graph

    graph = Graph()
    x = graph.add_input(tensor_type("f64", (3,)))
    with Builder(graph):
        graph.add_output(ops.split(x, (1, 2))[1])
    (gradient,) = evaluate(gradient_graph(graph), [np.ones(3), np.asarray([2.0, 3.0])])
    np.testing.assert_array_equal(gradient, [0.0, 2.0, 3.0])


@pytest.mark.parametrize("axes", [(0,), (0, 2), (0, 1, 2), ()])
def test_flip(axes: tuple[int, ...]) -> None:
    compare(Flip(axes), [X], lambda t: torch.flip(t, axes))


@pytest.mark.parametrize("repeats", [(2, 1, 3), (1, 1, 1), (0, 2, 1)])
def test_tile(repeats: tuple[int, ...]) -> None:
    compare(Tile(repeats), [X], lambda t: t.tile(repeats))


@pytest.mark.parametrize("repeats", [(2,), (2, 2), (2, 1, 1, 2)])
def test_tile_of_other_ranks(repeats: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(run(lambda x: ops.tile(x, repeats), X), np.tile(X, repeats))


def test_reshape_and_broadcast() -> None:
    compare(Reshape((4, 6)), [X], lambda t: t.reshape(4, 6))
    compare(BroadcastTo((5, 2, 3, 4)), [X[:, :1]], lambda t: t.expand(5, 2, 3, 4))
    assert run(lambda x: ops.reshape(x, (-1, 4)), X).shape == (6, 4)


@pytest.mark.parametrize("index", [np.s_[1, ::2, 3:0:-1], np.s_[:, ::-1, 2:], np.s_[0:0, 1, :]])
def test_slice_and_update(index: Any) -> None:
    rows = []
    for part, size in zip(index, X.shape, strict=True):
        if isinstance(part, int):
            rows.append((part, 1, 1))
        else:
            picked = range(size)[part]
            rows.append((picked.start if len(picked) else 0, len(picked), picked.step))
    starts, sizes, steps = (tuple(int(r[i]) for r in rows) for i in range(3))
    wanted = X[index].reshape(sizes)
    np.testing.assert_array_equal(Slice(starts, sizes, steps).eval(X)[0], wanted)
    changed = X.copy()
    changed[index] = 7.0
    (got,) = SliceUpdate(starts, sizes, steps).eval(X, np.full(sizes, 7.0))
    np.testing.assert_array_equal(got, changed)


@pytest.mark.parametrize("diagonal", [-2, -1, 0, 1, 3])
def test_triangles(diagonal: int) -> None:
    t = torch.tensor(X)
    np.testing.assert_array_equal(run(lambda x: ops.tril(x, diagonal), X), t.tril(diagonal))
    np.testing.assert_array_equal(run(lambda x: ops.triu(x, diagonal), X), t.triu(diagonal))


@pytest.mark.parametrize("shift", [-5, -1, 0, 1, 2, 4])
@pytest.mark.parametrize("axis", [0, 2, -1])
def test_roll(shift: int, axis: int) -> None:
    got = run(lambda x: ops.roll(x, shift, axis), X)
    np.testing.assert_array_equal(got, np.roll(X, shift, axis))


@pytest.mark.parametrize("axis", [0, 1, 3, -1])
def test_stack_squeeze_unsqueeze(axis: int) -> None:
    np.testing.assert_array_equal(run(lambda x: ops.stack([x, x], axis), X), np.stack([X, X], axis))
    lifted = run(lambda x: ops.unsqueeze(x, axis), X)
    np.testing.assert_array_equal(lifted, np.expand_dims(X, axis))
    assert run(lambda x: ops.squeeze(x), lifted).shape == X.shape
    assert run(lambda x: ops.squeeze(x, 1), X).shape == X.shape


def test_symbolic_shapes() -> None:
    batch = sym("batch")
    kind = tensor_type("f32", (batch, 3, 4))
    assert Reshape((batch * 3, 4)).infer(kind)[0].shape == (batch * 3, 4)
    assert Concat(0).infer(kind, kind)[0].shape == (batch * 2, 3, 4)
    assert Tile((2, 1, 1)).infer(kind)[0].shape == (batch * 2, 3, 4)
    assert Pad(((1, 1), (0, 0), (0, 0)), "constant", 0.0).infer(kind)[0].shape == (batch + 2, 3, 4)
    assert Slice((1, 0, 0), (batch - 1, 3, 4), (1, 1, 1)).infer(kind)[0].shape[0] == batch - 1


@pytest.mark.parametrize(
    ("op", "shape", "text"),
    [
        (Reshape((5,)), (2, 3), "of 6 elements"),
        (BroadcastTo((3, 2)), (2, 3), "broadcastable to"),
        (ops.Transpose((0, 0)), (2, 3), "a permutation"),
        (Slice((0, 2), (2, 2), (1, 1)), (2, 3), "inside f32[2,3]"),
        (Slice((0,), (1,), (0,)), (2,), "positive or negative"),
        (Pad(((0, 3),), "reflect", 0.0), (3,), "at most 2"),
        (Pad(((0, 4),), "circular", 0.0), (3,), "at most 3"),
        (Pad(((0, 1),), "mirror", 0.0), (3,), "one of"),
        (Pad(((-1, 1),), "constant", 0.0), (3,), "not negative"),
        (Split(0, (1, 1)), (3,), "3 together"),
        (Tile((1, 2)), (3,), "one count"),
        (Flip((1,)), (3,), "sorted and different"),
    ],
)
def test_misuse_is_named(op: Any, shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(TypeMismatch) as error:
        op.infer(tensor_type("f32", shape))
    assert text in str(error.value) and op.name in str(error.value)


def test_concat_names_the_operand_that_does_not_fit() -> None:
    with pytest.raises(TypeMismatch, match=r"operand 1 is f32\[3,2\]"):
        Concat(1).infer(tensor_type("f32", (2, 2)), tensor_type("f32", (3, 2)))
