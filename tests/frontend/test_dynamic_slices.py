"""Slices of axes whose size is known only when the graph runs: read, assigned, differentiated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nngraph as ng
from nngraph.backends import get_backend
from nngraph.backends.base import Target, UnsupportedGraph
from nngraph.backends.build import build
from tests.support.dynamic import check

SLICES = (
    *("::2", "::3", "1::2", "2:", ":-1", ":-2", "1:-1", ":3", "-3:", "-3::2", "-2:-1"),
    *(":100", "100:", "-100:", "-100:2", ":-100", "5:2", "3:3", "::100", "-5:-2:2", "1:6:4"),
)
ONE = {"x": ("n", 3)}
LAST = {"x": (3, "n")}
SMALL = (0, 1, 2, 3, 4, 5, 8)


@pytest.mark.parametrize("part", SLICES)
def test_reading(part: str) -> None:
    check(f"x[{part}], x.T[:, {part}] * 2, x[:2, None][0:1, :, {part}]", ONE, SMALL)


@pytest.mark.parametrize("part", SLICES)
def test_assigning(part: str) -> None:
    check(
        f"y = x * 2; y[{part}] = 7.5; z = x * 1; z[{part}] += x[{part}] * x[{part}]; (y, z)",
        ONE,
        SMALL,
    )


@pytest.mark.parametrize("part", ["::2", "-3:", ":-1", "1::3", "-100:5:2"])
def test_assigning_through_views(part: str) -> None:
    check(f"y = x * 2; z = y[1:, {part}]; z.mul_(3); z[:, :2] = 1; (y, z)", LAST, SMALL)
    check(f"y = x * 2; y.T[{part}][:, ::2] = x.T[{part}][:, :2] * 5; y", LAST, SMALL)


@pytest.mark.parametrize(
    "text",
    [
        "x[::2][::2], x[::4]",
        "x[::2][::2] + x[::4]",
        "x[1:][1:] + x[2:]",
        "x[:4][:2] + x[:2]",
        "x[1:][:-1][::3]",
        "x[1:] - x[:-1], x.diff(dim=0), x[1:] - x[: x.shape[0] - 1]",
        "x[x.shape[0] // 2 :], x[: x.shape[0] // 2]",
        "x[x.shape[0] - 3 :], x[-x.shape[0] :], x[: x.shape[0] - 3]",
        "x[-1], x[x.shape[0] - 1], x[0]",
        "x[2], x[-3]",
        "x.narrow(0, 1, 2), x.narrow(0, -2, 2)",
        "x.narrow(0, 1, x.shape[0] - 1)",
        "x.narrow(0, 0, x.shape[0] // 2)",
        "x.select(0, -1), x.slice_scatter(x[:2] * 3, 0, 0, 2), x.select_scatter(x[0] * 2, 0, -1)",
        "x[1:].reshape(-1), x[::2].reshape(-1), x[:3].T.flatten(), x[-2:].sum(0)",
        "x[::2].mean(0), x[:3].softmax(0), x[1:].cumsum(0)",
    ],
)
def test_programs(text: str) -> None:
    check(text, ONE, SMALL)


def test_a_bound_that_is_another_size() -> None:
    shapes = {"x": ("n", 3), "y": ("k", 3)}
    check("x[y.shape[0] :], x[: y.shape[0]], x[y.shape[0] : y.shape[0] + 2]", shapes)


def test_an_exported_file(tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    path = ng.export(lambda x: x[::2], tmp_path / "a.onnx", ng.spec((None, 3)))
    session = ort.InferenceSession(path)
    (output,) = session.get_outputs()
    assert output.shape == ["(batch+1)//2", 3]
    for rows in range(8):
        x = np.arange(rows * 3, dtype="f4").reshape(rows, 3)
        np.testing.assert_array_equal(session.run(None, {"x": x})[0], x[::2])


def test_tvm_wants_numbers() -> None:
    pytest.importorskip("tvm", reason="needs the tvm extra")
    graph = ng.trace(lambda x: x[::2], ng.spec((None, 3)))
    with pytest.raises(
        UnsupportedGraph, match=r"symbolic shape of f32\[batch,3\].*concrete shapes"
    ):
        build(get_backend("tvm"), graph, Target("tvm"))
