"""Draws whose distributions have tensors as parameters: moments, errors, every backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS


def outcomes(text: str) -> list[Any]:
    """What PyTorch and nngraph give or raise."""
    found: list[Any] = []
    for m in (torch, ng):
        m.manual_seed(0)
        try:
            found.append(eval(text, {"m": m, "nan": float("nan"), "inf": float("inf")}))
        except (RuntimeError, TypeError, ValueError) as error:
            found.append(error)
    return found


EXACT = """
m.normal(m.tensor([1.0, 2.0]), 0.0)
m.normal(3.0, m.zeros(2, dtype=m.float64))
m.normal(m.zeros(2), m.zeros(2).double())
m.normal(m.zeros(2).double(), m.zeros(2))
m.normal(m.ones(2, 1), m.zeros(3))
m.normal(1.0, 0.0, (2, 2))
m.normal(1, 0, (2,))
m.normal(1.0, 0.0, size=(2,), dtype=m.float64)
m.normal(m.zeros(2, dtype=m.float16), 0.0)
m.normal(m.ones(2), m.zeros(2, dtype=m.int64))
m.normal(m.ones(2).half(), m.tensor([False, False]))
m.normal(m.ones(2), m.tensor(0).double())
m.normal(m.tensor([-inf, inf]), 0.0)
m.normal(mean=m.zeros(0, 2), std=1.0)
m.bernoulli(m.tensor([0.0, 1.0, 0.0]))
m.bernoulli(m.tensor([[1.0], [0.0]]).double())
m.bernoulli(m.tensor([3, 4]), 1.0)
m.tensor([3, 4]).bernoulli(0.0)
m.tensor([0.3, 7.0]).bernoulli(p=1)
m.bernoulli(m.zeros(0))
m.multinomial(m.tensor([0.0, 0.0, 2.5]), 1)
m.multinomial(m.tensor([0.0, 1e-30, 0.0]), 5, True)
m.multinomial(m.tensor([[0.0, 4.0], [1e30, 0.0]]), 1)
m.multinomial(m.tensor([0.0, 1.0, 0.0, 2.0]), 2).sort()[0]
m.multinomial(m.ones(4), 4).sort()[0]
m.multinomial(m.ones(0, 3), 2)
m.multinomial(m.eye(2).half(), num_samples=3, replacement=True)
m.eye(3).multinomial(1)
m.randint_like(m.zeros(2, dtype=m.uint8), 1)
m.randint_like(m.zeros(2), 4, 5, dtype=m.int32)
m.randint_like(m.zeros(2), m.tensor(1))
m.poisson(m.zeros(2, 2))
m.poisson(m.zeros(0, 2).half())
m.poisson(input=m.tensor(0.0, dtype=m.bfloat16))
m.binomial(m.tensor([5.0, 0.0, 7.0, -2.0]), m.tensor([0.0, 0.5, 1.0, 0.5]))
m.binomial(m.tensor([3.0, 2.5, 0.5, 1e30]).double(), m.tensor([1.5, 1.0, 0.5, 0.0]).double())
m.binomial(count=m.ones(0, 2), prob=m.ones(1, 2))
m.binomial(m.ones(2), m.tensor([nan, 0.0])).isnan()
""".strip().splitlines()


@pytest.mark.parametrize("text", EXACT)
def test_results_that_are_sure(text: str) -> None:
    wanted, got = outcomes(text)
    assert isinstance(got, ng.Tensor), got
    assert str(got.dtype).rpartition(".")[2] == str(wanted.dtype).rpartition(".")[2]
    assert tuple(got.shape) == tuple(wanted.shape) and got.tolist() == wanted.tolist()


REFUSED = """
m.normal(m.zeros(2), -1.0)
m.normal(m.zeros(2), m.tensor([1.0, -1.0]))
m.normal(0.0, -1.0, (2,))
m.normal(0.0, 1.0)
m.normal(m.zeros(2), m.ones(3))
m.normal(m.zeros(2).long(), 1.0)
m.normal(m.zeros(2), nan)
m.normal(m.zeros(2), m.tensor([1.0, nan]))
m.normal(m.ones(2).bool(), m.ones(2))
m.normal(m.ones(2).long(), m.ones(2))
m.normal(0.0, m.ones(2).long())
m.normal(0.0, m.ones(2).bool())
m.normal(m.zeros(2), 1.0, (2,))
m.bernoulli(m.tensor([0.0, 1.5]))
m.bernoulli(m.tensor([0.0, -0.1]))
m.bernoulli(m.tensor([0.0, nan]))
m.bernoulli(m.tensor([0, 1]))
m.bernoulli(m.ones(2).bool())
m.bernoulli(m.ones(2), 1.5)
m.multinomial(m.ones(2, 2, 2), 1)
m.multinomial(m.tensor(1.0), 1)
m.multinomial(m.ones(3), 0)
m.multinomial(m.ones(3), 4)
m.multinomial(m.ones(3).long(), 1)
m.multinomial(m.ones(3), 2.0)
m.multinomial(m.tensor([1.0, -1.0]), 1)
m.multinomial(m.tensor([1.0, nan]), 1, True)
m.multinomial(m.tensor([1.0, inf]), 1)
m.multinomial(m.zeros(2), 1)
m.multinomial(m.tensor([[1.0, 1.0], [0.0, 0.0]]), 1, True)
m.multinomial(m.ones(2, 0), 1)
m.randint_like(m.zeros(3), 0)
m.randint_like(m.zeros(3), 5, 5)
m.randint_like(m.zeros(3).bool(), 5)
m.randint_like(m.zeros(3))
m.randint(300, (2,), dtype=m.uint8)
m.randint(-1, 3, (2,), dtype=m.uint8)
m.randint(3)
m.poisson(m.tensor([1.0, -1.0]))
m.poisson(m.tensor([nan]))
m.poisson(m.ones(2).long())
m.poisson(m.ones(2).bool())
m.poisson(1.0)
m.binomial(m.ones(2).long(), m.ones(2))
m.binomial(m.ones(2), m.ones(2).long())
m.binomial(m.ones(2), m.ones(2).double())
m.binomial(m.ones(2).half(), m.ones(2).half())
m.binomial(m.ones(2).bfloat16(), m.ones(2).bfloat16())
m.binomial(m.ones(2), m.ones(3))
m.binomial(m.ones(2), 0.5)
""".strip().splitlines()


@pytest.mark.parametrize("text", REFUSED)
def test_refusals_are_pytorchs(text: str) -> None:
    wanted, got = outcomes(text)
    assert isinstance(wanted, Exception), wanted
    assert isinstance(got, type(wanted)) or (
        isinstance(got, RuntimeError) and isinstance(wanted, RuntimeError)
    ), got


@pytest.mark.parametrize("backend", BACKENDS)
def test_values_are_refused_in_compiled_calls(backend: str) -> None:
    calls = {
        "multinomial": (lambda p: ng.multinomial(p, 1), [0.5, -0.5]),
        "sums": (lambda p: ng.multinomial(p, 1), [0.0, 0.0]),
        "bernoulli": (ng.bernoulli, [0.5, 1.5]),
        "normal": (lambda s: ng.normal(0.0, s), [1.0, -1.0]),
        "poisson": (ng.poisson, [1.0, -1.0]),
    }
    for call, bad in calls.values():
        compiled = ng.compile(call, backend=backend)
        compiled(ng.tensor([0.5, 0.25]))
        state = ng.get_rng_state().tolist()
        with pytest.raises(RuntimeError):
            compiled(ng.tensor(bad))
        assert ng.get_rng_state().tolist() == state  # a call that fails changes nothing
        compiled(ng.tensor([0.5, 0.25]))


@pytest.mark.parametrize("replacement", [True, False])
def test_multinomial_is_as_likely_as_its_weights_say(replacement: bool) -> None:
    ng.manual_seed(1)
    weights = np.array([0.0, 1.0, 3.0, 0.0, 4.0, 2.0, 0.0])
    rows = ng.tensor(np.tile(weights, (20_000, 1)))
    drawn = ng.multinomial(rows, 2, replacement).numpy()
    p = weights / weights.sum()
    first = np.bincount(drawn[:, 0], minlength=7) / len(drawn)
    assert np.abs(first - p).max() < 0.015 and not first[[0, 3, 6]].any()
    after = drawn[drawn[:, 0] == 4][:, 1]  # what follows the likeliest
    left = p if replacement else np.where(np.arange(7) == 4, 0, p) / (1 - p[4])
    assert np.abs(np.bincount(after, minlength=7) / len(after) - left).max() < 0.025
    one = ng.multinomial(ng.tensor(weights), 20_000, True).numpy()
    assert np.abs(np.bincount(one, minlength=7) / len(one) - p).max() < 0.015


def test_means_and_deviations() -> None:
    ng.manual_seed(3)
    mean, std = ng.tensor([[-2.0], [5.0]]), ng.tensor([0.5, 3.0, 0.0])
    drawn = ng.normal(mean.expand(20_000, 2, 1), std).numpy()
    assert np.abs(drawn.mean(0) - mean.numpy()).max() < 0.08
    assert np.abs(drawn.std(0) - std.numpy()).max() < 0.08
    p = ng.tensor([0.0, 0.1, 0.75, 1.0])
    assert np.abs(p.expand(20_000, 4).bernoulli().numpy().mean(0) - p.numpy()).max() < 0.015
    counts = np.bincount(ng.randint_like(ng.zeros(20_000), -2, 3).numpy().astype(int) + 2)
    assert np.abs(counts / 20_000 - 0.2).max() < 0.015


def draws(p: Any, g: Any = None) -> Any:
    return (
        ng.normal(p, p + 1, generator=g),
        ng.normal(0.0, 2.0, (3,), generator=g),
        ng.bernoulli(p, generator=g),
        p.bernoulli(0.5, generator=g),
        ng.multinomial(p, 4, True, generator=g),
        p.multinomial(2, generator=g),
        ng.randint_like(p, 9, generator=g),
        ng.poisson(30 * p, generator=g),
        ng.binomial(90 * p.gt(0).to(p.dtype), p, generator=g),
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_same_draws_compiled(backend: str) -> None:
    p = ng.tensor([[0.5, 0.25, 0.125], [0.0, 0.75, 1.0]])
    compiled, g = ng.compile(draws, backend=backend), ng.Generator()
    runs = []
    for run, own in ((draws, None), (compiled, None), (draws, g), (compiled, g)):
        ng.manual_seed(4)
        g.manual_seed(4)
        runs.append([part.detach().numpy() for _ in range(2) for part in run(p, own)])
    for other in runs[1:]:
        for a, b in zip(runs[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert any((a != b).any() for a, b in zip(runs[0][:9], runs[0][9:], strict=True))


ZERO = """
m.normal(a, b)
m.normal(a[:, None], b)
m.normal(a, 1.0)
m.normal(1.0, b)
m.normal(a, b.double())
m.bernoulli(a / 4)
m.poisson(a)
(a * 1).bernoulli_(0.5)
(a * 1).bernoulli_(b / 4)
(a * 1).normal_()
(a * 1).exponential_()
a.detach().clone().bernoulli_(b / 4)
""".strip().splitlines()


@pytest.mark.parametrize("text", ZERO)
def test_gradients_are_zero_where_pytorchs_are(text: str) -> None:
    found = []
    for m in (torch, ng):
        a, b = (m.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
        eval(text, {"m": m, "a": a, "b": b}).sum().backward()
        found.append([None if x.grad is None else x.grad.tolist() for x in (a, b)])
    assert found[0] == found[1]


def test_indices_and_draws_without_parameters_require_no_gradient() -> None:
    p = ng.tensor([0.5, 0.5]).requires_grad_()
    assert not any(part.requires_grad for part in draws(p)[4:7])
    with ng.no_grad():
        assert not ng.normal(p, p).requires_grad
    out = ng.empty(0, dtype=ng.int64)
    assert ng.multinomial(p.detach(), 3, True, out=out) is out and out.shape == (3,)
