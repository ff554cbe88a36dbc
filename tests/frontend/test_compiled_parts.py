"""Compiled parts of an eager loop: loss, backward() and optimizer outside, as users have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS
from tests.support.tolerances import assert_close

Compile = Callable[[Any], Any]


def numbers(t: Any, *shape: int, seed: int = 0, grad: bool = False) -> Any:
    values = np.random.default_rng(seed).uniform(0.25, 2, shape)
    return t.tensor(values, requires_grad=grad)


def trained(t: Any, c: Compile, build: Any, optimizer: str = "SGD", **options: Any) -> list[Any]:
    """Five steps of a compiled model; all else is outside."""
    model = build(t.nn).double()
    for i, p in enumerate(model.parameters()):
        with t.no_grad():
            p.copy_(numbers(t, *p.shape, seed=i) - 0.5)
    run = c(model)
    opt = getattr(t.optim, optimizer)(run.parameters(), lr=0.05, **options)
    left: list[Any] = []
    for i in range(5):
        opt.zero_grad()
        out = run(numbers(t, 6, 4, seed=i))
        loss = t.nn.functional.cross_entropy(out, t.tensor([0, 1, 2, 0, 1, 2]))
        loss.backward()
        left += [loss.detach(), *(p.grad.clone() for p in model.parameters())]
        opt.step()
    return [*left, *model.parameters(), *model.buffers()]


def a_perceptron(t: Any, c: Compile) -> list[Any]:
    return trained(t, c, lambda nn: nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 3)))


def norms(t: Any, c: Compile) -> list[Any]:
    def build(nn: Any) -> Any:
        parts = nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.Tanh(), nn.LayerNorm(8)
        return nn.Sequential(*parts, nn.Linear(8, 3), nn.Softmax(1))

    return trained(t, c, build, "SGD", momentum=0.9)


def tied(t: Any, c: Compile) -> list[Any]:
    def build(nn: Any) -> Any:
        one, two = nn.Linear(4, 4), nn.Linear(4, 4)
        two.weight = one.weight
        return nn.Sequential(one, nn.Sigmoid(), two, nn.Linear(4, 3))

    return trained(t, c, build, "Adam")


def convolutions(t: Any, c: Compile) -> list[Any]:
    def build(nn: Any) -> Any:
        conv = nn.Conv2d(1, 3, 2, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
        return nn.Sequential(nn.Unflatten(1, (1, 2, 2)), *conv, nn.Linear(3, 3))

    return trained(t, c, build)


def a_recurrent_net(t: Any, c: Compile) -> list[Any]:
    net = t.nn.LSTM(3, 4, batch_first=True).double()
    for i, p in enumerate(net.parameters()):
        with t.no_grad():
            p.copy_(numbers(t, *p.shape, seed=i) - 1)
    run = c(lambda x: net(x)[0])
    x = numbers(t, 2, 5, 3, grad=True)
    (run(x) * numbers(t, 2, 5, 4)).sum().backward()
    return [x.grad, *(p.grad for p in net.parameters())]


def gradients_of_arguments(t: Any, c: Compile) -> list[Any]:
    w = numbers(t, 3, grad=True)
    f = c(lambda x, y: {"a": x * w + y, "b": (x.exp(), y.detach() * 2)})
    x, y = numbers(t, 3, seed=1, grad=True), numbers(t, 3, seed=2, grad=True)
    found = f(x * 2, y)
    (found["a"] * found["b"][0] + found["b"][1]).sum().backward()
    return [x.grad, y.grad, w.grad, found["b"][1].requires_grad]


def two_calls_before_backward(t: Any, c: Compile) -> list[Any]:
    w = numbers(t, 3, grad=True)
    f = c(lambda x: (x * w).tanh())
    one, two = f(numbers(t, 3, seed=1)), f(numbers(t, 3, seed=2))
    two.sum().backward()
    first = w.grad.clone()
    one.sum().backward()
    return [first, w.grad]


def accumulation(t: Any, c: Compile) -> list[Any]:
    w = numbers(t, 3, grad=True)
    f = c(lambda x: (x * w).square().sum())
    for i in range(3):
        (f(numbers(t, 3, seed=i)) / 3).backward()
    return [w.grad]


def a_gan(t: Any, c: Compile) -> list[Any]:
    g, d = (t.nn.Linear(3, n).double() for n in (3, 1))
    for i, p in enumerate([*g.parameters(), *d.parameters()]):
        with t.no_grad():
            p.copy_(numbers(t, *p.shape, seed=i) - 1)
    make, judge = c(g), c(d)
    z, real = numbers(t, 4, 3), numbers(t, 4, 3, seed=9)
    fake = make(z)
    loss = judge(real).mean() - judge(fake.detach()).mean()
    loss.backward()
    seen = [p.grad.clone() for p in d.parameters()]
    d.zero_grad()
    judge(fake).mean().backward()
    return [*seen, *(p.grad for p in g.parameters()), *(p.grad for p in d.parameters())]


def selections(t: Any, c: Compile) -> list[Any]:
    """Elements that masks select, some of them none, beside a NaN that none selects."""
    one, two = t.nn.Linear(4, 5).double(), t.nn.Linear(5, 3).double()
    parameters = [*one.parameters(), *two.parameters()]
    for i, p in enumerate(parameters):
        with t.no_grad():
            p.copy_(numbers(t, *p.shape, seed=i) - 1)

    def forward(x: Any, y: Any, mask: Any) -> Any:
        h = one(x).tanh()
        placed = t.zeros_like(h)
        placed[~mask] = h[~mask] * 2
        return t.nn.functional.cross_entropy(two(h[mask]), y[mask], reduction="sum"), placed.sum(1)

    run, left = c(forward), []
    for pattern in ([1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]):
        x, mask = numbers(t, 4, 4, seed=9), t.tensor(pattern, dtype=t.bool)
        loss, placed = run(
            x.index_fill(0, t.tensor([3]), float("nan")), t.tensor([0, 1, 2, 1]), mask
        )
        left += [loss.detach(), *t.autograd.grad(loss, parameters, retain_graph=True)]
        left += [placed.detach(), *t.autograd.grad(placed[:3].sum(), parameters[:2])]
    loss, _ = run(numbers(t, 4, 4), t.tensor([0, 1, 2, 1]), t.tensor([True, False, True, True]))
    (slope,) = t.autograd.grad(loss, parameters[:1], create_graph=True)
    return [*left, t.autograd.grad(slope.square().sum(), parameters[2])[0]]


def second_derivatives(t: Any, c: Compile) -> list[Any]:
    w = numbers(t, 3, grad=True)
    f = c(lambda x: (x * w).exp().sum())
    x = numbers(t, 3, seed=1, grad=True)
    (g,) = t.autograd.grad(f(x), x, create_graph=True)
    (g * g).sum().backward()
    return [g.detach(), x.grad, w.grad]


def a_gradient_penalty(t: Any, c: Compile) -> list[Any]:
    net = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Softplus(), t.nn.Linear(4, 1)).double()
    for i, p in enumerate(net.parameters()):
        with t.no_grad():
            p.copy_(numbers(t, *p.shape, seed=i) - 1)
    run = c(net)
    x = numbers(t, 5, 3, seed=7, grad=True)
    (g,) = t.autograd.grad(run(x).sum(), x, create_graph=True)
    ((g.norm(dim=1) - 1) ** 2).mean().backward()
    return [x.grad, *(p.grad for p in net.parameters())]


def results_that_are_operands(t: Any, c: Compile) -> list[Any]:
    f = c(lambda x: (x, x * 1, x))
    x = numbers(t, 3, grad=True)
    a, b, d = f(x * 3)
    (a * 2 + b * 5 + d).sum().backward()
    return [x.grad]


def one_value_twice(t: Any, c: Compile) -> list[Any]:
    def f(x: Any) -> Any:
        y = x.exp()
        return y * 1, y * 1

    x = numbers(t, 3, grad=True)
    one, two = c(f)(x)
    with t.no_grad():
        one.zero_()
    two.sum().backward()
    return [x.grad, two.detach()]


def gradients_have_memory_of_their_own(t: Any, c: Compile) -> list[Any]:
    f = c(lambda a, b: a + b)
    a, b, seed = numbers(t, 3, grad=True), numbers(t, 3, grad=True), numbers(t, 3, seed=4)
    f(a, b).backward(seed)
    with t.no_grad():
        a.grad.add_(5)
    return [a.grad, b.grad, seed]


def hooks_of_leaves(t: Any, c: Compile) -> list[Any]:
    w, seen = numbers(t, 3, grad=True), []
    w.register_hook(lambda g: seen.append(g) or g * 2)
    f = c(lambda x: (x * w).sum())
    for i in range(2):
        f(numbers(t, 3, seed=i)).backward()
    return [w.grad, *seen]


def a_result_changed_in_place(t: Any, c: Compile) -> list[Any]:
    w = numbers(t, 3, grad=True)
    out = c(lambda x: x * w)(numbers(t, 3, seed=1))
    out += 1
    (out * out).sum().backward()
    return [w.grad]


def an_argument_changed_inside(t: Any, c: Compile) -> list[Any]:
    w, x = numbers(t, 3, grad=True), numbers(t, 3, seed=1)
    c(lambda x: x.mul_(w))(x)
    asked = x.requires_grad
    (x * x).sum().backward()
    return [w.grad, asked]


def an_argument_changed_by_each_call(t: Any, c: Compile) -> list[Any]:
    """From the second call on the argument is no leaf, which may be written in place."""
    w, x = numbers(t, 3, grad=True), numbers(t, 3, seed=1)
    f = c(lambda x: x.mul_(w).add_(1))
    for _ in range(3):
        f(x)
    (x * x).sum().backward()
    y = w * 2
    f(y)
    y.sum().backward()
    return [w.grad, x.detach(), y.detach()]


def an_argument_changed_with_backward_inside(t: Any, c: Compile) -> list[Any]:
    def f(x: Any) -> Any:
        x.mul_(3)
        (x * x).sum().backward()
        return x.detach() * 1

    w = numbers(t, 3, grad=True)
    return [c(f)(w * 2), w.grad]


def state_that_keeps_its_history(t: Any, c: Compile) -> list[Any]:
    """The forward pass goes on; only backward through an earlier call's state is refused."""

    class Keeps(t.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.w = t.nn.Parameter(numbers(t, 3))
            self.h = t.zeros(3, dtype=t.float64)

        def forward(self, x: Any) -> Any:
            self.h = (x * self.w + self.h).tanh()
            return self.h * 2

    run = c(Keeps())
    return [run(numbers(t, 3, seed=i)).detach() for i in range(3)]


def a_leaf_made_inside(t: Any, c: Compile) -> list[Any]:
    y = c(lambda x: (x * 2).detach().requires_grad_())(numbers(t, 3))
    (y * y).sum().backward()
    return [y.is_leaf, y.requires_grad, y.grad]


def frozen_parts(t: Any, c: Compile) -> list[Any]:
    one, two = t.nn.Linear(3, 3).double(), t.nn.Linear(3, 1).double()
    for i, p in enumerate([*one.parameters(), *two.parameters()]):
        with t.no_grad():
            p.copy_(numbers(t, *p.shape, seed=i))
    one.requires_grad_(False)
    run = c(lambda x: two(one(x)))
    run(numbers(t, 2, 3)).sum().backward()
    before = [p.grad for p in one.parameters()]
    one.requires_grad_(True)
    run(numbers(t, 2, 3)).sum().backward()
    return [before, *(p.grad for p in [*one.parameters(), *two.parameters()])]


def without_gradients(t: Any, c: Compile) -> list[Any]:
    w = numbers(t, 3, grad=True)
    f = c(lambda x: x * w)
    with t.no_grad():
        inside = f(numbers(t, 3))
    return [inside.requires_grad, f(numbers(t, 3)).requires_grad, inside]


def the_loss_alone(t: Any, c: Compile) -> list[Any]:
    model = t.nn.Linear(3, 4).double()
    for i, p in enumerate(model.parameters()):
        with t.no_grad():
            p.copy_(numbers(t, *p.shape, seed=i))
    loss = c(lambda o, y: t.nn.functional.cross_entropy(o, y, label_smoothing=0.1))
    loss(model(numbers(t, 2, 3)), t.tensor([1, 3])).backward()
    return [p.grad for p in model.parameters()]


def an_optimizer_alone(t: Any, c: Compile) -> list[Any]:
    w = numbers(t, 3, grad=True)
    opt = t.optim.Adam([w], lr=0.1)
    step = c(lambda: opt.step())
    for i in range(4):
        opt.zero_grad()
        (w * numbers(t, 3, seed=i)).square().sum().backward()
        step()
    return [w.detach(), opt.state[w]["exp_avg"]]


def a_block_in_the_middle(t: Any, c: Compile) -> list[Any]:
    w = numbers(t, 3, grad=True)
    block = c(lambda h: h.sin() * w)
    x = numbers(t, 3, seed=1, grad=True)
    block(block(x.exp()) + 1).sum().backward()
    return [x.grad, w.grad]


def a_function_compiled_around_one(t: Any, c: Compile) -> list[Any]:
    w = numbers(t, 3, grad=True)
    inner = c(lambda x: x * w)
    outer = c(lambda x: inner(x).exp())
    outer(numbers(t, 3)).sum().backward()
    return [w.grad]


def a_result_that_another_closes_over(t: Any, c: Compile) -> list[Any]:
    w = numbers(t, 3, grad=True)
    out = c(lambda x: x * w)(numbers(t, 3))
    c(lambda z: (z * out).sum().backward())(numbers(t, 3, seed=1))
    return [w.grad]


def empty(t: Any, c: Compile) -> list[Any]:
    w = numbers(t, 3, grad=True)
    c(lambda x: (x * w).sum())(numbers(t, 0, 3)).backward()
    return [w.grad]


def gradients_that_are_not_asked_for(t: Any, c: Compile) -> list[Any]:
    w = numbers(t, 3, grad=True)
    one, two = c(lambda x: (x * w, x.sum() * w.sum()))(numbers(t, 3))
    return [t.autograd.grad(two, w)[0], one.requires_grad]


def kept_graphs(t: Any, c: Compile) -> list[Any]:
    w = numbers(t, 3, grad=True)
    out = c(lambda x: (x * w).sum())(numbers(t, 3))
    out.backward(retain_graph=True)
    out.backward()
    return [w.grad]


PROGRAMS = [
    a_block_in_the_middle,
    a_function_compiled_around_one,
    a_gan,
    a_gradient_penalty,
    a_leaf_made_inside,
    a_perceptron,
    a_recurrent_net,
    a_result_changed_in_place,
    a_result_that_another_closes_over,
    accumulation,
    an_argument_changed_by_each_call,
    an_argument_changed_inside,
    an_argument_changed_with_backward_inside,
    an_optimizer_alone,
    convolutions,
    empty,
    frozen_parts,
    gradients_have_memory_of_their_own,
    gradients_of_arguments,
    gradients_that_are_not_asked_for,
    hooks_of_leaves,
    kept_graphs,
    norms,
    one_value_twice,
    results_that_are_operands,
    second_derivatives,
    selections,
    state_that_keeps_its_history,
    the_loss_alone,
    tied,
    two_calls_before_backward,
    without_gradients,
]


def same(got: Any, wanted: Any, name: str) -> None:
    if isinstance(wanted, list):
        assert len(got) == len(wanted)
        for a, b in zip(got, wanted, strict=True):
            same(a, b, name)
    elif isinstance(wanted, torch.Tensor):
        assert_close(got.detach().numpy(), wanted.detach().numpy(), name)
    else:
        assert got == wanted, name


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_gradients_are_those_of_eager_code(program: Any, backend: str) -> None:
    found = program(ng, lambda f: ng.compile(f, backend=backend))
    same(found, program(torch, lambda f: f), program.__name__)


@pytest.mark.parametrize("backend", BACKENDS)
def test_masks_of_dropout_are_those_of_the_call(backend: str) -> None:
    drop, w = ng.nn.Dropout(0.5), ng.ones(64, requires_grad=True)
    run = ng.compile(lambda x: drop(x * w), backend=backend)
    outs = [run(ng.ones(64)) for _ in range(2)]
    for out in reversed(outs):
        w.grad = None
        out.sum().backward()
        assert w.grad.tolist() == out.tolist()  # 0 or 2
    x = ng.ones(64, requires_grad=True)
    out = run(x)
    (gradient,) = ng.autograd.grad((out * out).sum(), x, create_graph=True)
    assert ((gradient == 0) == (out == 0)).all()
    assert ng.autograd.grad(gradient.sum(), x)[0].tolist() == (out * out * 2).tolist()


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_trace_serves_a_whole_loop(backend: str) -> None:
    model = ng.nn.Sequential(ng.nn.Linear(3, 4), ng.nn.ReLU(), ng.nn.Linear(4, 1))
    run = ng.compile(model, backend=backend)
    opt = ng.optim.Adam(run.parameters(), lr=0.1)
    for i in range(5):
        opt.zero_grad()
        run(ng.ones(2, 3) * i).sum().backward()
        opt.step()
        with ng.no_grad():
            run(ng.ones(2, 3))
    assert len(run._compiled_function._history) == 2
