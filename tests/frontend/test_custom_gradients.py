"""ng.autograd.Function: forward and backward of users, eager and traced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS


def shown(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return np.round(value.detach().numpy().astype(float), 4).tolist()
    if isinstance(value, list | tuple):
        return [shown(v) for v in value]
    return value


def functions(f: Any) -> dict[str, Any]:
    """Functions whose gradients are not those of what they compute, so that one sees which ran."""

    class Exp(f.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (y,) = ctx.saved_tensors
            return g * y * 2

    class Scaled(f.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(a: Any, b: Any, k: float) -> Any:
            return a * b * k, a + 1

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            a, b, ctx.k = inputs
            ctx.save_for_backward(a, b)

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            a, b = ctx.saved_tensors
            to_b = g * a * ctx.k if ctx.needs_input_grad[1] else None
            return g * b * ctx.k + 3 * h, to_b, None

    class Flip(f.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return -g

    class Column(Flip):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.view(2, 1)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return -g.view(2)

    class Half(f.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            kept, plain = x * 2, x * 3
            ctx.mark_non_differentiable(plain)
            ctx.set_materialize_grads(False)
            return kept, plain

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return g * 7 if h is None else g

    class Shift(f.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            x.add_(1)
            ctx.mark_dirty(x)
            ctx.save_for_backward(x, y)
            return x, x * y

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            x, y = ctx.saved_tensors
            return 3 * g + h * y, h * x

    class Unreturned(Flip):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mark_dirty(x)
            return x * 2

    class Once(f.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            ctx.save_for_forward(x)
            return x * x

        @staticmethod
        @f.autograd.function.once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.saved_tensors[0] * 2

    class ByVjp(f.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 3

        @staticmethod
        def vjp(ctx: Any, g: Any) -> Any:
            return g * 4

    every = (Exp, Scaled, Flip, Column, Half, Shift, Unreturned, Once, ByVjp)
    return {c.__name__: c.apply for c in every}


def leaf(f: Any, *values: float) -> Any:
    return f.tensor(list(values), requires_grad=True)


PROGRAMS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {}


def program(run: Callable[[Any, dict[str, Any]], Any]) -> Callable[[Any, dict[str, Any]], Any]:
    PROGRAMS[run.__name__] = run
    return run


@program
def one(f: Any, called: dict[str, Any]) -> Any:
    x = leaf(f, 1.0, 2.0)
    y = called["Exp"](x)
    y.sum().backward(retain_graph=True)
    first = shown(x.grad)
    y.sum().backward()
    with f.no_grad():
        plain = called["Exp"](x).requires_grad
    return y, first, x.grad, plain, called["Exp"](f.ones(2)).requires_grad


@program
def several(f: Any, called: dict[str, Any]) -> Any:
    x, w = leaf(f, 1.0, 2.0), leaf(f, 3.0, 4.0)
    called["Scaled"](x, w, 2.0)[0].sum().backward()
    first = shown([x.grad, w.grad])
    called["Scaled"](x, f.ones(2), 2.0)[1].sum().backward()
    return first, x.grad, w.grad


@program
def twice(f: Any, called: dict[str, Any]) -> Any:
    x = leaf(f, 1.0, 2.0)
    (g,) = f.autograd.grad(called["Exp"](x).sum(), x, create_graph=True)
    (h,) = f.autograd.grad(called["Scaled"](x, x, 1.0)[0].sum(), x, create_graph=True)
    return f.autograd.grad(g.sum(), x), f.autograd.grad(h.sum(), x)


@program
def arguments_given_back(f: Any, called: dict[str, Any]) -> Any:
    x = leaf(f, 1.0, 2.0)
    called["Flip"](x).sum().backward()
    called["Column"](x).sum().backward()
    return x.grad


@program
def plain_results(f: Any, called: dict[str, Any]) -> Any:
    x = leaf(f, 1.0, 2.0)
    kept, plain = called["Half"](x)
    kept.sum().backward()
    return kept.requires_grad, plain.requires_grad, x.grad


@program
def hooks_and_modules(f: Any, called: dict[str, Any]) -> Any:
    x, seen = leaf(f, 1.0, 2.0), []
    y = called["Exp"](x * 1)
    y.register_hook(lambda g: seen.append(shown(g)))
    y.retain_grad()
    (y * y).sum().backward()
    return seen, y.grad, x.grad


@program
def changed_arguments(f: Any, called: dict[str, Any]) -> Any:
    x, w = leaf(f, 1.0, 2.0), leaf(f, 3.0, 4.0)
    y = x * 2
    z, product = called["Shift"](y, w)
    (z * z + product).sum().backward()
    plain = f.ones(2)
    same, _ = called["Shift"](plain, f.ones(2))
    return z is y, x.grad, w.grad, y, same is plain, same.requires_grad, plain


@program
def once(f: Any, called: dict[str, Any]) -> Any:
    x = leaf(f, 1.0, 2.0)
    (g,) = f.autograd.grad(called["Once"](x).sum(), x, create_graph=True)
    (h,) = f.autograd.grad((called["Once"](x) * x).sum(), x, create_graph=True)
    (k,) = f.autograd.grad(called["ByVjp"](x).sum(), x)
    return g, g.requires_grad, h, h.requires_grad, k


@pytest.mark.parametrize("name", PROGRAMS)
def test_functions_are_pytorchs(name: str) -> None:
    assert shown(PROGRAMS[name](ng, functions(ng))) == shown(
        PROGRAMS[name](torch, functions(torch))
    )


def returning(f: Any, give: Callable[[Any], Any], *more: Any) -> Any:
    class Returns(f.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any, *rest: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return give(g)

    x = leaf(f, 1.0, 2.0)
    Returns.apply(x, *more).sum().backward()
    return x.grad


def twice_once(f: Any) -> Any:
    x = leaf(f, 1.0, 2.0)
    (h,) = f.autograd.grad((functions(f)["Once"](x) * x).sum(), x, create_graph=True)
    return f.autograd.grad(h.sum(), x)


def instance(f: Any) -> Any:
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        return type("F", (f.autograd.Function,), {})()


SAID: dict[str, Callable[[Any], Any]] = {
    "too many": lambda f: returning(f, lambda g: (g, g)),
    "too few": lambda f: returning(f, lambda g: g, 3),
    "more, but None": lambda f: returning(f, lambda g: (g, None)),
    "a number": lambda f: returning(f, lambda g: 3.0),
    "None": lambda f: returning(f, lambda g: None),
    "another dtype": lambda f: returning(f, lambda g: g.double()),
    "another shape": lambda f: returning(f, lambda g: f.ones(3)),
    "for a number": lambda f: returning(f, lambda g: (g, g), 3),
    "no forward": lambda f: type("F", (f.autograd.Function,), {}).apply(leaf(f, 1.0)),
    "no backward": lambda f: (
        type("F", (f.autograd.Function,), {"forward": staticmethod(lambda ctx, x: x * 1)})
        .apply(leaf(f, 1.0))
        .sum()
        .backward()
    ),
    "a dirty leaf": lambda f: functions(f)["Shift"](leaf(f, 1.0), f.ones(1)),
    "dirty, not returned": lambda f: functions(f)["Unreturned"](leaf(f, 1.0) * 1),
    "a second derivative": lambda f: twice_once(f),
    "an instance": lambda f: instance(f)(f.ones(2)),
    "a saved number": lambda f: type(
        "F",
        (f.autograd.Function,),
        {"forward": staticmethod(lambda ctx, x: ctx.save_for_backward(3))},
    ).apply(leaf(f, 1.0)),
}


@pytest.mark.parametrize("title", SAID)
def test_refusals_are_pytorchs(title: str) -> None:
    found = []
    for f in (torch, ng):
        try:
            found.append(shown(SAID[title](f)))
        except Exception as error:  # noqa: BLE001 - their kinds and texts are compared
            found.append((type(error).__name__, str(error)[:60]))
    assert found[0] == found[1]


def test_a_second_backward_and_writes_are_refused() -> None:
    x = leaf(ng, 1.0, 2.0)
    y = functions(ng)["Exp"](x)
    y.sum().backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.sum().backward()


@pytest.mark.parametrize("backend", BACKENDS)
def test_functions_are_traced(backend: str) -> None:
    def make(f: Any) -> Callable[[Any], Any]:
        called, w = functions(f), leaf(f, 0.5, -0.5)

        def step(x: Any) -> Any:
            w.grad = None
            loss = (called["Exp"](w * x) * called["Scaled"](w, x, 3.0)[0]).sum()
            loss.backward()
            with f.no_grad():
                w.sub_(0.1 * w.grad)
            return w * 1, x.grad

        return step

    ours, theirs = ng.compile(make(ng), backend=backend), make(torch)
    for number in range(3):
        found, wanted = ours(leaf(ng, 0.3, number)), theirs(leaf(torch, 0.3, number))
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-5, atol=1e-6)
