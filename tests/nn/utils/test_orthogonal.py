"""nn.utils.parametrizations.orthogonal: values, gradients and refusals of PyTorch's three maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.nn.utils import parametrizations
from tests.nn.utils.sides import Show, assign, compare, linear
from tests.support.backends import BACKENDS
from tests.support.training import count_traces

MAPS = ["matrix_exp", "cayley", "householder"]
SHAPES = [(3, 3), (5, 3), (3, 5), (2, 4, 3), (1, 4), (33, 20)]


def holder(f: Any, value: Any, dtype: str, map_: str | None, trivial: bool) -> Any:
    module = f.nn.Module()
    module.weight = f.nn.Parameter(f.tensor(value, dtype=getattr(f, dtype)))
    orthogonal = f.nn.utils.parametrizations.orthogonal
    return orthogonal(module, "weight", map_, use_trivialization=trivial)


def pair(shape: tuple[int, ...], map_: str, trivial: bool, dtype: str = "float64") -> Any:
    """The module in both libraries, away from where it starts."""
    rng = np.random.default_rng(1)
    start = rng.standard_normal(shape)
    theirs, ours = (holder(f, start, dtype, map_, trivial) for f in (torch, ng))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    name = "parametrizations.weight.original"
    np.testing.assert_allclose(
        ours.state_dict()[name].numpy(), theirs.state_dict()[name].numpy(), atol=1e-6
    )
    away = 0.3 * rng.standard_normal(shape)
    state = {k: v.numpy() for k, v in theirs.state_dict().items()}
    state[name] = state[name] + (np.tril(away, -1) if map_ == "householder" else away).astype(dtype)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    ours.load_state_dict(state)
    return ours, theirs


def error_of(weight: Any) -> float:
    array = weight.detach().numpy().astype(np.float64)
    other = np.swapaxes(array, -1, -2)
    product = array @ other if array.shape[-2] < array.shape[-1] else other @ array
    return float(np.abs(product - np.eye(product.shape[-1])).max())


@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("map_", MAPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients(shape: tuple[int, ...], map_: str, trivial: bool) -> None:
    ours, theirs = pair(shape, map_, trivial)
    weights = np.random.default_rng(2).standard_normal(shape)
    (ours.weight * ng.tensor(weights)).sum().backward()
    (theirs.weight * torch.tensor(weights)).sum().backward()
    wanted = theirs.weight.detach().numpy()
    np.testing.assert_allclose(ours.weight.detach().numpy(), wanted, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(
        ours.parametrizations.weight.original.grad.numpy(),
        theirs.parametrizations.weight.original.grad.numpy(),
        rtol=1e-9,
        atol=1e-11,
    )
    assert error_of(ours.weight) < 1e-11


@pytest.mark.parametrize("map_", MAPS)
def test_single_precision_and_large_matrices(map_: str) -> None:
    ours, theirs = pair((48, 48), map_, True, "float32")
    assert error_of(ours.weight) < 2e-5
    wanted = theirs.weight.detach().numpy()
    np.testing.assert_allclose(ours.weight.detach().numpy(), wanted, atol=2e-5)


def test_the_exponential_is_right_or_says_so() -> None:
    layer = holder(ng, np.eye(3), "float64", "matrix_exp", False)
    theirs = holder(torch, np.eye(3), "float64", "matrix_exp", False)
    for size in (0.0, 1e-3, 1.0, 20.0, 300.0):
        value = size * np.random.default_rng(0).standard_normal((3, 3))
        layer.load_state_dict({"parametrizations.weight.original": value})
        theirs.load_state_dict({"parametrizations.weight.original": torch.tensor(value)})
        wanted = theirs.weight.detach().numpy()
        np.testing.assert_allclose(layer.weight.detach().numpy(), wanted, atol=1e-9)
    layer.load_state_dict({"parametrizations.weight.original": 1e5 * np.tri(3)})
    assert np.isnan(layer.weight.detach().numpy()).all()


def refusals(f: Any, show: Show) -> None:
    orthogonal = f.nn.utils.parametrizations.orthogonal
    show(lambda: orthogonal(linear(f), "nowhere"))
    show(lambda: orthogonal(linear(f), "bias"))
    show(lambda: orthogonal(linear(f), orthogonal_map="other"))
    for map_ in MAPS:
        layer = orthogonal(linear(f), orthogonal_map=map_, use_trivialization=False)
        show(lambda layer=layer: layer.parametrizations)
        show(lambda layer=layer: assign(layer, f.eye(2, 3)))
        show(lambda layer=layer: assign(layer, f.eye(3, 3)))
    for rows, columns in ((3, 3), (3, 2)):
        layer = orthogonal(f.nn.Linear(columns, rows))
        show(lambda layer=layer: layer.parametrizations.weight[0].orthogonal_map.name)
        show(lambda layer=layer, r=rows, c=columns: assign(layer, f.eye(r, c)))
        show(lambda layer=layer: layer.weight.abs())


def test_refusals_and_assignments_are_pytorchs() -> None:
    compare(refusals)


@pytest.mark.parametrize("map_", MAPS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_orthogonal_layers_train_compiled(backend: str, map_: str) -> None:
    ours, theirs = pair((4, 3), map_, True, "float32")

    def training(f: Any, module: Any) -> Any:
        optimizer = f.optim.SGD(module.parameters(), lr=0.2)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = ((x @ module.weight) ** 3).sum()
            loss.backward()
            optimizer.step()
            return loss

        return step

    step, wanted = ng.compile(training(ng, ours), backend=backend), training(torch, theirs)
    x = np.random.default_rng(3).standard_normal((2, 4)).astype(np.float32) * 0.5
    for _ in range(3):
        expected = float(wanted(torch.tensor(x)).detach())
        np.testing.assert_allclose(float(step(x)), expected, rtol=1e-4, atol=1e-5)
    assert count_traces(step) == 1
    assert error_of(ours.weight) < 1e-5
    assert parametrizations.__all__ == ["orthogonal", "spectral_norm", "weight_norm"]
