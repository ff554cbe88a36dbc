"""Floats among the arguments of a compiled function: numbers of Python's, read at each call."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import nngraph as ng
from nngraph import nn, optim
from tests.support.backends import BACKENDS


def numbers(m: Any, x: Any, n: float) -> list[Any]:
    """What code does with a number, in PyTorch's words."""
    f = m.nn.functional
    row = x.reshape(1, 4)
    return [
        x.sum() * n,  # a tensor without axes keeps its dtype
        x.half().sum() + n,
        m.arange(3) * n,
        n * 2 + 1,
        n,
        x * math.sin(n) ** 2,
        x * max(n, 0.75),
        x.sum() if n > 1 else x,
        x.clamp(max=n),
        x.lerp(x * 2, n),
        m.full((2,), n),
        x.clone().add_(x, alpha=n),
        x.masked_fill(x > 2, n),
        f.layer_norm(x, (4,), eps=n),
        f.cross_entropy(row, m.tensor([1]), label_smoothing=n / 2),
        f.leaky_relu(-x, n),
        x * int(n + 1),
    ]


@pytest.mark.parametrize("backend", BACKENDS)
def test_they_compute_as_pythons(backend: str) -> None:
    compiled = ng.compile(lambda x, n: numbers(ng, x, n), backend=backend)
    x = np.arange(1, 5, dtype=np.float32)
    for n in (0.5, 1.5, -0.0, 0.0):
        wanted = numbers(torch, torch.tensor(x), n)
        for got, other in zip(compiled(ng.tensor(x), n), wanted, strict=True):
            if not isinstance(other, torch.Tensor):
                assert type(got) is float
                assert got == other
                assert math.copysign(1, got) == math.copysign(1, other)
                continue
            assert str(got.dtype).split(".")[1] == str(other.dtype).split(".")[1]
            np.testing.assert_allclose(got.numpy(), other.numpy(), 1e-6, 1e-6)
    again = len(compiled._history)
    compiled(ng.tensor(x), 0.5)
    assert len(compiled._history) == again  # known


def test_a_number_does_not_trace_again() -> None:
    compiled = ng.compile(lambda x, n: x * n, backend="reference")
    for n in (0.1, math.inf, math.nan, -0.0, np.float64(3)):
        np.testing.assert_array_equal(compiled(ng.ones(2), n).numpy(), np.full(2, n, np.float32))
    assert len(compiled._history) == 1


def test_a_learning_rate_as_an_argument() -> None:
    def steps(m: Any, step_of: Any) -> list[float]:
        w = m.nn.Parameter(m.ones(3))
        optimizer = m.optim.SGD([w], lr=0.5, momentum=0.9)

        def step(x: Any, lr: float) -> Any:
            optimizer.param_groups[0]["lr"] = lr
            optimizer.zero_grad()
            loss = ((w * x) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        run = step_of(step)
        x = m.tensor([0.1, 0.2, 0.3])
        found = [run(x, lr).item() for lr in (0.1, 0.2, 0.0, 1.0)]
        return [*found, optimizer.param_groups[0]["lr"]]

    wanted = steps(torch, lambda f: f)
    for backend in BACKENDS:
        got = steps(ng, ng.compile(backend=backend))
        np.testing.assert_allclose(got, wanted, 1e-6)
        assert type(got[-1]) is float


def test_code_that_takes_no_symbol_gets_the_very_number() -> None:
    """Each value has a trace of its own then, 0.0 and -0.0 too."""

    def f(x: ng.Tensor, n: float) -> ng.Tensor:
        if type(n) is not float:
            raise TypeError("a float, please")
        return x * n

    compiled = ng.compile(f, backend="reference")
    for n in (0.5, 0.0, -0.0, 0.5):
        assert math.copysign(1, compiled(ng.tensor(2.0), n).item()) == math.copysign(1, n)
    assert len(compiled._history) == 3


def test_an_error_of_the_code_is_its_own() -> None:
    def f(x: ng.Tensor, n: float) -> ng.Tensor:
        raise ValueError(f"refused {n > 0}")

    with pytest.raises(ValueError, match="refused True"):
        ng.compile(f, backend="reference")(ng.ones(2), 0.5)


def test_dynamic_sizes_and_floats_together() -> None:
    compiled = ng.compile(lambda x, n: x.sum() * n, backend="reference", dynamic=True)
    for size, n in ((2, 0.5), (3, 0.25), (4, 4.0), (5, -1.0)):
        assert compiled(ng.ones(size), n).item() == size * n
    assert len(compiled._history) == 2


@pytest.mark.parametrize("called", [False, True])
def test_in_files_they_are_inputs(tmp_path: Path, called: bool) -> None:
    import onnxruntime

    path = tmp_path / "f.onnx"
    model = nn.Linear(4, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @ng.compile(backend="onnx")
    def step(x: ng.Tensor, lr: float, scale: float) -> Any:
        optimizer.param_groups[0]["lr"] = lr * 2
        optimizer.zero_grad()
        loss = model(x).sum() * math.cos(scale)
        loss.backward()
        optimizer.step()
        return loss, scale

    x = ng.ones(4)
    start = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    if called:
        step(x, 0.5, 0.25)
        model.load_state_dict({name: ng.tensor(value) for name, value in start.items()})
        ng.export(step, path)
    else:
        ng.export(step, path, x, 0.5, 0.25)
    session = onnxruntime.InferenceSession(path)
    names = {i.name: i for i in session.get_inputs()}
    assert names["lr"].type == names["scale"].type == "tensor(double)"
    feed: dict[str, Any] = {"x": x.numpy(), "lr": np.array(0.01), "scale": np.array(0.75)}
    state = load_file(path.with_suffix(".safetensors"))
    first = session.run(None, feed | {name: state[name] for name in names if name in state})[0]
    loss, scale = step(x, 0.01, 0.75)
    assert scale == 0.75
    np.testing.assert_allclose(first, loss.item(), 1e-6)


def test_a_file_is_not_shaped_by_them(tmp_path: Path) -> None:
    with pytest.raises(ng.ConcretizationError, match="needs the value of n, which each run"):
        ng.export(lambda x, n: x if n > 0 else -x, tmp_path / "f.onnx", ng.ones(2), 0.5)
    assert not list(tmp_path.iterdir())
