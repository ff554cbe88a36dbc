"""Hooks of modules, one's own and those of all, in PyTorch's order; eager and traced."""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.nn.modules.every import SHARED
from tests.support.backends import BACKENDS
from tests.support.training import count_traces

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def every(f: Any) -> Any:
    """The module that has the hooks of all modules."""
    return importlib.import_module(f"{f.__name__}.nn.modules.module")


@pytest.fixture(autouse=True)
def _kind_of_global_hooks() -> Iterator[None]:
    yield
    SHARED.full = every(torch)._global_is_full_backward_hook = None


def shown(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [shown(v) for v in value]
    return np.round(value.tolist(), 5).tolist() if hasattr(value, "tolist") else value


def leaf(f: Any, *values: float) -> Any:
    return f.tensor(list(values), requires_grad=True)


def two(f: Any) -> Any:
    class Two(f.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, a: Any, b: Any, word: Any = None) -> Any:
            return (a * 2, b * 3) if word is None else (a * 2, b * 3, word)

    return Two()


# -- programs; each returns what it saw ------------------------------------------------------
def full(f: Any) -> list[Any]:
    seen: list[Any] = []
    module, u, plain = two(f), leaf(f, 1.0), f.ones(1)
    module.register_full_backward_hook(lambda m, given, got: seen.append(shown([given, got])))
    module.register_full_backward_pre_hook(lambda m, got: seen.append(["before", shown(got)]))
    first, second = module(u, plain)
    seen.append([first.requires_grad, second.requires_grad])
    first.sum().backward()
    module(u, u * 2)[0].sum().backward()
    module(u, u * 2, "word")[0].backward()
    module(plain, plain)
    with f.no_grad():
        module(u, u)
    return [seen, shown(u.grad)]


def no_inputs(f: Any) -> list[Any]:
    seen: list[Any] = []

    class Alone(f.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.w = f.nn.Parameter(f.ones(1))

        def forward(self, *args: Any) -> Any:
            return self.w * 2

    for args in ((), (f.ones(2),)):
        module = Alone()
        module.register_full_backward_hook(lambda m, given, got: seen.append(shown([given, got])))
        with pytest.warns(UserWarning, match="no inputs require gradients"):
            module(*args).backward()
        seen.append(shown(module.w.grad))
    return seen


def replaced(f: Any) -> list[Any]:
    u, module = leaf(f, 0.5), f.nn.Tanh()
    module.register_full_backward_pre_hook(lambda m, got: (got[0] * 3,))
    module.register_full_backward_hook(lambda m, given, got: (given[0] + got[0],))
    module.register_full_backward_hook(lambda m, given, got: (given[0] * 100,), prepend=True)
    module(u * 1).sum().backward()
    return [shown(u.grad)]


def order(f: Any) -> list[Any]:
    seen: list[str] = []
    model = f.nn.Sequential(f.nn.Tanh(), f.nn.Sequential(f.nn.Sigmoid()))

    def note(word: str) -> Callable[..., None]:
        return lambda module, *rest: seen.append(f"{word} {type(module).__name__}")

    handles = []
    for where, name in ((model, ""), (model[1][0], ""), (every(f), "module_")):
        for kind in ("forward_pre", "forward", "full_backward", "full_backward_pre"):
            register = getattr(where, f"register_{name}{kind}_hook")
            handles.append(register(note(f"{name}{kind}")))
    model(leaf(f, 1.0)).sum().backward()
    for handle in handles:
        handle.remove()
    model(leaf(f, 1.0)).sum().backward()
    return seen


def global_forward(f: Any) -> list[Any]:
    seen: list[Any] = []
    handles = [
        every(f).register_module_forward_pre_hook(lambda m, args: args[0] * 2),
        every(f).register_module_forward_hook(lambda m, args, out: out + 1),
        every(f).register_module_forward_hook(
            lambda m, args, kwargs, out: seen.append(sorted(kwargs)), with_kwargs=True
        ),
        every(f).register_module_forward_hook(
            lambda m, args, out: seen.append(shown(out)), always_call=True
        ),
    ]

    class Fails(f.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any, fail: bool = False) -> Any:
            if fail:
                raise ValueError("no")
            return x * 10

    module = Fails()
    module.register_forward_hook(lambda m, args, out: seen.append("own"))
    module.register_forward_hook(lambda m, args, out: 1 / 0, always_call=True).remove()
    seen.append(shown(module(f.tensor(1.0), fail=False)))
    with pytest.raises(ValueError, match="no"):
        module(f.tensor(1.0), fail=True)
    for handle in handles:
        handle.remove()
    return [*seen, shown(module(f.tensor(1.0)))]


def always_called(f: Any) -> list[Any]:
    """An error of a hook that runs because of another error is only told."""
    module = f.nn.Identity()
    module.register_forward_hook(lambda m, args, out: 1 / 0)
    module.register_forward_hook(lambda m, args, out: {}["no"], always_call=True)
    with warnings.catch_warnings(record=True) as found, pytest.raises(ZeroDivisionError):
        warnings.simplefilter("always")
        module(f.ones(1))
    return [str(w.message) for w in found]


def registration(f: Any) -> list[Any]:
    seen: list[Any] = []

    def note(module: Any, name: str, value: Any) -> Any:
        seen.append((name, type(value).__name__))
        return f.nn.Tanh() if name == "act" else None

    handles = [
        every(f).register_module_buffer_registration_hook(note),
        every(f).register_module_module_registration_hook(note),
        every(f).register_module_parameter_registration_hook(note),
    ]
    module = f.nn.Module()
    module.p = f.nn.Parameter(f.ones(1))
    module.register_parameter("none", None)
    module.none = f.nn.Parameter(f.ones(1))
    module.register_buffer("b", f.ones(1))
    module.act = f.nn.ReLU()
    module.act = None
    module.add_module("other", f.nn.ReLU())
    for handle in handles:
        handle.remove()
    module.last = f.nn.ReLU()
    return [seen, repr(module)]


def not_full(f: Any) -> list[Any]:
    seen: list[Any] = []
    module = f.nn.Tanh()
    module.register_backward_hook(lambda m, given, got: seen.append(shown([given, got])))
    handle = every(f).register_module_backward_hook(lambda m, given, got: (given[0] * 2,))
    u = leaf(f, 0.5)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        module(u * 1).sum().backward()
        model = f.nn.Sequential(f.nn.Tanh(), f.nn.Tanh())
        model(u).sum().backward()
    handle.remove()
    return [seen, shown(u.grad), [(w.category.__name__, str(w.message)) for w in found]]


def nested_results(f: Any) -> list[Any]:
    class Named(f.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, a: Any) -> Any:
            return {"a": a * 2}

    texts: list[str] = []
    for register in ("register_full_backward_hook", "register_backward_hook"):
        module, seen = Named(), []
        getattr(module, register)(lambda m, given, got, seen=seen: seen.append(shown(got)))
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            module(leaf(f, 1.0))["a"].backward()
        texts += [str(seen), *(str(w.message).replace("torch", "nngraph") for w in found)]
    return texts


def copied(f: Any) -> list[Any]:
    """A copy has the hooks, and its own table of them."""
    seen: list[Any] = []
    module = f.nn.Tanh()
    handle = module.register_full_backward_hook(lambda m, given, got: seen.append(m is module))
    twin = copy.deepcopy(module)
    handle.remove()
    for each in (module, twin):
        each(leaf(f, 1.0)).sum().backward()
    return seen


def double_backward(f: Any) -> list[Any]:
    module, u, seen = f.nn.Tanh(), leaf(f, 0.5), []
    module.register_full_backward_hook(lambda m, given, got: seen.append(shown([given, got])))
    (gradient,) = f.autograd.grad(module(u).sum(), u, create_graph=True)
    gradient.sum().backward()
    return [seen, shown(u.grad)]


PROGRAMS = [
    full,
    no_inputs,
    replaced,
    order,
    global_forward,
    always_called,
    registration,
    not_full,
    nested_results,
    copied,
    double_backward,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_hooks_are_pytorchs(program: Callable[[Any], list[Any]]) -> None:
    assert program(ng) == program(torch)


def hooked(f: Any, module: Any, **hooks: Any) -> None:
    for name, hook in hooks.items():
        getattr(module, f"register_{name}_hook")(hook)
    module(leaf(f, 1.0) * 1).sum().backward()


def changed(f: Any, module: Any) -> None:
    module.register_full_backward_hook(lambda *_: None)
    module(leaf(f, 1.0)).mul_(2)


def in_place(f: Any) -> Any:
    class InPlace(f.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, a: Any) -> Any:
            return a.mul_(2)

    return InPlace()


ERRORS: dict[str, Callable[[Any], Any]] = {
    "both kinds": lambda f: hooked(f, f.nn.Tanh(), backward=print, full_backward=print),
    "the other way": lambda f: hooked(f, f.nn.Tanh(), full_backward=print, backward=print),
    "too many inputs": lambda f: hooked(f, f.nn.Tanh(), full_backward=lambda m, i, o: i * 2),
    "too many outputs": lambda f: hooked(f, f.nn.Tanh(), full_backward_pre=lambda m, o: o * 2),
    "output changed": lambda f: changed(f, f.nn.Sigmoid()),
    "input changed": lambda f: hooked(f, in_place(f), full_backward=lambda *_: None),
    "pre-hook": lambda f: (
        f.nn.Tanh().register_forward_pre_hook(lambda *_: 3, with_kwargs=True) and None
    ),
}


@pytest.mark.parametrize("title", ERRORS)
def test_refusals_are_pytorchs(title: str) -> None:
    act = ERRORS[title]
    found: list[str] = []
    for f in (torch, ng):
        try:
            act(f)
            found.append("")
        except Exception as error:  # noqa: BLE001 - their kinds are compared
            found.append(f"{type(error).__name__}: {str(error)[:80]}")
    assert found[0] == found[1]


def test_both_kinds_are_refused_for_all_modules() -> None:
    for f in (torch, ng):
        every(f).register_module_backward_hook(lambda *_: None).remove()
        with pytest.raises(RuntimeError, match="both regular backward hooks and full"):
            every(f).register_module_full_backward_hook(lambda *_: None)


# -- traced ----------------------------------------------------------------------------------
@pytest.mark.parametrize("backend", BACKENDS)
def test_backward_hooks_are_compiled_in(backend: str) -> None:
    def make(f: Any) -> Callable[[Any], list[Any]]:
        model = f.nn.Sequential(f.nn.Linear(2, 3), f.nn.Tanh(), f.nn.Linear(3, 1))
        with f.no_grad():
            for number, p in enumerate(model.parameters()):
                p.copy_((f.arange(p.numel()).reshape(p.shape) - 2.0) * 0.1 * (number + 1))
        model[1].register_full_backward_pre_hook(lambda m, got: (got[0].clamp(-0.1, 0.1),))
        model[2].register_full_backward_hook(lambda m, given, got: (given[0] * 2 + got[0],))
        kept: dict[str, Any] = {}
        model[0].register_forward_hook(lambda m, args, out: kept.__setitem__("out", out))
        optimizer = f.optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any) -> list[Any]:
            optimizer.zero_grad()
            loss = (model(x) ** 2).sum()
            loss.backward()
            optimizer.step()
            return [loss.detach(), *(p.detach() * 1 for p in model.parameters())]

        run = step if f is torch else ng.compile(step, backend=backend)
        return lambda x: [shown(t) for t in run(x)]

    ours, theirs = make(ng), make(torch)
    for number in range(3):
        x = [[1.0, -1.0], [0.5 * number, 2.0]]
        for found, wanted in zip(ours(ng.tensor(x)), theirs(torch.tensor(x)), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shared", [False, True])
def test_another_hook_is_another_trace(shared: bool) -> None:
    module = ng.nn.Tanh()
    owner: Any = every(ng) if shared else module
    word = "module_" if shared else ""

    @ng.compile(backend="reference")
    def step(x: Any) -> Any:
        y = module(x)
        y.sum().backward()
        return x.grad

    before = step(leaf(ng, 0.5)).tolist()
    hook = getattr(owner, f"register_{word}full_backward_hook")(lambda m, i, o: (i[0] * 2,))
    assert step(leaf(ng, 0.5)).tolist() == [2 * v for v in before]
    hook.remove()
    assert step(leaf(ng, 0.5)).tolist() == before
    assert count_traces(step) <= 3


@pytest.mark.parametrize("shared", [False, True])
def test_what_a_hook_counts_is_carried(shared: bool) -> None:
    module, seen = ng.nn.Tanh(), {"calls": 0}

    def count(*args: Any) -> None:
        seen["calls"] += 1

    owner: Any = every(ng) if shared else module
    word = "module_" if shared else ""
    handle = getattr(owner, f"register_{word}forward_hook")(count)
    compiled = ng.compile(lambda x: module(x), backend="reference")
    for _ in range(3):
        compiled(ng.ones(2))
    handle.remove()
    assert seen["calls"] == 3
