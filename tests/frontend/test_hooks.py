"""Hooks of tensors: order, replaced gradients, retained ones, errors; eager and traced."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.frontend.handles import RemovableHandle
from tests.support.backends import BACKENDS
from tests.support.training import count_traces


def leaf(f: Any, *values: float) -> Any:
    return f.tensor(list(values), requires_grad=True)


def shown(value: Any) -> Any:
    """Nested numbers of gradients, in either framework."""
    if isinstance(value, tuple | list):
        return [shown(v) for v in value]
    return value.tolist() if hasattr(value, "tolist") else value


# -- programs; each returns what it saw ------------------------------------------------------
def order(f: Any) -> list[Any]:
    seen: list[str] = []
    named = {name: leaf(f, 1.0, 2.0) for name in "abcd"}
    a, b, c, d = named.values()
    named["p"], named["s"] = a * b, c * d
    named["q"] = named["p"] * a + named["s"]
    for name, tensor in named.items():
        tensor.register_hook(lambda g, name=name: seen.append(name))
    a.register_post_accumulate_grad_hook(lambda t: seen.append(f"a.grad {shown(t.grad)}"))
    named["q"].sum().backward()
    return seen


def shared_leaf(f: Any) -> list[Any]:
    """A leaf gets its gradient when the last use of it is done, before what comes later."""
    seen: list[Any] = []
    w, v = leaf(f, 2.0), leaf(f, 3.0)
    early = v * v
    late = early * w * w
    early.register_hook(lambda g: seen.append(["early", shown(g), shown(w.grad)]))
    w.register_hook(lambda g: seen.append(["w", shown(g)]))
    late.sum().backward()
    return [*seen, shown(v.grad)]


def replaced(f: Any) -> list[Any]:
    x = leaf(f, 1.0, 2.0)
    y = x * 3
    seen: list[Any] = []
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: seen.append(shown(g)))
    y.retain_grad()
    y.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: -g)
    y.sum().backward()
    return [seen, shown(y.grad), y.retains_grad, x.retains_grad, shown(x.grad)]


def by_grad(f: Any) -> list[Any]:
    seen: list[Any] = []
    x = leaf(f, 1.0)
    y = x * 2
    z = y * 3
    x.register_hook(lambda g: g * 10)
    x.register_post_accumulate_grad_hook(lambda t: seen.append("never"))
    y.register_hook(lambda g: seen.append(shown(g)))
    both = f.autograd.grad(z.sum(), [y, x])
    return [shown(both), seen, x.grad]


def parts(f: Any) -> list[Any]:
    """A part that nothing uses has no gradient, and its hook is called with that."""
    seen: list[Any] = []
    first, second = (leaf(f, 1.0, 2.0, 3.0) * 1).split(2)
    first.register_hook(lambda g: seen.append(["first", shown(g)]))
    second.register_hook(lambda g: seen.append(["second", g]))
    first.sum().backward()
    return seen


def in_place(f: Any) -> list[Any]:
    x = leaf(f, 1.0, 2.0)
    y = x * 2
    seen: list[Any] = []
    y.register_hook(lambda g: seen.append(shown(g)))
    y.retain_grad()
    y.mul_(5)
    y.sum().backward()
    return [seen, shown(y.grad), y.retains_grad, shown(x.grad)]


def again(f: Any) -> list[Any]:
    x = leaf(f, 1.0)
    y = x * 2
    y.retain_grad()
    kept = y.register_hook(lambda g: g * 7)
    (y * y).sum().backward(retain_graph=True)
    first = y.grad
    kept.remove()
    kept.remove()
    (y * y).sum().backward()
    with x.register_hook(lambda g: g * 0):
        (x * 2).sum().backward()
    return [shown(first), shown(y.grad), shown(x.grad)]


def flags(f: Any) -> list[Any]:
    """Requiring no gradient for a while does not lose hooks; a copy has none."""
    seen: list[Any] = []
    x = leaf(f, 1.0)
    x.register_hook(lambda g: seen.append(shown(g)))
    x.requires_grad_(False)
    x.requires_grad_(True)
    (copy.deepcopy(x) * 2).sum().backward()
    (x * 3).sum().backward()
    return seen


def modes(f: Any) -> list[Any]:
    seen: list[Any] = []
    x = leaf(f, 3.0)
    x.register_hook(lambda g: seen.append((f.is_grad_enabled(), g.requires_grad)))
    x.register_post_accumulate_grad_hook(lambda t: seen.append(f.is_grad_enabled()))
    (x * x).sum().backward()
    (x * x * x).sum().backward(create_graph=True)
    return seen


def step_in_backward(f: Any) -> list[Any]:
    """The optimizer of each parameter steps when its gradient is there."""
    w, v = leaf(f, 2.0), leaf(f, 3.0)
    makers = {id(p): f.optim.SGD([p], lr=0.1, momentum=0.5) for p in (w, v)}

    def step(parameter: Any) -> None:
        makers[id(parameter)].step()
        makers[id(parameter)].zero_grad()

    for p in (w, v):
        p.register_post_accumulate_grad_hook(step)
    for _ in range(3):
        (w * v * w).sum().backward()
    return [np.round(shown(w), 5).tolist(), np.round(shown(v), 5).tolist(), w.grad]


def of_entries(f: Any) -> list[Any]:
    seen: list[Any] = []
    x = leaf(f, 2.0)
    y = x.tanh()
    y.grad_fn.register_prehook(lambda g: (g[0] * 2,))
    y.grad_fn.register_hook(lambda given, got: seen.append([shown(given), shown(got)]))
    y.grad_fn.register_hook(lambda given, got: (given[0] * 0 + 5,))
    y.register_hook(lambda g: g * 3)
    y.sum().backward()
    return [np.round(np.array(seen), 5).tolist(), shown(x.grad)]


def of_inputs(f: Any) -> list[Any]:
    """``inputs=`` of backward, and several roots in one pass."""
    seen: list[Any] = []
    x, w, v = leaf(f, 1.0), leaf(f, 2.0), leaf(f, 3.0)
    x.register_hook(lambda g: seen.append(shown(g)))
    x.register_post_accumulate_grad_hook(lambda t: seen.append("added"))
    (x * w).sum().backward(inputs=[x])
    (x * w).sum().backward(inputs=w)
    (x * w).sum().backward(inputs=[v])
    found = [*shown([x.grad, w.grad]), v.grad]
    y = x * 2
    (y * 3).sum().backward(inputs=[y, x])
    f.autograd.backward([(x * w).sum(), (x * 3).sum()], inputs=[x])
    f.autograd.backward([x * w, x * 3], [f.ones(1), f.ones(1)])
    return [*seen, found, shown([x.grad, w.grad])]


PROGRAMS = [
    of_inputs,
    order,
    shared_leaf,
    replaced,
    by_grad,
    parts,
    in_place,
    again,
    flags,
    modes,
    step_in_backward,
    of_entries,
]


@pytest.mark.filterwarnings("ignore:Using backward\\(\\) with create_graph")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_hooks_are_pytorchs(program: Callable[[Any], list[Any]]) -> None:
    assert program(ng) == program(torch)


ERRORS: dict[str, Callable[[Any], Any]] = {
    "no gradient": lambda f: f.ones(2).register_hook(print),
    "no gradient to add": lambda f: f.ones(2).register_post_accumulate_grad_hook(print),
    "no leaf": lambda f: (leaf(f, 1.0) * 2).register_post_accumulate_grad_hook(print),
    "no inputs": lambda f: leaf(f, 1.0).sum().backward(inputs=[]),
    "inputs without gradients": lambda f: leaf(f, 1.0).sum().backward(inputs=[f.ones(1)]),
    "nothing to retain": lambda f: f.ones(2).retain_grad(),
    "a number": lambda f: hooked(f, lambda g: 3.0),
    "a tuple": lambda f: hooked(f, lambda g: (g,)),
    "another size": lambda f: hooked(f, lambda g: f.ones(3)),
    "another dtype": lambda f: hooked(f, lambda g: g.double()),
    "a result after adding": lambda f: after(f, lambda t: 3),
    "too many": lambda f: of_entry(f, lambda given, got: (given[0],) * 3),
    "no tuple": lambda f: of_entry(f, lambda given, got: 3),
}


def hooked(f: Any, hook: Any) -> None:
    y = leaf(f, 1.0, 2.0) * 2
    y.register_hook(hook)
    y.sum().backward()


def after(f: Any, hook: Any) -> None:
    x = leaf(f, 1.0)
    x.register_post_accumulate_grad_hook(hook)
    x.sum().backward()


def of_entry(f: Any, hook: Any) -> None:
    y = leaf(f, 1.0).tanh()
    y.grad_fn.register_hook(hook)
    y.sum().backward()


@pytest.mark.parametrize("title", ERRORS)
def test_refusals_are_pytorchs(title: str) -> None:
    act = ERRORS[title]
    with pytest.raises(Exception) as theirs:
        act(torch)
    with pytest.raises(type(theirs.value)) as ours:
        act(ng)
    wanted = str(theirs.value)
    if title == "another dtype":
        wanted = wanted.replace("torch.FloatTensor", "float32").replace(
            "torch.DoubleTensor", "float64"
        )
    if title == "too many":  # how many operands a node has is each framework's own
        wanted = wanted.replace("expected 2", "expected 1")
    assert str(ours.value) == wanted


def test_handles_are_pickled_and_take_facts_along() -> None:
    hooks, facts = OrderedDict[int, Any](), OrderedDict[int, Any]()
    handle = RemovableHandle(hooks, extra_dict=facts)
    hooks[handle.id] = facts[handle.id] = True
    handle.remove()
    assert not hooks and not facts
    assert pickle.loads(pickle.dumps(RemovableHandle(OrderedDict()))).id == handle.id + 1


# -- traced ----------------------------------------------------------------------------------
@pytest.mark.parametrize("backend", BACKENDS)
def test_hooks_are_compiled_in(backend: str) -> None:
    """Of results and of leaves, of arguments, and what they retain and step."""

    def make(f: Any) -> Callable[[Any], list[Any]]:
        w, v = leaf(f, 1.0, 2.0), leaf(f, 3.0, 4.0)
        w.register_hook(lambda g: g.clamp(max=2.0))
        optimizer = f.optim.SGD([v], lr=0.1)

        def update(parameter: Any) -> None:
            optimizer.step()
            parameter.grad = None

        v.register_post_accumulate_grad_hook(update)

        def step(x: Any) -> list[Any]:
            y = w * x
            y.register_hook(lambda g: g * 2)
            z = y * v
            z.retain_grad()
            (z * z).sum().backward()
            return [z.grad, w.grad, v * 1, x.grad]

        def call(x: Any) -> list[Any]:
            x.register_hook(lambda g: g + 1)
            return [shown(t) for t in run(x)]

        run = step if f is torch else ng.compile(step, backend=backend)
        return call

    ours, theirs = make(ng), make(torch)
    for number in range(3):
        for wanted, found in zip(
            theirs(leaf(torch, 0.1, 0.2 + number)), ours(leaf(ng, 0.1, 0.2 + number)), strict=True
        ):
            np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_another_hook_is_another_trace() -> None:
    w = leaf(ng, 1.0)

    @ng.compile(backend="reference")
    def step() -> Any:
        w.grad = None
        (w * 2).sum().backward()
        return w.grad

    found = [step().item()]
    handle = w.register_hook(lambda g: g * 5)
    found += [step().item(), step().item()]
    handle.remove()
    found.append(step().item())
    assert found == [2, 10, 10, 2]
    assert count_traces(step) <= 3


def test_a_step_cannot_add_hooks_to_leaves_from_outside() -> None:
    w = leaf(ng, 1.0)

    def step() -> Any:
        w.register_hook(lambda g: g * 5)
        return w * 2

    with pytest.raises(ng.TraceError, match="registered on a leaf from outside") as error:
        ng.compile(step, backend="reference")()
    assert "Register it once" in str(error.value)
    assert not any(w._hooks_listed)


def test_what_a_hook_changes_is_carried() -> None:
    """Python's state that a hook of a parameter writes is the step's."""
    w, seen = leaf(ng, 1.0), {"calls": 0}

    def count(g: Any) -> None:
        seen["calls"] += 1

    w.register_hook(count)

    @ng.compile(backend="reference")
    def step() -> Any:
        w.grad = None
        (w * 2).sum().backward()
        return w.grad

    for _ in range(3):
        step()
    assert seen["calls"] == 3
