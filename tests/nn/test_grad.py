"""``nn.grad``: gradients of convolutions as functions are PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
import nngraph.nn.grad
from tests.support.backends import BACKENDS

OPTIONS = [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "padding": (2,), "groups": 2}]


def found(library: Any, n: int, options: dict[str, Any], step: Any = lambda f: f) -> list[Any]:
    draws = np.random.default_rng(0)
    groups = options.get("groups", 1)
    x = library.tensor(draws.standard_normal((2, 4, *[7] * n)))
    w = library.tensor(draws.standard_normal((6, 4 // groups, *[3] * n)))
    functional, gradients = library.nn.functional, library.nn.grad
    options = {k: v * n if isinstance(v, tuple) else v for k, v in options.items()}
    out = getattr(functional, f"conv{n}d")(x, w, **options)
    g = library.tensor(draws.standard_normal(tuple(out.shape)))
    of_input = step(
        lambda w, g: getattr(gradients, f"conv{n}d_input")((2, 4, *[7] * n), w, g, **options)
    )
    of_weight = step(
        lambda x, g: getattr(gradients, f"conv{n}d_weight")(x, tuple(w.shape), g, **options)
    )
    return [of_input(w, g).numpy(), of_weight(x, g).numpy()]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_they_are_pytorchs(n: int, options: dict[str, Any]) -> None:
    for got, wanted in zip(found(ng, n, options), found(torch, n, options), strict=True):
        np.testing.assert_allclose(got, wanted, 1e-11, 1e-11)


@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled(backend: str) -> None:
    step = ng.compile(backend=backend)
    pairs = zip(found(ng, 2, OPTIONS[1], step), found(torch, 2, OPTIONS[1]), strict=True)
    for got, wanted in pairs:
        np.testing.assert_allclose(got, wanted, 1e-11, 1e-11)


def test_they_are_differentiated_where_gradients_are_recorded() -> None:
    rows = []
    for m in (torch, ng):
        w = m.linspace(-1, 1, 24, dtype=m.float64).reshape(2, 4, 3).requires_grad_()
        g = m.linspace(0, 1, 10, dtype=m.float64).reshape(1, 2, 5).requires_grad_()
        made = m.nn.grad.conv1d_input((1, 4, 7), w, g)
        made.square().sum().backward()
        with m.no_grad():
            assert not m.nn.grad.conv1d_input((1, 4, 7), w, g).requires_grad
        rows.append([t.grad.numpy() for t in (w, g)])
    for got, wanted in zip(rows[1], rows[0], strict=True):
        np.testing.assert_allclose(got, wanted, 1e-12)
    with pytest.raises(RuntimeError, match="shape"):
        ng.nn.grad.conv1d_input((1, 4, 7), w, g[:, :, :3])
