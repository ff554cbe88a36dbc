"""Generated kernels against the operators' own definitions: shapes, tails, sweeps, types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nngraph import ops
from nngraph.backends.tvm.executable import TvmExecutable
from nngraph.ir.builder import Builder
from nngraph.ir.dtypes import bfloat16, float16, float32, int32, int64
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.types import type_of_array
from tests.support.tolerances import assert_close
from tests.support.tvm_programs import emit, load_all

Arrays = list[np.ndarray[Any, Any]]
RNG = np.random.default_rng(0)


def f(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape).astype(np.float32)


def _layer_norm(x: Any, w: Any, b: Any) -> tuple[Any, ...]:
    mean = ops.mean(x, (x.type.rank - 1,), True)
    centred = ops.sub(x, mean)
    variance = ops.mean(ops.mul(centred, centred), (x.type.rank - 1,), True)
    rstd = ops.rsqrt(ops.add(variance, 1e-5))
    return ops.add(ops.mul(ops.mul(centred, rstd), w), b), mean, rstd


def _batch_norm(x: Any, w: Any) -> tuple[Any, ...]:
    axes = (0, *range(2, x.type.rank))
    mean = ops.mean(x, axes, True)
    centred = ops.sub(x, mean)
    variance = ops.mean(ops.mul(centred, centred), axes, True)
    scale = ops.reshape(w, [1 if a in axes else d for a, d in enumerate(x.type.shape)])
    return ops.mul(ops.mul(centred, ops.rsqrt(ops.add(variance, 1e-5))), scale), variance


def _column_softmax(x: Any) -> Any:
    e = ops.exp(ops.sub(x, ops.max(x, (0,), True)))
    return ops.div(e, ops.sum(e, (0,), True))


def _triangle(x: Any) -> Any:
    shape = x.type.shape
    rows, columns = (ops.iota(int32, shape, a, like=x) for a in (0, 1))
    return ops.where(ops.le(columns, rows), x, 0.0)


def _extremes(x: Any) -> tuple[Any, ...]:
    return tuple(fold(x, (1,), False) for fold in (ops.max, ops.min, ops.prod, ops.sum))


def _casts(x: Any) -> tuple[Any, ...]:
    return tuple(ops.cast(x, d) for d in (bfloat16, float16, int64, int32, float32))


def _gates(x: Any, c: Any) -> tuple[Any, ...]:
    """A cell of four gates, and gradients of its own making joined again."""
    i, f, g, o = ops.split(x, (c.type.shape[1],) * 4, 1)
    new = ops.add(ops.mul(ops.sigmoid(f), c), ops.mul(ops.sigmoid(i), ops.tanh(g)))
    out = ops.mul(ops.sigmoid(o), ops.tanh(new))
    return out, new, ops.concat([ops.mul(out, i), ops.neg(new), f, ops.mul(out, new)], 1)


def _joined_rows(x: Any) -> tuple[Any, ...]:
    """Softmax and its logarithm side by side, and what a row has of both."""
    e = ops.exp(ops.sub(x, ops.max(x, (1,), True)))
    total = ops.sum(e, (1,), True)
    y = ops.div(e, total)
    return ops.concat([y, ops.log(ops.add(y, 1.0))], 1), ops.concat([total, ops.neg(total)], 1), y


def _part_sums(x: Any) -> tuple[Any, ...]:
    """Folds of parts, along rows and along columns."""
    left, right = (ops.slice_axis(x, 1, start, 20) for start in (3, 19))
    both = ops.mul(left, right)
    return ops.sum(both, (1,), True), ops.div(both, ops.sum(both, (1,), True))


def _differences(x: Any) -> tuple[Any, ...]:
    rows, columns = x.type.shape
    down = ops.sub(ops.slice_axis(x, 0, 1, rows - 1), ops.slice_axis(x, 0, 0, rows - 1))
    right = ops.sub(ops.slice_axis(x, 1, 1, columns - 1), ops.slice_axis(x, 1, 0, columns - 1))
    back = ops.slice(x, (rows - 1, 2), (rows // 2, columns - 4), (-2, 1))
    return down, right, ops.exp(back), ops.sum(ops.exp(down), (0,), False)


def _joined(axis: int) -> Callable[..., Any]:
    return lambda x, y: (ops.concat([ops.exp(x), ops.mul(x, y), y], axis), ops.mul(x, y))


def _part_of_a_row(x: Any, b: Any) -> Any:
    return ops.mul(ops.add(x, ops.slice_axis(b, 0, 5, x.type.shape[1])), ops.slice_axis(b, 0, 0, 1))


NAN = np.array([[1.0, np.nan, 3.0], [np.inf, -np.inf, 0.0]], np.float32)
CASES: dict[str, tuple[Callable[..., Any], Arrays]] = {
    "one axis with a tail": (lambda x: ops.mul(ops.exp(x), x), [f(1003)]),
    "long axis in chunks": (lambda x, y: ops.add(ops.mul(x, y), x), [f(20011), f(20011)]),
    "broadcast over rows": (lambda x, b: (ops.relu(ops.add(x, b)), ops.neg(x)), [f(37, 64), f(64)]),
    "broadcast over columns": (lambda x, b: ops.mul(x, b), [f(5, 7, 9), f(5, 1, 1)]),
    "outer product": (lambda x, y: ops.mul(x, y), [f(6, 1), f(1, 5)]),
    "rank 0": (lambda x: ops.mul(ops.add(x, 1.0), 2.0), [f()]),
    "size 1 axes": (lambda x: ops.sum(ops.exp(x), (0, 2), True), [f(1, 3, 1)]),
    "softmax, vector length divides": (lambda x: ops.softmax(x, 1), [f(5, 64)]),
    "softmax, odd length": (lambda x: ops.softmax(x, 2), [f(3, 2, 37)]),
    "softmax of columns": (_column_softmax, [f(19, 70)]),
    "layer norm": (_layer_norm, [f(9, 256), f(256), f(256)]),
    "layer norm, short rows": (_layer_norm, [f(4, 5), f(5), f(5)]),
    "batch norm of images": (_batch_norm, [f(4, 6, 5, 7), f(6)]),
    "batch norm of rows": (_batch_norm, [f(33, 130), f(130)]),
    "sum of all": (lambda x: ops.sum(x, (0, 1), False), [f(30, 50)]),
    "mean of columns": (lambda x: ops.mean(x, (0,), False), [f(37, 100)]),
    "middle axis": (lambda x: ops.sum(x, (1,), False), [f(3, 11, 18)]),
    "NaN in extremes": (_extremes, [NAN]),
    "counters": (_triangle, [f(19, 33)]),
    "casts": (_casts, [f(100) * 100]),
    "bool results": (lambda x: (ops.any(ops.gt(x, 1.0), (1,), False), ops.gt(x, 0.0)), [f(7, 30)]),
    "bool operands": (lambda c, x: ops.where(c, x, ops.neg(x)), [f(50) > 0, f(3, 50)]),
    "half": (lambda x: ops.mean(ops.exp(x), (1,), True), [f(4, 300).astype(np.float16)]),
    "gates": (_gates, [f(32, 512), f(32, 128)]),
    "gates of odd sizes": (_gates, [f(5, 28), f(5, 7)]),
    "gates of one row": (_gates, [f(1, 64), f(1, 16)]),
    "joined rows": (_joined_rows, [f(9, 48)]),
    "sums of parts": (_part_sums, [f(11, 40)]),
    "differences": (_differences, [f(9, 37)]),
    "differences of short rows": (_differences, [f(6, 8)]),
    "joined first": (_joined(0), [f(6, 5, 16), f(6, 5, 16)]),
    "joined in the middle": (_joined(1), [f(6, 5, 16), f(6, 5, 16)]),
    "joined last": (_joined(2), [f(6, 5, 7), f(6, 5, 7)]),
    "joined halves": (_joined(1), [f(6, 9).astype(np.float16), f(6, 9).astype(np.float16)]),
    "joined bools": (lambda x: ops.concat([ops.gt(x, 0.0), ops.lt(x, 1.0)], 0), [f(3, 20)]),
    "part of a row": (_part_of_a_row, [f(7, 32), f(40)]),
    "parts of a bool": (
        lambda c, x: ops.where(ops.slice_axis(c, 0, 3, 50), x, ops.neg(x)),
        [f(60) > 0, f(3, 50)],
    ),
    "double": (lambda x: ops.tanh(ops.mul(x, 1e-3)), [f(40).astype(np.float64)]),
    "integers": (lambda x: ops.sum(ops.mul(x, x), (0,), False), [np.arange(100).reshape(4, 25)]),
}


def _graph(build: Callable[..., Any], arrays: Arrays) -> Graph:
    graph = Graph("case")
    values = [graph.add_input(type_of_array(a)) for a in arrays]
    with Builder(graph):
        made = build(*values)
        for value in made if isinstance(made, tuple) else (made,):
            graph.add_output(value)
    return graph


@pytest.fixture(scope="module")
def executables() -> dict[str, TvmExecutable]:
    programs = [emit(_graph(build, arrays)) for build, arrays in CASES.values()]
    return dict(zip(CASES, load_all(programs), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_numpy(name: str, executables: dict[str, TvmExecutable]) -> None:
    build, arrays = CASES[name]
    wanted = evaluate(_graph(build, arrays), arrays)
    outputs, _ = executables[name].run(arrays, [], [])
    for got, want in zip(outputs, wanted, strict=True):
        assert_close(got, want, name, scale=10.0 if want.size == 1 else 1.0)


@pytest.mark.parametrize("name", ["layer norm", "softmax, odd length", "batch norm of images"])
def test_a_row_formula_is_one_kernel(name: str) -> None:
    program = emit(_graph(*CASES[name]))
    assert [k.op.name for k in program.kernels] == ["fused"]
    assert program.arena == 0
