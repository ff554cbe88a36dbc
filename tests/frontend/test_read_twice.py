"""One tensor that a kernel reads in two ways: x.outer(x), x + x.T, broadcast, gathered, cast.

Values and gradients against PyTorch, eager and on every backend.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS
from tests.support.tolerances import assert_close

RNG = np.random.default_rng(0)
Array = np.ndarray[Any, Any]


def f(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


V, M, ROW = f(5), f(4, 4), f(1, 6)
CASES: dict[str, tuple[Callable[[Any], Any], Array]] = {
    "outer": (lambda x: x.outer(x), V),
    "outer of one": (lambda x: x.outer(x), V[:1]),
    "outer, long": (lambda x: x.outer(x), f(300)),
    "outer of a result": (lambda x: x.exp().outer(x.exp()), V),
    "where of a row and its transpose": (lambda x: x.T.where(x > 0, x), ROW),
    "where of a row and its transpose, given": (lambda x: x.T.where(x.T > x, x), ROW),
    "transpose": (lambda x: x + x.T, M),
    "a row of itself": (lambda x: x[0] * x, M),
    "a column and a row of itself": (lambda x: x[:, :1] * x + x[0], M),
    "differences": (lambda x: ((x[:, None] - x[None, :]) ** 2).sum(), V),
    "differences, folded and centred": (lambda x: (x[:, None] - x[None]).amax(0) - x, V),
    "softmax of products": (lambda x: (x[:, None] * x[None, :]).softmax(1), V),
    "three ways": (lambda x: x[:, None, None] + x[None, :, None] * x[None, None, :], V),
    "three ways of a matrix": (lambda x: x[None] + x[:, None] * x[:, :, None], M),
    "mean of rows and of columns": (lambda x: x - x.mean(1) * x.mean(0), M),
    "two precisions": (lambda x: x.half().float()[:, None] * x.double()[None, :], V),
    "expanded": (lambda x: x.expand(5, 5) * x[:, None].expand(5, 5), V),
    "flipped": (lambda x: x.flip(0) * x, M),
    "diagonal": (lambda x: x * x.diagonal(), M),
    "gathered by itself": (lambda x: x.gather(1, (x > 0).long()) * x, M),
    "a product's operand after it": (lambda x: x @ x.T + x * x.T, M),
    "after a product": (lambda x: (x @ x) * x[0][:, None] + x[0][None, :], M),
}


def _both(build: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
    y = build(x)
    (y * y).sum().backward()
    return y.detach(), x.grad


def _leaves(make: Callable[[Array], Any]) -> list[Any]:
    return [make(x.copy()).requires_grad_() for _, x in CASES.values()]


@pytest.fixture(scope="module")
def results() -> dict[str, list[Any]]:
    """By backend: what each case gives. All cases are one function, which compiles faster."""

    def every(*leaves: Any) -> list[Any]:
        cases = zip(CASES.values(), leaves, strict=True)
        return [_both(build, x) for (build, _), x in cases]

    found = {b: ng.compile(every, backend=b)(*_leaves(ng.tensor)) for b in BACKENDS}
    found["eager"] = every(*_leaves(ng.tensor))
    found["pytorch"] = every(*_leaves(torch.tensor))
    return found


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_pytorch(backend: str, name: str, results: dict[str, list[Any]]) -> None:
    place = list(CASES).index(name)
    pairs = zip(results[backend][place], results["pytorch"][place], strict=True)
    for (got, want), what in zip(pairs, ("value", "gradient"), strict=True):
        assert_close(got.numpy(), want.numpy(), what, scale=4.0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_state_read_in_two_ways_is_not_overwritten_between(backend: str) -> None:
    def grow(state: Any) -> None:
        state.sub_(0.1 * (state[:, None] * state[None, :]).sum(0))
        state.mul_(state.outer(state).amax(1))

    ours, theirs = ng.tensor(V), torch.tensor(V)
    step = ng.compile(lambda: grow(ours), backend=backend)
    for _ in range(3):
        step()
        grow(theirs)
    assert_close(ours.numpy(), theirs.numpy(), scale=4.0)
