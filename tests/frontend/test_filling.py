"""Tensors that are filled with random numbers in place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS

#: A call, and the mean and standard deviation of what it gives.
CALLS: dict[str, tuple[float, float]] = {
    "uniform_()": (0.5, 12**-0.5),
    "uniform_(-2.0, 4.0)": (1.0, 6 * 12**-0.5),
    "normal_()": (0.0, 1.0),
    "normal_(3.0, 0.5)": (3.0, 0.5),
    "normal_(mean=1.0, std=2.0)": (1.0, 2.0),
    "bernoulli_()": (0.5, 0.5),
    "bernoulli_(0.2)": (0.2, 0.4),
}


def filled(framework: Any, call: str, dtype: str = "float32", shape: Any = (200, 500)) -> Any:
    x = framework.zeros(*shape, dtype=getattr(framework, dtype))
    made = eval(f"x.{call}", {"x": x})
    assert made is x
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("call", CALLS)
def test_mean_and_deviation(call: str, dtype: str) -> None:
    mean, deviation = CALLS[call]
    ng.manual_seed(0)
    for framework in (torch, ng):
        x = filled(framework, call, dtype).double().numpy()
        assert abs(x.mean() - mean) < 0.02 * max(1, deviation)
        assert abs(x.std() - deviation) < 0.02 * max(1, deviation)


@pytest.mark.parametrize("call", CALLS)
def test_each_call_draws_anew_and_backends_agree(call: str) -> None:
    def draw() -> Any:
        return filled(ng, call, shape=(3, 4)) * 1

    seen = []
    for run in (draw, *(ng.compile(draw, backend=backend) for backend in BACKENDS)):
        ng.manual_seed(5)
        seen.append([run().numpy() for _ in range(2)])
        assert (seen[-1][0] != seen[-1][1]).any()
    for other in seen[1:]:
        np.testing.assert_allclose(other, seen[0], rtol=1e-5, atol=1e-6)


def test_parameters_views_and_other_types() -> None:
    for framework in (torch, ng):
        p = framework.nn.Parameter(framework.zeros(4))
        with pytest.raises(RuntimeError):
            p.normal_()
        with framework.no_grad():
            p[:2].uniform_(1.0, 2.0)
        p.data.normal_(std=0.0, mean=3.0) if framework is ng else None
        whole = framework.zeros(3, 4)
        whole[1].bernoulli_(framework.tensor([0.0, 1.0, 0.0, 1.0]))
        assert whole.tolist() == [[0] * 4, [0, 1, 0, 1], [0] * 4]
        numbers = framework.zeros(5, dtype=framework.int64).bernoulli_(1.0)
        assert numbers.tolist() == [1] * 5
        assert framework.zeros(0, 2).normal_().shape == (0, 2)


@pytest.mark.parametrize(
    "code",
    [
        "x.uniform_(2.0, 1.0)",
        "x.normal_(0.0, -1.0)",
        "x.bernoulli_(1.5)",
        "x.long().normal_()",
        "x.long().uniform_()",
    ],
)
def test_bad_arguments_are_refused(code: str) -> None:
    for framework in (torch, ng):
        with pytest.raises((RuntimeError, NotImplementedError)):
            eval(code, {"x": framework.ones(2)})
