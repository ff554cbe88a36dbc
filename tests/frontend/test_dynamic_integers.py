"""Integers that differ from call to call, under ``dynamic=True``: numbers of one trace."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph.backends import BACKENDS as MODULES
from tests.support.backends import BACKENDS
from tests.support.training import count_traces

X = np.arange(16, dtype=np.float32).reshape(2, 8) / 7
NUMBERS = (1, 3, 2, 5, 1, 4)

#: Code of ``x`` and ``n``, and its traces over ``NUMBERS``: the first number is one of its own.
CALLS = {
    "x * n": 2,
    "x + n // 2 - n % 3": 2,
    "x * (n / 3) ** 0.5": 2,
    "root(x, n)": 2,
    "x.double() * (n * 10**15 + 1)": 2,
    "x * min(n, 3)": 2,
    "x[:, n]": 2,
    "x[:, -n]": 2,
    "x[n % 2, n].reshape(1)": 2,
    "x[:, n:n + 2]": 2,
    "x[:, n - 1:n + 2] * n": 2,
    "x[:, 1 + n:n + 3]": 2,
    "assigned(x, n)": 2,
    "assigned_slice(x, n)": 2,
    "(ng.arange(8) <= n) * x": 2,
    "ng.full((2,), n)": 2,
    "x * isinstance(n, int)": 2,
    "x * n if n > 0 else x": 2,
    "(x, n)": 2,
    # Where the way through the code depends on it: a trace for each way.
    "x * 2 if n > 2 else x * n": 3,
    "x * 2 if n % 2 and n > 1 else x": 3,
    # Where it is a size, or clipped: a trace for each number.
    "x.reshape(-1)[:n]": 5,
    "x.expand(n, 2, 8)": 5,
    "sum(x * i for i in range(n))": 5,
    "x * len(f'{n}' * n)": 5,
    "x[:, n + 2:n + 4]": 3,
}


def assigned(x: Any, n: Any) -> Any:
    y = x.clone()
    y[:, n] = n
    y[0, n] += 1
    return y


def assigned_slice(x: Any, n: Any) -> Any:
    y = x.clone()
    y[:, n : n + 2] = x[:, :2]
    y[:, n : n + 2] += 1
    return y


def root(x: Any, n: Any) -> Any:
    return x * math.sqrt(n)


def shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return [*shown(value[0]), value[1]]
    return value.numpy() if isinstance(value, ng.Tensor) else value


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("text", CALLS)
def test_one_trace_serves_all_numbers(text: str, backend: str) -> None:
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    function = eval(f"lambda x, n: {text}", globals())
    compiled, x = ng.compile(function, backend=backend, dynamic=True), ng.tensor(X)
    for n in NUMBERS:
        got, wanted = shown(compiled(x, n)), shown(function(x, n))
        assert len(got) == len(wanted)
        for a, b in zip(got, wanted, strict=True):
            assert np.shape(a) == np.shape(b)
            np.testing.assert_allclose(a, b, 1e-6)
    assert count_traces(compiled) == CALLS[text], compiled.explain()


def test_without_dynamic_each_number_is_a_trace() -> None:
    compiled = ng.compile(lambda x, n: x * n, backend="reference")
    for n in NUMBERS:
        compiled(ng.tensor(X), n)
    assert count_traces(compiled) == 5


def test_what_is_no_integer_is_another_trace() -> None:
    compiled, x = ng.compile(lambda x, n: x * n, backend="reference", dynamic=True), ng.tensor(X)
    for n in (2, 3, True, 2.5, 4, False, True, 7):
        np.testing.assert_allclose(shown(compiled(x, n)), X * n, 1e-6)
    assert count_traces(compiled) == 5


def test_integers_and_sizes_together() -> None:
    compiled = ng.compile(lambda x, n, k: x[n:] * n + k, backend="reference", dynamic=True)
    picked = ng.compile(lambda x, n, k: x[n] * n + k, backend="reference", dynamic=True)
    for size, n, k in ((4, 1, 5), (6, 2, 5), (8, 3, 5), (5, 4, 5)):
        x = ng.randn(size, 3)
        np.testing.assert_array_equal(shown(compiled(x, n, k)), shown(x[n:] * n + k))
        np.testing.assert_array_equal(shown(picked(x, n, k)), shown(x[n] * n + k))
    assert count_traces(picked) == 2


def test_a_number_out_of_range_is_refused_and_the_next_is_not() -> None:
    compiled, x = ng.compile(lambda x, n: x[:, n], backend="onnx", dynamic=True), ng.tensor(X)
    for n in (0, 1, -8, 7):
        np.testing.assert_array_equal(shown(compiled(x, n)), X[:, n])
    for n in (8, -9):
        with pytest.raises(IndexError):
            compiled(x, n)
    np.testing.assert_array_equal(shown(compiled(x, 3)), X[:, 3])
    assert count_traces(compiled) == 2


def test_a_window_is_no_view_that_could_be_written() -> None:
    """Python's slice is a view; a write to what a trace reads there would be lost."""

    def function(x: Any, n: int) -> Any:
        x[:, n : n + 2].zero_()
        return x

    compiled = ng.compile(function, backend="reference", dynamic=True)
    x = ng.tensor(X)
    compiled(x.clone(), 1)
    try:
        got = shown(compiled(x.clone(), 2))
    except RuntimeError as error:
        assert "assign" in str(error)
    else:
        np.testing.assert_array_equal(got[:, 2:4], 0)


