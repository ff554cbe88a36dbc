"""Modules without sizes, and parameters and buffers without shapes."""

from __future__ import annotations

import copy
import importlib
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.nn.parameter import is_lazy
from tests.support.backends import BACKENDS
from tests.support.training import count_traces

CLASSES = [
    ("Linear", (4,), 0),
    *((f"Conv{n}d", (4, 3), n) for n in (1, 2, 3)),
    *((f"ConvTranspose{n}d", (4, 3), n) for n in (1, 2, 3)),
    *((f"{kind}Norm{n}d", (), n) for kind in ("Batch", "Instance") for n in (1, 2, 3)),
]


def outcome(act: Callable[[], Any]) -> Any:
    """What comes of it: a text, or the kind and the begin of an error."""
    try:
        return repr(act()).replace("nngraph", "torch")
    except Exception as error:  # noqa: BLE001 - their kinds and texts are compared
        return type(error).__name__, str(error).replace("nngraph", "torch")[:44]


def facts(module: Any) -> list[Any]:
    return [
        repr(module),
        type(module).__name__,
        [
            (n, repr(p) if "Uninit" in repr(p) else list(p.shape))
            for n, p in module.named_parameters()
        ],
        list(module.state_dict()),
        sorted(n for n in vars(module) if n.endswith("_hook")),
    ]


@pytest.mark.parametrize(("name", "arguments", "axes"), CLASSES)
def test_classes_are_pytorchs(name: str, arguments: Any, axes: int) -> None:
    def run(f: Any) -> list[Any]:
        module = getattr(f.nn, f"Lazy{name}")(*arguments)
        x = f.ones(2, 3, *(5,) * axes)
        before = facts(module)
        shape = list(module(x).shape)
        again = getattr(f.nn, f"Lazy{name}")(*arguments)
        loaded = [str(again.load_state_dict(module.state_dict())), facts(again)]
        called = outcome(lambda: again(x).shape)
        return [before, shape, facts(module), loaded, called, facts(again)]

    assert run(ng) == run(torch)


@pytest.mark.parametrize("options", [{"bias": False}, {"dtype": "float64"}])
@pytest.mark.parametrize("name", ["Linear", "Conv1d", "ConvTranspose1d", "BatchNorm1d"])
def test_options(name: str, options: dict[str, Any]) -> None:
    def run(f: Any) -> list[Any]:
        given = {k: getattr(f, v) if k == "dtype" else v for k, v in options.items()}
        arguments = {"Linear": (4,), "BatchNorm1d": ()}.get(name, (4, 3))
        module = getattr(f.nn, f"Lazy{name}")(*arguments, **given)
        before = [repr(module), list(module.state_dict())]
        module(f.ones(2, 3, 3, **({"dtype": given["dtype"]} if "dtype" in given else {})))
        return [before, repr(module), [str(p.dtype)[-7:] for p in module.state_dict().values()]]

    assert run(ng) == run(torch)


def test_initial_values_are_those_of_the_class() -> None:
    ng.manual_seed(3)
    layer = ng.nn.LazyConv2d(64, 3)
    layer(ng.ones(1, 32, 5, 5))
    bound = 1 / np.sqrt(32 * 9)
    for p in layer.parameters():
        values = np.abs(p.detach().numpy())
        assert 0.9 * bound < values.max() <= bound and values.std() > 0.2 * bound


def lazy_module(f: Any) -> Any:
    return importlib.import_module(f"{f.__name__}.nn.modules.lazy").LazyModuleMixin


