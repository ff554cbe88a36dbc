"""nn.utils.parametrize: registration, assignment, removal, transfer, copies; eager and traced."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.nn.utils import parametrize
from tests.nn.utils.sides import Show, assign, compare, linear
from tests.support.backends import BACKENDS
from tests.support.training import count_traces


def modules(f: Any) -> Any:
    """Parametrizations, good and bad ones."""

    class Symmetric(f.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x.triu() + x.triu(1).t()

        def right_inverse(self, a: Any) -> Any:
            return a.triu()

    class Sum(f.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, a: Any, b: Any) -> Any:
            return a + b

        def right_inverse(self, w: Any) -> Any:
            return w / 2, w / 2

    class Wide(f.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x.double()

    class Row(f.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x[0]

    class Number(f.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return 3

    class Twice(f.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x * 2

    class Declines(Twice):
        def right_inverse(self, x: Any) -> Any:
            raise NotImplementedError

    class WideInverse(Twice):
        def right_inverse(self, x: Any) -> Any:
            return x.double()

    class Text(Twice):
        def right_inverse(self, x: Any) -> Any:
            return 3

    class Texts(Twice):
        def right_inverse(self, x: Any) -> Any:
            return (3,)

    kinds = (Symmetric, Sum, Wide, Row, Number, Twice, Declines, WideInverse, Text, Texts)
    return {kind.__name__: kind for kind in kinds}


def one_original(f: Any, show: Show) -> None:
    p, kinds = f.nn.utils.parametrize, modules(f)
    layer = linear(f, 3, 3)
    show(lambda: p.register_parametrization(layer, "weight", kinds["Symmetric"]()))
    show(lambda: [type(layer).__name__, repr(layer), layer.weight, list(layer.state_dict())])
    show(lambda: [n for n, _ in layer.named_parameters()])
    show(lambda: [p.is_parametrized(layer), p.is_parametrized(layer, "bias")])
    show(lambda: p.type_before_parametrizations(layer).__name__)
    show(lambda: assign(layer, f.ones(3, 3)))
    show(lambda: [layer.weight, layer.parametrizations.weight.original])
    show(lambda: assign(layer, f.nn.Parameter(f.ones(3, 3))))
    twin = copy.deepcopy(layer)
    show(lambda: [twin(f.ones(1, 3)), type(twin).__name__, p.is_parametrized(twin)])
    show(lambda: pickle.dumps(layer))
    with p.cached():
        show(lambda: layer.weight is layer.weight)
    show(lambda: layer.weight is layer.weight)
    layer(f.ones(1, 3)).sum().backward()
    show(lambda: layer.parametrizations.weight.original.grad)
    show(lambda: p.remove_parametrizations(layer, "weight"))
    show(lambda: [type(layer).__name__, type(layer.weight).__name__, layer.weight])
    show(lambda: list(layer.state_dict()))
    show(lambda: p.remove_parametrizations(layer, "weight"))


def chains(f: Any, show: Show) -> None:
    p, kinds = f.nn.utils.parametrize, modules(f)
    layer = linear(f, 3, 3)
    for name in ("Symmetric", "Twice", "Declines"):
        p.register_parametrization(layer, "weight", kinds[name]())
    p.register_parametrization(layer, "bias", kinds["Twice"]())
    show(lambda: [layer, layer.weight, layer.bias])
    show(lambda: assign(layer, f.ones(3, 3)))
    for name in ("Wide", "Row", "Number", "Sum", "WideInverse", "Text"):
        show(lambda name=name: p.register_parametrization(layer, "weight", kinds[name]()))
    show(lambda: p.remove_parametrizations(layer, "bias", leave_parametrized=False).bias)
    show(lambda: [type(layer).__name__, list(layer.state_dict())])
    layer.eval()
    p.register_parametrization(layer, "bias", f.nn.Tanh())
    show(lambda: layer.parametrizations.bias[0].training)


def several_originals(f: Any, show: Show) -> None:
    p, kinds = f.nn.utils.parametrize, modules(f)
    layer = linear(f, 3, 3)
    p.register_parametrization(layer, "weight", kinds["Sum"]())
    show(lambda: [layer, list(layer.state_dict()), layer.parametrizations.weight.ntensors])
    show(lambda: assign(layer, f.eye(3)))
    show(lambda: [layer.weight, layer.parametrizations.weight.original1])
    show(lambda: assign(layer, f.eye(3, dtype=f.float64)))
    show(lambda: p.remove_parametrizations(layer, "weight", leave_parametrized=False))
    other = linear(f, 3, 3)
    show(lambda: p.transfer_parametrizations_and_params(layer, other).weight)
    show(lambda: other.parametrizations.weight.original0 is layer.parametrizations.weight.original0)
    show(lambda: p.remove_parametrizations(layer, "weight").weight.requires_grad)


def refusals(f: Any, show: Show) -> None:
    p, kinds = f.nn.utils.parametrize, modules(f)
    for name in ("Wide", "Row", "Number", "Texts", "Text", "WideInverse"):
        show(lambda name=name: p.register_parametrization(linear(f), "weight", kinds[name]()))
    show(lambda: p.register_parametrization(linear(f), "nowhere", kinds["Twice"]()))
    row = p.register_parametrization(linear(f), "weight", kinds["Row"](), unsafe=True)
    show(lambda: row.weight)
    show(lambda: p.ParametrizationList([], f.ones(2)))
    plain = p.register_parametrization(linear(f), "weight", kinds["Twice"]())
    show(lambda: assign(plain, f.ones(2, 3)))
    wide = p.register_parametrization(linear(f, 3, 3), "weight", kinds["Symmetric"]())
    show(lambda: assign(wide, f.ones(3, 3, dtype=f.float64)))


def buffers_and_transfers(f: Any, show: Show) -> None:
    p, kinds = f.nn.utils.parametrize, modules(f)
    norm = f.nn.BatchNorm1d(2)
    p.register_parametrization(norm, "running_var", kinds["Twice"]())
    show(lambda: [list(norm.state_dict()), norm.running_var])
    show(lambda: p.remove_parametrizations(norm, "running_var", leave_parametrized=False))
    show(lambda: [list(norm.state_dict()), norm.running_var])
    layer, other = linear(f, 3, 3), f.nn.Identity()
    p.register_parametrization(layer, "weight", kinds["Symmetric"]())
    show(lambda: p.transfer_parametrizations_and_params(layer, other, "weight").weight)
    show(lambda: other.parametrizations.weight.original is layer.parametrizations.weight.original)
    show(lambda: p.transfer_parametrizations_and_params(linear(f), linear(f)))


PROGRAMS = [one_original, chains, several_originals, refusals, buffers_and_transfers]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_parametrizations_are_pytorchs(program: Any) -> None:
    compare(program)


@pytest.mark.parametrize("backend", BACKENDS)
def test_parametrized_layers_train_compiled(backend: str) -> None:
    def make(f: Any) -> Any:
        model = f.nn.Sequential(linear(f, 3, 3), f.nn.Tanh(), linear(f, 3, 1))
        f.nn.utils.parametrize.register_parametrization(
            model[0], "weight", modules(f)["Symmetric"]()
        )
        optimizer = f.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            with f.nn.utils.parametrize.cached():
                loss = (model(x) ** 2).mean() + (model[0].weight ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        return model, step

    (ours, step), (theirs, wanted) = make(ng), make(torch)
    compiled = ng.compile(step, backend=backend)
    for number in range(3):
        x = np.random.default_rng(number).standard_normal((4, 3)).astype(np.float32)
        expected = float(wanted(torch.tensor(x)).detach())
        np.testing.assert_allclose(float(compiled(x)), expected, rtol=1e-5)
    assert count_traces(compiled) == 1
    for name, value in theirs.state_dict().items():
        found = ours.state_dict()[name].numpy()
        np.testing.assert_allclose(found, value.numpy(), rtol=1e-4, atol=1e-6)


def test_what_is_cached_in_a_trace_stays_there() -> None:
    layer = parametrize.register_parametrization(linear(ng, 3, 3), "weight", modules(ng)["Twice"]())
    with parametrize.cached():
        ng.compile(lambda x: layer(x), backend="reference")(ng.ones(1, 3))
        assert layer.weight.sum().isfinite()
