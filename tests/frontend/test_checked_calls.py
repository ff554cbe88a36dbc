"""``ng.compile(check="reference", every=n)``: calls compared with the operators' definitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph import nn
from nngraph.ir.op import Array
from nngraph.ops.elementwise import Exp
from nngraph.runtime.agreement import differences, node_differences

COMPILED = ["onnx", "tvm"]


def step_of(model: nn.Module, optimizer: Any, **options: Any) -> Any:
    @ng.compile(**options)
    def step(x: ng.Tensor, y: ng.Tensor) -> ng.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def batches(count: int, shape: tuple[int, ...], classes: int) -> list[tuple[Array, Array]]:
    draws = np.random.default_rng(0)
    return [
        (draws.standard_normal(shape).astype(np.float32), draws.integers(0, classes, shape[0]))
        for _ in range(count)
    ]


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(6, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.out = nn.Linear(8, 3)

    def forward(self, x: ng.Tensor) -> ng.Tensor:
        h, _ = self.rnn(x)
        h = self.norm(h + self.attention(h, h, h)[0])
        return self.out(h[:, -1])


@pytest.mark.parametrize("backend", COMPILED)
def test_right_steps_raise_nothing(backend: str) -> None:
    dense = nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)
    )
    models: list[tuple[nn.Module, tuple[int, ...]]] = [(dense, (8, 6))]
    if backend == "onnx":  # where compiling is cheap
        image = nn.Sequential(
            nn.Conv2d(2, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, 3)
        )
        models += [(image, (8, 2, 8, 8)), (Tagger(), (4, 5, 6))]
    for model, shape in models:
        optimizer = ng.optim.AdamW(model.parameters(), lr=0.05)
        step = step_of(model, optimizer, backend=backend, check="reference", every=2)
        losses = [step(x, y).item() for x, y in batches(5, shape, 3)]
        assert np.isfinite(losses).all()


@pytest.mark.parametrize("backend", COMPILED)
def test_an_operator_that_parts_is_named(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference is made wrong, as a backend's kernel would be."""
    w = ng.ones(3, requires_grad=True)
    optimizer = ng.optim.SGD([w], lr=0.5)

    @ng.compile(backend=backend, check="reference", every=2)
    def step(x: ng.Tensor) -> ng.Tensor:
        optimizer.zero_grad()
        loss = (w * x).exp().sum() * 0.1
        loss.backward()
        optimizer.step()
        return loss

    x = ng.tensor([0.1, 0.2, 0.3])
    step(x)
    before = w.detach().clone()

    def wrong(self: Exp, x: Array) -> Sequence[Array]:
        return (np.exp(x) * x.dtype.type(1.001),)

    monkeypatch.setattr(Exp, "eval", wrong)
    step(x)  # the second call is not looked at
    moved = w.detach().clone()
    assert not np.array_equal(before.numpy(), moved.numpy())
    with pytest.raises(ng.DisagreementError, match=r"(?s)step on .*first operator.* exp at .*\.py"):
        step(x)
    np.testing.assert_array_equal(w.detach().numpy(), moved.numpy())
    monkeypatch.undo()
    step(x)
    step(x)
    assert not np.array_equal(w.detach().numpy(), moved.numpy())


def test_what_is_joined_wrongly_is_said_too(monkeypatch: pytest.MonkeyPatch) -> None:
    double = ng.compile(lambda x: x * 2 + 1, backend="onnx", check="reference", every=1)
    x = ng.tensor([1.0, 2.0, 4.0])
    double(x)
    executable = double._latest.step.built.executable
    run = executable.run

    def wrong(*arguments: Any) -> Any:
        (out,), states = run(*arguments)
        return [out + np.float32([0, 0, 1])], states

    monkeypatch.setattr(executable, "run", wrong)
    with pytest.raises(ng.DisagreementError, match=r"(?s)\[2\] is 10.0.*has 9.0.*how the backend"):
        double(x)


def test_an_eager_loop_around_compiled_parts() -> None:
    model = ng.compile(nn.Linear(3, 2), backend="onnx", check="reference", every=1)
    model(ng.ones(4, 3)).square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_integers_nan_and_infinity_are_compared_as_they_are() -> None:
    inf, nan = np.inf, np.nan
    values = np.float32([inf, -inf, nan, 1, 0])

    def found(got: Any, wanted: Any) -> bool:
        return differences(lambda: [wanted], [], [got], ["y"])[0].is_fault

    assert not found(values, values.copy())
    assert not found(values, values + np.float32([0, 0, 0, 1e-6, 1e-6]))
    for i, other in enumerate((1, inf, 0, nan, inf)):
        changed = values.copy()
        changed[i] = other
        assert found(changed, values)
        assert found(values, changed)
    assert found(np.array([1, 2]), np.array([1, 3]))
    assert not found(np.zeros((0, 2)), np.zeros((0, 2)))
    assert found(np.zeros(2), np.zeros(3))
    assert found(np.zeros(2, np.float32), np.zeros(2))


def test_cancelled_sums_are_noise_and_shifted_ones_are_not() -> None:
    x = np.random.default_rng(1).standard_normal(4096).astype(np.float32) * 1000
    total = x.astype(np.float64).sum()

    def reference(x: Array) -> list[Array]:
        return [x.astype(np.float64).sum(keepdims=True) - total]

    rounded = np.array([x[::-1].astype(np.float32).cumsum(dtype=np.float32)[-1] - total])
    assert not differences(reference, [x], [rounded], ["sum"])[0].is_fault
    assert differences(reference, [x], [rounded + 10], ["sum"])[0].is_fault


def test_node_by_node() -> None:
    @ng.compile(backend="tvm")
    def f(x: ng.Tensor) -> ng.Tensor:
        return (x @ x.T).softmax(-1).sum(0)

    x = np.random.default_rng(2).standard_normal((5, 4)).astype(np.float32)
    f(x)
    rows = node_differences(f.graph, f._latest.step.built, [x])
    assert len(rows) == sum(len(node.outputs) for node in f.graph.nodes)
    assert not any(row.is_fault for row in rows)
    assert all(row.place for row in rows)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"check": "numpy"}, 'use check="reference"'),
        ({"check": "reference", "every": 0}, "at least"),
    ],
)
def test_checks_that_there_are_not(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ng.compile(lambda x: x, **options)