def of_users(f: Any, body: Any = None) -> Any:
    class Users(lazy_module(f), f.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.w = f.nn.UninitializedParameter()

        if body is not None:
            initialize_parameters = body

        def forward(self, x: Any) -> Any:
            return x * self.w

    return Users()


SAID: dict[str, Callable[[Any], Any]] = {
    "shape": lambda f: f.nn.LazyLinear(3).weight.shape,
    "share_memory": lambda f: f.nn.LazyLinear(3).share_memory(),
    "into one with sizes": lambda f: f.nn.Linear(2, 3).load_state_dict(
        f.nn.LazyLinear(3).state_dict()
    ),
    "into another": lambda f: f.nn.LazyLinear(3).load_state_dict(f.nn.LazyLinear(3).state_dict()),
    "groups": lambda f: f.nn.LazyConv2d(4, 3, groups=2)(f.ones(1, 3, 5, 5)),
    "rank": lambda f: f.nn.LazyConv2d(4, 3)(f.ones(3)),
    "unbatched": lambda f: f.nn.LazyConv2d(4, 3)(f.ones(2, 5, 5)).shape,
    "not initialized": lambda f: of_users(f, lambda self, x: None)(f.ones(1)),
    "not written": lambda f: of_users(f)(f.ones(1)),
    "half": lambda f: str(f.nn.LazyLinear(3).half().weight.dtype)[-7:],
    "state": lambda f: dict(f.nn.LazyLinear(3).state_dict()),
    "loaded": lambda f: f.nn.LazyLinear(3).load_state_dict(f.nn.Linear(2, 5).state_dict()),
    "flags": lambda f: [
        f.nn.UninitializedParameter(False).requires_grad,
        f.nn.LazyLinear(2).weight.is_leaf,
    ],
    "gradient": lambda f: f.nn.LazyLinear(3).weight.grad,
    "zero_grad": lambda f: f.nn.LazyLinear(3).zero_grad(),
    "wide": lambda f: f.nn.LazyLinear(3).to(f.float64)(f.ones(1, 2, dtype=f.float64)).shape,
    "clipped": lambda f: f.nn.utils.clip_grad_norm_(f.nn.LazyLinear(3).parameters(), 1.0),
    "buffer": lambda f: f.nn.UninitializedBuffer(dtype=f.float64),
}


@pytest.mark.parametrize("title", SAID)
def test_results_and_refusals_are_pytorchs(title: str) -> None:
    assert outcome(lambda: SAID[title](ng)) == outcome(lambda: SAID[title](torch))


@pytest.mark.parametrize(
    "act",
    [
        lambda w: w * 2,
        lambda w: w.numel(),
        lambda w: w.detach(),
        lambda w: w.requires_grad_(False),
        lambda w: w.clone(),
        ng.nn.init.zeros_,
        lambda w: ng.nn.utils.parameters_to_vector([w]),
    ],
)
def test_what_has_no_elements_is_refused(act: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter"):
        act(ng.nn.LazyLinear(3).weight)


def test_parameters_and_buffers_get_elements() -> None:
    parameter, buffer = ng.nn.UninitializedParameter(), ng.nn.UninitializedBuffer(persistent=False)
    module = ng.nn.Module()
    module.p, module.b = parameter, buffer
    assert not list(module._non_persistent_buffers_set ^ {"b"}) and is_lazy(module.b)
    parameter.materialize((2, 3), dtype=ng.float64)
    buffer.materialize((4,))
    assert type(parameter) is ng.nn.Parameter and parameter.dtype is ng.float64
    assert parameter.shape == (2, 3) and buffer.shape == (4,)
    assert parameter.requires_grad and not buffer.requires_grad and module.p is parameter


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_lazy_by_themselves(copied: Callable[[Any], Any]) -> None:
    layer = ng.nn.LazyBatchNorm1d(dtype=ng.float64)
    twin = copied(layer)
    twin(ng.ones(2, 3, dtype=ng.float64))
    assert type(twin) is ng.nn.BatchNorm1d and twin.weight.dtype is ng.float64
    assert is_lazy(layer.weight) and is_lazy(layer.running_mean)
    assert layer(ng.ones(2, 5, dtype=ng.float64)).shape == (2, 5)


def test_an_optimizer_holds_what_gets_elements_later() -> None:
    def run(f: Any) -> list[float]:
        layer = f.nn.LazyLinear(1)
        optimizer = f.optim.SGD(layer.parameters(), lr=0.5)
        with f.no_grad():
            layer(f.ones(1, 2))
            for p in layer.parameters():
                p.fill_(1.0)
        layer(f.ones(1, 2)).sum().backward()
        optimizer.step()
        found: list[float] = layer.weight.tolist()
        return found

    assert run(ng) == run(torch)


# -- compiled ------------------------------------------------------------------------------------
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_call_may_be_a_compiled_step(backend: str) -> None:
    def model(f: Any) -> Any:
        return f.nn.Sequential(
            f.nn.LazyConv1d(3, 2), f.nn.LazyBatchNorm1d(), f.nn.Tanh(), f.nn.LazyLinear(2)
        )

    ours, theirs = model(ng), model(torch)
    x = np.random.default_rng(0).standard_normal((4, 2, 5)).astype(np.float32)
    optimizers = [f.optim.SGD(m.parameters(), lr=0.1) for f, m in ((ng, ours), (torch, theirs))]

    def step(x: Any, module: Any, optimizer: Any) -> Any:
        optimizer.zero_grad()
        loss = (module(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    theirs(torch.tensor(x))
    for layer in theirs:
        if hasattr(layer, "reset_running_stats"):
            layer.reset_running_stats()
    compiled = ng.compile(lambda x: step(x, ours, optimizers[0]), backend=backend)
    compiled(x)  # takes the sizes
    assert "Lazy" not in repr(ours) and repr(ours) == repr(theirs)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    for _ in range(3):
        wanted = step(torch.tensor(x), theirs, optimizers[1])
        np.testing.assert_allclose(float(compiled(x)), float(wanted.detach()), rtol=2e-5)
    assert count_traces(compiled) == 1
    for name, value in theirs.state_dict().items():
        found = ours.state_dict()[name].numpy()
        np.testing.assert_allclose(found, value.numpy(), rtol=2e-4, atol=1e-5)


def test_sizes_stay_when_the_trace_fails_later() -> None:
    layer = ng.nn.LazyLinear(2)

    def step(x: Any) -> Any:
        return layer(x) if float(layer(x).sum()) > 0 else x

    with pytest.raises(ng.ConcretizationError):
        ng.compile(step, backend="reference")(ng.ones(1, 3))
    assert type(layer) is ng.nn.Linear and layer.in_features == 3
