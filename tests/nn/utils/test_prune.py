"""nn.utils.prune: masks, combined, global and removed; errors; trained compiled."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.nn.utils import prune
from tests.nn.utils.sides import Show, compare, linear
from tests.support.backends import BACKENDS
from tests.support.training import count_traces


def of(f: Any) -> Any:
    return importlib.import_module(f"{f.__name__}.nn.utils.prune")


ACTS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "count": lambda f, p, m: p.l1_unstructured(m, "weight", 2),
    "part": lambda f, p, m: p.l1_unstructured(m, "weight", 0.5),
    "identity": lambda f, p, m: p.identity(m, "weight"),
    "structured": lambda f, p, m: p.ln_structured(m, "weight", 1, 2, 0),
    "maximum": lambda f, p, m: p.ln_structured(m, "weight", 0.34, float("inf"), 1),
    "last axis": lambda f, p, m: p.ln_structured(m, "weight", 1, 1, -1),
    "mask": lambda f, p, m: p.custom_from_mask(m, "bias", f.tensor([0.0, 1.0])),
    "scores": lambda f, p, m: p.l1_unstructured(
        m, "weight", 2, importance_scores=f.arange(6).reshape(2, 3) * 1.0
    ),
    "structured, then not": lambda f, p, m: p.l1_unstructured(
        p.ln_structured(m, "weight", 1, 2, 0), "weight", 1
    ),
    "not, then structured": lambda f, p, m: p.ln_structured(
        p.l1_unstructured(m, "weight", 2), "weight", 1, 1, 1
    ),
    "not, then mask, then not": lambda f, p, m: p.l1_unstructured(
        p.custom_from_mask(
            p.l1_unstructured(m, "weight", 2), "weight", f.tensor([[1, 0, 1], [1, 1, 1]])
        ),
        "weight",
        1,
    ),
    "nothing": lambda f, p, m: p.l1_unstructured(m, "weight", 0),
    "no channel": lambda f, p, m: p.ln_structured(m, "weight", 0, 2, 0),
    "too many": lambda f, p, m: p.l1_unstructured(m, "weight", 7),
    "more than all": lambda f, p, m: p.l1_unstructured(m, "weight", 1.5),
    "no number": lambda f, p, m: p.l1_unstructured(m, "weight", "a"),
    "negative": lambda f, p, m: p.l1_unstructured(m, "weight", -1),
    "a vector": lambda f, p, m: p.ln_structured(m, "bias", 1, 2, 0),
    "no axis": lambda f, p, m: p.ln_structured(m, "weight", 1, 2, 4),
    "other scores": lambda f, p, m: p.l1_unstructured(m, "weight", 1, importance_scores=f.ones(2)),
    "another mask": lambda f, p, m: p.custom_from_mask(m, "weight", f.ones(3)),
    "not pruned": lambda f, p, m: p.remove(m, "weight"),
    "no parameter": lambda f, p, m: p.l1_unstructured(m, "nowhere", 1),
}


@pytest.mark.parametrize("title", ACTS)
def test_pruning_is_pytorchs(title: str) -> None:
    def program(f: Any, show: Show) -> None:
        p, layer = of(f), linear(f)
        show(lambda: ACTS[title](f, p, layer))
        show(lambda: [dict(layer.state_dict()), layer.weight, p.is_pruned(f.nn.Sequential(layer))])
        show(lambda: layer(f.ones(1, 3)).sum().backward())
        show(lambda: [q.grad for q in layer.parameters()])
        show(lambda: [type(h).__name__ for h in layer._forward_pre_hooks.values()])
        show(lambda: p.remove(layer, "weight"))
        show(lambda: [dict(layer.state_dict()), p.is_pruned(layer), layer.weight])

    compare(program)


def test_several_parameters_at_once() -> None:
    def program(f: Any, show: Show) -> None:
        p, layer, other = of(f), linear(f), linear(f, 2, 2)
        with f.no_grad():  # no two of one magnitude
            other.weight.mul_(0.77)
            layer.weight.add_(f.arange(6).reshape(2, 3) * 0.01)
        p.l1_unstructured(other, "weight", 1)
        places = [(layer, "weight"), (layer, "bias"), (other, "weight")]
        p.global_unstructured(places, p.L1Unstructured, amount=0.5)
        show(lambda: [dict(layer.state_dict()), dict(other.state_dict())])
        scores = {(layer, "bias"): f.tensor([5.0, 9.0])}
        p.global_unstructured(places[:2], p.L1Unstructured, scores, amount=2)
        show(lambda: dict(layer.state_dict()))
        show(lambda: p.global_unstructured(places[:1], p.LnStructured, amount=0.5, n=2))
        show(lambda: p.global_unstructured(3, p.L1Unstructured, amount=0.5))
        show(lambda: p.global_unstructured(places, p.L1Unstructured, 3, amount=0.5))

    compare(program)


def test_methods_of_users_and_containers() -> None:
    def program(f: Any, show: Show) -> None:
        p = of(f)

        class Even(p.BasePruningMethod):  # type: ignore[misc, name-defined]
            PRUNING_TYPE = "unstructured"

            def compute_mask(self, t: Any, default_mask: Any) -> Any:
                mask = default_mask.clone()
                mask.view(-1)[::2] = 0
                return mask

        class Odd(Even):
            PRUNING_TYPE = "other"

        layer = linear(f)
        show(lambda: [type(Even.apply(layer, "bias")).__name__, layer.bias])
        show(lambda: Even().prune(f.ones(4)))
        show(lambda: Even().prune(f.ones(4), importance_scores=f.ones(3)))
        show(lambda: p.L1Unstructured(0.5).prune(f.tensor([3.0, -1.0, 2.0, 0.5])))
        method = Even.apply(layer, "weight")
        show(lambda: Odd.apply(layer, "weight"))
        show(lambda: p.PruningContainer(method).add_pruning_method(3))
        stranger = Even()
        stranger._tensor_name = "bias"
        show(lambda: len(p.PruningContainer(method)))
        show(lambda: type(p.PruningContainer(method)[0]).__name__)
        try:
            p.PruningContainer(method).add_pruning_method(stranger)
        except ValueError as error:
            text = str(error)
        show(lambda: (text[:60], text[-14:]))

    compare(program)


@pytest.mark.parametrize("amount", [0.25, 3])
def test_random_pruning_prunes_that_many(amount: float) -> None:
    count = 3 if amount == 3 else 16
    ng.manual_seed(0)
    layer = prune.random_unstructured(ng.nn.Linear(8, 8), "weight", amount)
    mask = layer.weight_mask.numpy()
    assert (mask == 0).sum() == count
    again = prune.random_unstructured(ng.nn.Linear(8, 8), "weight", amount).weight_mask.numpy()
    assert (mask != again).any()
    channels = 3 if amount == 3 else 2
    layer = prune.random_structured(ng.nn.Linear(8, 8), "weight", amount, dim=1)
    mask = layer.weight_mask.numpy()
    assert ((mask == 0).all(0)).sum() == channels and (mask == 0).sum() == 8 * channels


@pytest.mark.parametrize("backend", BACKENDS)
def test_pruned_layers_train_compiled(backend: str) -> None:
    def make(f: Any) -> Any:
        model = f.nn.Sequential(linear(f, 3, 3), f.nn.Tanh(), linear(f, 3, 1))
        of(f).l1_unstructured(model[0], "weight", 3)
        optimizer = f.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        return model, step

    (ours, step), (theirs, wanted) = make(ng), make(torch)
    compiled = ng.compile(step, backend=backend)
    for number in range(4):
        x = np.random.default_rng(number).standard_normal((4, 3)).astype(np.float32)
        expected = float(wanted(torch.tensor(x)).detach())
        np.testing.assert_allclose(float(compiled(x)), expected, rtol=1e-5)
    assert count_traces(compiled) <= 2
    prune.remove(ours[0], "weight")
    of(torch).remove(theirs[0], "weight")
    for name, value in theirs.state_dict().items():
        found = ours.state_dict()[name].numpy()
        np.testing.assert_allclose(found, value.numpy(), rtol=1e-4, atol=1e-6)
    assert (ours[0].weight.detach().numpy() == 0).sum() == 3
