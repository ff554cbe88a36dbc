"""Initial values have PyTorch's distributions, and follow the seed."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph import nn
from nngraph.nn import init

SHAPES = [(200, 300), (40, 30, 3, 3)]
FILLS: list[tuple[str, dict[str, Any]]] = [
    ("uniform_", {"a": -2.0, "b": 3.0}),
    ("normal_", {"mean": 1.0, "std": 0.5}),
    ("trunc_normal_", {"std": 0.7, "a": -0.5, "b": 1.0}),
    ("trunc_normal_", {}),
    ("trunc_normal_", {"std": 4.0, "a": -0.1, "b": 0.3}),
    ("xavier_uniform_", {"gain": 1.5}),
    ("xavier_normal_", {}),
    ("kaiming_uniform_", {"a": math.sqrt(5)}),
    ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}),
    ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "tanh"}),
]


def moments(array: np.ndarray) -> np.ndarray:
    return np.array([array.mean(), array.std(), np.abs(array).mean(), array.max(), array.min()])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "options"), FILLS)
def test_fills(name: str, options: dict[str, Any], shape: tuple[int, ...]) -> None:
    ng.manual_seed(0)
    torch.manual_seed(0)
    ours = getattr(init, name)(ng.empty(shape), **options).numpy()
    theirs = getattr(torch.nn.init, name)(torch.empty(shape), **options).numpy()
    scale = theirs.std()
    tolerance = np.full(5, 0.05) * scale
    if "normal" in name and "trunc" not in name:
        tolerance[3:] = scale  # extremes of a normal sample vary
    assert np.all(np.abs(moments(ours) - moments(theirs)) <= tolerance)


def test_a_padding_row_starts_at_zero() -> None:
    assert not nn.Embedding(4, 3, padding_idx=2).weight.detach().numpy()[2].any()


def test_fixed_fills() -> None:
    for name, shape, options in (
        ("ones_", (2, 3), {}),
        ("zeros_", (2, 3), {}),
        ("constant_", (2, 3), {"val": 0.3}),
        ("eye_", (3, 5), {}),
        ("dirac_", (6, 2, 3, 3), {"groups": 2}),
        ("dirac_", (4, 4, 3), {}),
    ):
        ours = getattr(init, name)(ng.empty(shape), **options).numpy()
        theirs = getattr(torch.nn.init, name)(torch.empty(shape), **options).numpy()
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (6, 2, 3)])
def test_orthogonal_matrices(shape: tuple[int, ...]) -> None:
    matrix = init.orthogonal_(ng.empty(shape), gain=2.0).numpy().reshape(shape[0], -1)
    small = matrix if matrix.shape[0] < matrix.shape[1] else matrix.T
    np.testing.assert_allclose(small @ small.T, 4 * np.eye(len(small)), atol=1e-5)


def test_sparse_columns() -> None:
    array = init.sparse_(ng.empty(10, 7), 0.25).numpy()
    np.testing.assert_array_equal((array == 0).sum(0), [3] * 7)


@pytest.mark.parametrize(
    "name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]
)
def test_gains(name: str) -> None:
    assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)


def test_a_seed_fixes_the_values() -> None:
    def weights(seed: int) -> np.ndarray:
        ng.manual_seed(seed)
        return nn.Linear(3, 4).weight.detach().numpy()

    np.testing.assert_array_equal(weights(5), weights(5))
    assert not np.array_equal(weights(5), weights(6))


def test_filling_needs_no_gradient_mode() -> None:
    parameter = nn.Parameter(ng.empty(2, 2))
    assert init.uniform_(parameter) is parameter and parameter.is_leaf


def test_errors() -> None:
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.xavier_uniform_(ng.empty(3))
    with pytest.raises(ValueError, match="Mode some not supported"):
        init.kaiming_uniform_(ng.empty(3, 3), mode="some")
    with pytest.raises(ValueError, match="Unsupported nonlinearity"):
        init.calculate_gain("some")
    with pytest.warns(UserWarning, match="no-op"):
        init.kaiming_normal_(ng.empty(0, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        init.kaiming_normal_(ng.empty(2, 3))


def public(library: Any) -> set[str]:
    return set(library.__all__)


def test_every_name_is_there() -> None:
    assert public(torch.nn.init) <= public(init)


@pytest.mark.parametrize("name", sorted(n for n in init.__all__ if f"{n}_" in init.__all__))
def test_old_names_warn_and_go_on(name: str) -> None:
    arguments = {"constant": (2.0,), "sparse": (0.5,)}.get(name, ())
    shape = (4, 3, 3) if name == "dirac" else (4, 3)
    for f in (torch, ng):
        tensor = f.full(shape, 7.0)
        text = f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`."
        with pytest.warns(FutureWarning) as found:
            result = getattr(f.nn.init, name)(tensor, *arguments)
        assert [str(w.message) for w in found] == [text]
        assert result is tensor and 7.0 not in tensor.numpy()
        assert getattr(f.nn.init, name).__name__ == name


@pytest.mark.parametrize(
    ("name", "arguments"), [("uniform_", (1.0, 0.0)), ("normal_", (0.0, -1.0))]
)
def test_impossible_distributions_are_refused(name: str, arguments: tuple[float, float]) -> None:
    for f in (torch, ng):
        with pytest.raises(RuntimeError, match="expects"):
            getattr(f.nn.init, name)(f.ones(3), *arguments)


def test_draws_of_a_generator_leave_the_default_one_alone() -> None:
    for name, more in (
        ("uniform_", ()),
        ("normal_", ()),
        ("trunc_normal_", ()),
        ("trunc_normal_", (0.0, 1.0, 1.5, 1.9)),
        ("xavier_uniform_", ()),
        ("xavier_normal_", ()),
        ("kaiming_uniform_", ()),
        ("kaiming_normal_", ()),
        ("orthogonal_", ()),
        ("sparse_", (0.5,)),
    ):
        fill = getattr(init, name)
        ng.manual_seed(4)
        wanted = fill(ng.zeros(3, 3), *more)
        after = ng.get_rng_state()
        got = fill(ng.zeros(3, 3), *more, generator=ng.Generator().manual_seed(4))
        assert got.tolist() == wanted.tolist() and ng.get_rng_state().tolist() == after.tolist()
        with pytest.raises(TypeError, match="generator"):
            fill(ng.zeros(3, 3), *more, generator=object())
