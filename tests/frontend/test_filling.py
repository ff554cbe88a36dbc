"""Tensors that are filled with random numbers in place."""

from __future__ import annotations

import math
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
    "exponential_()": (1.0, 1.0),
    "exponential_(lambd=4.0)": (0.25, 0.25),
    "geometric_(0.25)": (4.0, 12**0.5),
    "log_normal_(0.0, 0.25)": (math.exp(1 / 32), (math.exp(1 / 8) - math.exp(1 / 16)) ** 0.5),
    "cauchy_(1.0, 2.0).sub_(1.0).div_(2.0).atan_()": (0.0, math.pi * 12**-0.5),
    "random_(10)": (4.5, (99 / 12) ** 0.5),
    "random_(-3, 3)": (-0.5, (35 / 12) ** 0.5),
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
        "x.exponential_(0.0)",
        "x.exponential_(-1.0)",
        "x.exponential_(float('nan'))",
        "x.long().exponential_()",
        "x.geometric_(0.0)",
        "x.geometric_(1.0)",
        "x.bool().geometric_(0.5)",
        "x.cauchy_(0.0, 0.0)",
        "x.long().cauchy_()",
        "x.log_normal_(0.0, 0.0)",
        "x.long().log_normal_()",
        "x.random_(3, 3)",
        "x.random_(0)",
        "x.byte().random_(-1, 3)",
        "x.byte().random_(255, 257)",
        "x.bool().random_(3)",
        "x.half().random_(2**17, 2**17 + 1)",
        "x.bernoulli_(x * 2)",
        "x.bernoulli_(x.long())",
        "x.bernoulli_(x * float('nan'))",
    ],
)
def test_bad_arguments_are_refused(code: str) -> None:
    for framework in (torch, ng):
        with pytest.raises((RuntimeError, NotImplementedError)):
            eval(code, {"x": framework.ones(2)})


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "bool", "float16", "bfloat16"])
def test_random_covers_what_the_dtype_holds(dtype: str) -> None:
    ng.manual_seed(2)
    ranges = []
    for framework in (torch, ng):
        x = filled(framework, "random_()", dtype).double()
        ranges.append((float(x.min()), float(x.max())))
    low, high = ranges[0]
    assert ranges[1][0] == low == 0.0 and abs(ranges[1][1] - high) <= 0.01 * high
    signed = filled(ng, "random_(-5, None)", "int8")
    assert signed.min().item() == -5 and signed.max().item() == 127


@pytest.mark.parametrize("backend", BACKENDS)
def test_ranges_of_64_bits_compile(backend: str) -> None:
    def draw() -> Any:
        x = ng.zeros(50, dtype=ng.int64)
        wide = x.clone().random_(-(2**63), None)
        return wide, x.clone().random_(), x.clone().random_(-(2**60), 2**62)

    compiled, seen = ng.compile(draw, backend=backend), []
    for run in (draw, compiled):
        ng.manual_seed(9)
        seen.append([part.tolist() for part in run()])
    assert seen[0] == seen[1] and min(seen[0][0]) < 0 <= min(seen[0][1])


def test_numbers_that_a_float_does_not_have_warn() -> None:
    for framework in (torch, ng):
        with pytest.warns(UserWarning, match="to - 1 is out of bounds"):
            framework.zeros(2).random_(0, 2**24 + 3)
