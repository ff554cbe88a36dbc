"""Compiled arithmetic is the processor's, not algebra's: NaN, infinities, digits lost, wrap-around.

What is the same for real numbers (x - x, x == x, (x + c) - c, a * 2 // 2) and is not for floats and
for integers of a fixed width; axes of size 1, over which normalizations are not constant; half
precision, which is rounded at each step; values that are compared with what a kernel stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS

Array = np.ndarray[Any, Any]
Program = Callable[[Any], Any]

FLOATS = np.array([1.0, np.nan, np.inf, -np.inf, 1e8, -0.0, 0.0, 3e38, 1e-45], np.float32)
EVERY_FLOAT: dict[str, Program] = {
    "x - x": lambda x: x - x,
    "(x + 1) - x": lambda x: (x + 1) - x,
    "x + 1e8 - 1e8": lambda x: x + 1e8 - 1e8,
    "(x + y) - x": lambda x: (x + x.flip(0)) - x,
    "x == x": lambda x: x == x,
    "x != x": lambda x: x != x,
    "~(x < 1)": lambda x: ~(x < 1),
    "(x <= y) == False": lambda x: (x <= x.flip(0)) == (x != x),
    "x * 0": lambda x: x * 0,
    "x * 0 / x": lambda x: (x * 0) / x,
    "x / x": lambda x: x / x,
    "x / 3 * 3": lambda x: x / 3 * 3,
    "x * 2 / 2": lambda x: x * 2 / 2,
    "x + 0": lambda x: x + 0,
    "0 - x": lambda x: 0 - x,
    "-(-x)": lambda x: x.neg().neg(),
    "abs(-x)": lambda x: (-x).abs().abs(),
    "maximum(x, x - x)": lambda x: x.maximum(x - x),
    "minimum(x, x)": lambda x: x.minimum(x),
    "where(x == x, ..)": lambda x: x.where(x == x, x + 1),
    "where(x < 1, ..)": lambda x: (x - x).where(x < 1, x),
    "x * x - y": lambda x: x * x - x.flip(0) * x,
    "remainder": lambda x: (x % 1) + x // 1 - x,
}
INTEGERS = {
    t: np.array([np.iinfo(t).min, np.iinfo(t).max, np.iinfo(t).max - 1, 0, 1, 7], t)
    for t in ("int32", "int64", "uint8")
}
EVERY_INTEGER: dict[str, Program] = {
    "a * 2 // 2": lambda a: a * 2 // 2,
    "a * 2 % 2 == 0": lambda a: a * 2 % 2 == 0,
    "a + 1 > a": lambda a: a + 1 > a,
    "a - 1 < a": lambda a: a - 1 < a,
    "(a + 3) - a": lambda a: (a + 3) - a,
    "-a": lambda a: -a,
    "abs(-a)": lambda a: (-a).abs(),
    "a * a >= 0": lambda a: a * a >= 0,
    "a << 1 >> 1": lambda a: (a << 1) >> 1,
    "(a ^ -1) + a": lambda a: (a ^ 7) + a,
    "maximum(a + 1, a)": lambda a: (a + 1).maximum(a),
    "a // 3 * 3 + a % 3": lambda a: a // 3 * 3 + a % 3,
}
ONE = np.array([[1.0], [np.nan], [np.inf], [-np.inf]], np.float32)
SIZE_ONE: dict[str, Program] = {
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(1),
    "var": lambda x: x.var(1, correction=0),
    "sum": lambda x: x.sum(1) - x[:, 0],
    "logsumexp": lambda x: x.logsumexp(1),
}


def _cases() -> list[tuple[str, Program, Array]]:
    rows = [(name, f, FLOATS) for name, f in EVERY_FLOAT.items()]
    rows += [
        (f"{name}, {t}", f, a) for name, f in EVERY_INTEGER.items() for t, a in INTEGERS.items()
    ]
    return rows + [(f"{name} over one", f, ONE) for name, f in SIZE_ONE.items()]


CASES = _cases()


@pytest.fixture(scope="module")
def results() -> dict[str, list[Any]]:
    """By backend: what each case gives. All cases are one function, which compiles faster."""

    def every(*xs: Any) -> list[Any]:
        return [f(x) for (_, f, _), x in zip(CASES, xs, strict=True)]

    arrays = [a for _, _, a in CASES]
    found = {b: ng.compile(every, backend=b)(*(ng.tensor(a) for a in arrays)) for b in BACKENDS}
    found["eager"] = every(*(ng.tensor(a) for a in arrays))
    found["pytorch"] = every(*(torch.tensor(a) for a in arrays))
    return found


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
@pytest.mark.parametrize("name", [name for name, _, _ in CASES])
def test_bits_are_pytorchs(backend: str, name: str, results: dict[str, list[Any]]) -> None:
    place = [n for n, _, _ in CASES].index(name)
    got, want = (results[b][place].numpy() for b in (backend, "pytorch"))
    np.testing.assert_array_equal(got, want)
