"""Gradients in float16 and bfloat16 of what compares values with a stored one, compiled.

A maximum's gradient goes to the elements that equal it: what a kernel computes again has to have
the bits of what it stored. PyTorch's own error, against float64 on the same numbers, is the bound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
import nngraph.nn.functional as nnf
from tests.support.backends import BACKENDS
from tests.support.tolerances import BACKEND

RNG = np.random.default_rng(0)
Array = np.ndarray[Any, Any]
M = RNG.standard_normal((6, 37)).astype(np.float32)
V = RNG.standard_normal(9).astype(np.float32)

CASES: dict[str, tuple[Callable[[Any, Any], Any], Array]] = {
    "max of all": (lambda x, F: x.exp().max(), M),
    "max of rows": (lambda x, F: x.exp().amax(1).sum(), M),
    "max of columns": (lambda x, F: (x.tanh() * 1.7).amax(0).sum(), M),
    "min": (lambda x, F: (x * 1.7 + 0.3).min(), M),
    "median": (lambda x, F: (x.exp() * 3).median(1).values.sum(), M),
    "top three": (lambda x, F: (x.exp() * 3).topk(3, 1).values.sum(), M),
    "max of softmax": (lambda x, F: x.softmax(1).max(), M),
    "max of centred rows": (lambda x, F: (x - x.mean(1, keepdim=True)).amax(1).sum(), M),
    "max of layer norm": (lambda x, F: F.layer_norm(x, (37,)).amax(1).sum(), M),
    "max of gelu": (lambda x, F: F.gelu(x).amax(0).sum(), M),
    "norm": (lambda x, F: x.exp().norm(float("inf")), M),
    "where it is the maximum": (lambda x, F: _only_largest(x.exp() * 1.3).sum(), M),
    "pooled maxima": (lambda x, F: F.max_pool2d((x.exp() * 1.3)[None, None], 2).sum(), M),
    "batch norm of an outer product": (
        lambda x, F: (F.batch_norm(x.outer(x), None, None, training=True) ** 3).sum(),
        V,
    ),
    "squares that overflow": (lambda x, F: (x * 300 * (x * 300)).float().amax(), V),
}


def _only_largest(y: Any) -> Any:
    return y.where(y == y.amax(1, keepdim=True), y * 0)


def _both(build: Callable[[Any, Any], Any], x: Any, functional: Any) -> tuple[Any, Any]:
    y = build(x, functional)
    y.backward()
    return y.detach(), x.grad


@pytest.fixture(scope="module", params=["float16", "bfloat16"])
def results(request: pytest.FixtureRequest) -> dict[str, Any]:
    """By backend: value and gradient of each case. All cases are one function."""
    dtype: str = request.param

    def every(*xs: Any) -> list[Any]:
        return [_both(f, x, nnf) for (f, _), x in zip(CASES.values(), xs, strict=True)]

    def ours() -> list[Any]:
        kind = getattr(ng, dtype)
        return [ng.tensor(a).to(kind).detach().requires_grad_() for _, a in CASES.values()]

    def theirs(kind: torch.dtype) -> list[Any]:
        halves = [torch.tensor(a).to(getattr(torch, dtype)).to(kind) for _, a in CASES.values()]
        pairs = zip(CASES.values(), halves, strict=True)
        return [_both(f, h.requires_grad_(), torch.nn.functional) for (f, _), h in pairs]

    found: dict[str, Any] = {b: ng.compile(every, backend=b)(*ours()) for b in BACKENDS}
    found |= {"dtype": dtype, "eager": every(*ours())}
    return found | {"pytorch": theirs(getattr(torch, dtype)), "exact": theirs(torch.float64)}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
@pytest.mark.parametrize("name", CASES)
def test_error_is_pytorchs(backend: str, name: str, results: dict[str, Any]) -> None:
    place = list(CASES).index(name)
    relative, absolute = BACKEND[results["dtype"]]
    rows = (results[b][place] for b in (backend, "pytorch", "exact"))
    for got, torchs, exact in zip(*rows, strict=True):
        got, torchs, exact = (t.double().numpy() for t in (got, torchs, exact))
        overflown = ~np.isfinite(torchs)  # only half precision has it, so it is the oracle there
        np.testing.assert_array_equal(got[overflown], torchs[overflown])
        with np.errstate(invalid="ignore"):
            allowed = 2 * np.abs(torchs - exact).max(initial=0, where=~overflown)
            scale = np.abs(exact).max(initial=1)
            error = np.abs(got - exact).max(initial=0, where=~overflown)
        assert error <= allowed + absolute + relative * scale / 2