class Counter(ng.nn.Module):
    """A cache that the module's own counter writes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("cache", ng.zeros(6, 3))
        self.at = 0

    def forward(self, x: Any) -> Any:
        self.cache[self.at] = x[0]
        self.cache[self.at : self.at + 1] += x
        seen = ng.arange(6) <= self.at
        self.at += 1
        return (self.cache * seen[:, None]).sum(0) * self.at


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_counter_of_a_module_is_an_index(backend: str) -> None:
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    ours, eager = Counter(), Counter()
    compiled = ng.compile(ours, backend=backend)
    for step in range(6):
        x = ng.full((1, 3), step + 0.5)
        with ng.no_grad():
            np.testing.assert_allclose(shown(compiled(x)), shown(eager(x)), 1e-6)
    assert count_traces(compiled) == 1
    np.testing.assert_allclose(shown(ours.cache), shown(eager.cache), 1e-6)
    with pytest.raises((IndexError, ng.ConcretizationError)), ng.no_grad():
        compiled(ng.ones(1, 3))
    assert ours.at == 6


def test_a_file_takes_the_number(tmp_path: Any) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    compiled, x = ng.compile(lambda x, n: x * n, dynamic=True), ng.tensor(X)
    for n in (2, 3):
        compiled(x, n)
    session = runtime.InferenceSession(ng.export(compiled, tmp_path / "f.onnx"))
    (found,) = session.run(None, {"x": X, "n": np.array(5)})
    np.testing.assert_allclose(found, X * 5, 1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_narrow_from_a_tensor(backend: str) -> None:
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    compiled, x = ng.compile(lambda x, i: x.narrow(1, i, 3), backend=backend), ng.tensor(X)
    for start in (0, 5, 2, -3, -8):
        at = ng.tensor(start)
        np.testing.assert_array_equal(shown(compiled(x, at)), shown(x.narrow(1, at, 3)))
    for start in (6, 9, -1, -9):
        with pytest.raises((IndexError, RuntimeError)):
            x.narrow(1, ng.tensor(start), 3)
        with pytest.raises(IndexError):
            compiled(x, ng.tensor(start))
    assert count_traces(compiled) == 1


def test_threads_have_numbers_of_their_own() -> None:
    compiled = ng.compile(lambda x, n: x[:, n] * n, backend="reference", dynamic=True)
    x, wrong = ng.tensor(X), list[int]()
    for n in (0, 1):
        compiled(x, n)

    def calls(n: int) -> None:
        for _ in range(200):
            if not np.array_equal(shown(compiled(x, n)), shown(x[:, n] * n)):
                wrong.append(n)

    threads = [threading.Thread(target=calls, args=(n,)) for n in range(2, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert count_traces(compiled) == 2
