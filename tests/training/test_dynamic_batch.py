"""``ng.compile(dynamic=True)``: training and inference over batches of any size, in two traces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS
from tests.support.tolerances import assert_close
from tests.support.training import count_traces

#: Batches: more, one, as at first, none that came before, again.
SIZES = (4, 7, 1, 4, 3, 7)
#: TVM's programs have numbers for sizes: each size has a trace there.
TRACES = {"reference": 2, "onnx": 2, "tvm": len(set(SIZES))}


def convolutional(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


def perceptron(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 3)
    )


def attention(lib: Any) -> Any:
    """Rows of the image are the tokens."""
    nn = lib.nn

    class Attention(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 12)
            self.outer = nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            q, k, v = self.inner(x[:, 0]).view(-1, 4, 2, 6).transpose(1, 2).split(2, -1)
            mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.outer(mixed.transpose(1, 2).reshape(x.shape[0], 4, 4).mean(1))

    return Attention()


MODELS: dict[str, Callable[[Any], Any]] = {
    "convolutional": convolutional,
    "perceptron": perceptron,
    "attention": attention,
}


def data() -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(2)
    return [(rng.standard_normal((n, 1, 4, 4)), rng.integers(0, 3, n)) for n in SIZES]


def step_of(lib: Any, model: Any) -> Callable[[Any, Any], Any]:
    if isinstance(model, lib.nn.Sequential) and isinstance(model[1], lib.nn.Linear):
        optimizer = lib.optim.Adam(model.parameters(), lr=1e-2)
    else:  # biases without a gradient, which Adam would scale rounding errors of
        optimizer = lib.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    criterion = lib.nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def pair(name: str) -> tuple[Any, Any]:
    """The model in PyTorch and in nngraph, in float64, with the same weights."""
    torch.manual_seed(0)
    theirs = MODELS[name](torch).double()
    ours = MODELS[name](ng).double()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return theirs, ours


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", list(MODELS))
def test_training_is_pytorchs_at_every_size(name: str, backend: str) -> None:
    theirs, ours = pair(name)
    wanted = step_of(torch, theirs)
    found = ng.compile(step_of(ng, ours), backend=backend, dynamic=True)
    for x, y in data():
        expected = wanted(torch.from_numpy(x), torch.from_numpy(y))
        assert_close(found(ng.from_numpy(x), ng.from_numpy(y)).numpy(), expected.numpy())
    for key, value in theirs.state_dict().items():
        assert_close(ours.state_dict()[key].numpy(), value.numpy(), key)
    assert count_traces(found) == TRACES[backend]
    assert ("has a trace of its own" in found.explain()) is (backend == "tvm")


@pytest.mark.parametrize("backend", BACKENDS)
def test_inference_and_gradients_of_arguments(backend: str) -> None:
    model, ours = pair("convolutional")
    found = ng.compile(ours.eval(), backend=backend, dynamic=True)
    model.eval()
    for x, _ in data():
        given = ng.from_numpy(x).requires_grad_()
        assert_close(found(given).detach().numpy(), model(torch.from_numpy(x)).detach().numpy())
    assert count_traces(found) == TRACES[backend]

    @ng.compile(backend=backend, dynamic=True)
    def adds(x: Any) -> Any:
        (x * x).sum().backward()
        return x.sum()

    for n in (3, 5, 1):  # first without a gradient, then with one that grows
        given = ng.ones(n, requires_grad=True)
        assert [float(adds(given)), float(adds(given))] == [n, n]
        assert given.grad is not None and given.grad.tolist() == [4.0] * n


@pytest.mark.parametrize("backend", BACKENDS)
def test_dropout_draws_as_at_a_fixed_size(backend: str) -> None:
    drawn = []
    for dynamic in (False, True):
        ng.manual_seed(5)
        model = ng.nn.Dropout(0.5)
        found = ng.compile(model, backend=backend, dynamic=dynamic)
        drawn.append([found(ng.ones(n, 8)).tolist() for n in (4, 7, 1, 7)])
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("backend", ["reference", "onnx"])
def test_sizes_that_were_equal_may_part(backend: str) -> None:
    @ng.compile(backend=backend, dynamic=True)
    def product(x: Any, y: Any) -> Any:
        return x.unsqueeze(1) * y

    def call(n: int, m: int) -> None:
        x, y = ng.arange(n) + 1, ng.arange(m) + 2
        assert product(x, y).tolist() == [[a * b for b in y.tolist()] for a in x.tolist()]

    for n, m in ((3, 3), (5, 5), (4, 4), (2, 6), (6, 2), (1, 5), (0, 2)):
        call(n, m)
    assert count_traces(product) == 3  # numbers, one name, two names


@pytest.mark.parametrize("backend", ["reference", "onnx"])
def test_sizes_that_have_to_be_equal_are_refused_as_by_pytorch(backend: str) -> None:
    found = ng.compile(lambda x, y: x + y, backend=backend, dynamic=True)
    for n in (3, 5):
        assert found(ng.ones(n), ng.ones(n)).tolist() == [2.0] * n
    assert found(ng.ones(4), ng.ones(1)).tolist() == [2.0] * 4  # broadcasts, as eagerly
    with pytest.raises(RuntimeError, match="broadcast"):
        found(ng.ones(4), ng.ones(3))
    assert found(ng.ones(6), ng.ones(6)).tolist() == [2.0] * 6


def test_code_that_needs_numbers_gets_them() -> None:
    @ng.compile(backend="reference", dynamic=True)
    def halves(x: Any) -> Any:
        return x * 2 if x.shape[0] > 3 else x

    for n in (3, 5, 2, 4):
        assert halves(ng.ones(n)).tolist() == [2.0 if n > 3 else 1.0] * n
    assert count_traces(halves) == 4
    assert "each size of f32[s0] has a trace of its own" in halves.explain()
    assert "x.shape[0] > 3" in halves.explain()


def test_an_error_of_the_code_is_no_reason_to_give_names_up() -> None:
    fails = [False]

    @ng.compile(backend="reference", dynamic=True)
    def doubled(x: Any) -> Any:
        if fails[0]:
            raise ValueError("of the user's")
        return x * 2

    doubled(ng.ones(3))
    fails[0] = True
    with pytest.raises(ValueError, match="of the user's"):
        doubled(ng.ones(4))
    fails[0] = False
    for n in (4, 5, 6, 1):
        assert doubled(ng.ones(n)).tolist() == [2.0] * n
    assert count_traces(doubled) == 2 and "of its own" not in doubled.explain()


def test_what_is_no_size_is_traced_as_ever() -> None:
    @ng.compile(backend="reference", dynamic=True)
    def scaled(x: Any, factor: str) -> Any:
        return x * int(factor)

    for n, factor in ((3, "2"), (4, "2"), (5, "2"), (5, "3"), (6, "3"), (7, "3")):
        assert scaled(ng.ones(n), factor).tolist() == [float(factor)] * n
    assert scaled(ng.ones(2, 2), "2").tolist() == [[2.0, 2.0]] * 2
    assert scaled(ng.ones(3).half(), "2").dtype is ng.float16
    assert count_traces(scaled) == 6


def test_modes_change_the_trace_of_all_sizes() -> None:
    model = ng.nn.Dropout(1.0)
    found = ng.compile(model, backend="reference", dynamic=True)
    assert [float(found(ng.ones(n)).sum()) for n in (2, 3, 4)] == [0, 0, 0]
    model.eval()
    assert [float(found(ng.ones(n)).sum()) for n in (2, 3, 4, 5)] == [2, 3, 4, 5]
    assert count_traces(found) <= 4


def test_the_backend_of_functions_that_name_none() -> None:
    assert ng.compile(lambda x: x).target.backend == "onnx"
    ng.set_default_backend("reference")
    try:
        assert ng.compile(lambda x: x).target.backend == "reference"
        assert ng.compile(lambda x: x, backend="tvm").target.backend == "tvm"
        with pytest.raises(ng.BackendError, match="nowhere"):
            ng.set_default_backend("nowhere")
        with pytest.raises(ng.BackendError):
            ng.compile(lambda x: x, backend="")
        assert (
            ng.compile(lambda x: x, mode="max-autotune", fullgraph=True).target.backend
            == "reference"
        )
    finally:
        ng.set_default_backend("onnx")
