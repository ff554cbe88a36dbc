"""What ``vmap`` refuses, random numbers, models, and what it leaves on the tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.func.comparing import agree, tensors
from tests.support.backends import BACKENDS

X = np.arange(12.0, dtype=np.float32).reshape(3, 4)


def written(f: Any) -> Any:
    def body(v: Any) -> Any:
        t = f.zeros(4)
        t.add_(v)
        return t

    return body


REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "axes of another kind": lambda f, x: f.vmap(lambda v: v, in_dims="a")(x),
    "no input": lambda f, x: f.vmap(lambda: 1)(),
    "another structure": lambda f, x: f.vmap(lambda v: v, in_dims=((0, 0),))(x),
    "too many axes": lambda f, x: f.vmap(lambda v: v, in_dims=(0, 0))(x),
    "an axis too far": lambda f, x: f.vmap(lambda v: v, in_dims=2)(x),
    "a float axis": lambda f, x: f.vmap(lambda v: v, in_dims=(1.0,))(x),
    "a number": lambda f, x: f.vmap(lambda v, k: v)(x, 2.0),
    "a scalar": lambda f, x: f.vmap(lambda v: v)(x.sum()),
    "nothing mapped": lambda f, x: f.vmap(lambda v: v, in_dims=None)(x),
    "nothing mapped, in a tuple": lambda f, x: f.vmap(lambda v: v, in_dims=(None,))(x),
    "sizes": lambda f, x: f.vmap(lambda v, w: v)(x, f.ones(4)),
    "a number out": lambda f, x: f.vmap(lambda v: 3)(x),
    "None out": lambda f, x: f.vmap(lambda v: None)(x),
    "batched, out None": lambda f, x: f.vmap(lambda v: v, out_dims=None)(x),
    "too many out": lambda f, x: f.vmap(lambda v: v, out_dims=(0, 1))(x),
    "out too far": lambda f, x: f.vmap(lambda v: v, out_dims=2)(x),
    "other out": lambda f, x: f.vmap(lambda v: (v, v), out_dims=(0, 0, 0))(x),
    "chunks": lambda f, x: f.vmap(lambda v: v, chunk_size=0)(x),
    "randomness": lambda f, x: f.vmap(lambda v: v, randomness="some")(x),
    "item": lambda f, x: f.vmap(lambda v: v.sum().item())(x),
    "float": lambda f, x: f.vmap(lambda v: float(v.sum()))(x),
    "an if": lambda f, x: f.vmap(lambda v: v if v.sum() > 3 else -v)(x),
    "random": lambda f, x: f.vmap(lambda v: v + f.rand(4))(x),
    "dropout": lambda f, x: f.vmap(f.nn.functional.dropout)(x),
    "written to the same": lambda f, x: f.vmap(written(f))(x),
    "no number": lambda f, x: f.func.grad(lambda v: v)(x),
    "no tensor": lambda f, x: f.func.grad(lambda v: 3.0)(x),
    "too few arguments": lambda f, x: f.func.grad(lambda v: v.sum(), 1)(x),
    "no pair": lambda f, x: f.func.grad(lambda v: v.sum(), has_aux=True)(x),
    "a cotangent too many": lambda f, x: f.func.vjp(lambda v: v.sum(), x)[1]((x, x)),
    "tangents": lambda f, x: f.func.jvp(lambda v: v.sum(), (x,), (x, x)),
    "no tuple": lambda f, x: f.func.jvp(lambda v: v.sum(), x, x),
    "strict": lambda f, x: f.func.jvp(lambda v: f.ones(2), (x,), (x,), strict=True),
    "a tangent's shape": lambda f, x: f.func.jvp(lambda v: v.sum(), (x,), (x[0],)),
    "removed": lambda f, x: f.func.functionalize(lambda v: v, remove="all")(x),
}


# PyTorch's own forward mode, loaded when it is first used, is written with it.
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("title", REFUSED)
def test_refusals_are_pytorchs(title: str) -> None:
    found = []
    for f in (torch, ng):
        with pytest.raises((RuntimeError, ValueError, IndexError, TypeError)) as caught:
            REFUSED[title](f, f.tensor(X.tolist()))
        found.append((caught.type, str(caught.value)[:30]))
    assert issubclass(found[1][0], found[0][0])
    if found[0][1].startswith("vmap: ") or "(<inputs>)" in found[0][1]:
        assert found[1][1][:20] == found[0][1][:20]


def test_values_are_refused_inside() -> None:
    texts: list[str] = []
    x = ng.tensor(X.tolist())
    for body in (lambda v: v.numpy(), lambda v: v[v > 3], lambda v: v.tolist()):
        with pytest.raises(RuntimeError, match=r"vmap: .* (values of|depends on)"):
            ng.vmap(body)(x)
    assert ng.vmap(lambda v: (texts.append(repr(v)), v)[1])(x).shape == x.shape
    assert texts == ["<traced tensor f32[4] of vmap>"]
    kept: list[Any] = []
    ng.vmap(lambda v: (kept.append(v), v)[1])(x)
    with pytest.raises(ng.TraceError, match=r"an element .* of the batch that vmap maps over"):
        kept[0] + 1
    with pytest.raises(RuntimeError, match=r"Use ng.func.grad"):
        w = ng.ones(4, requires_grad=True)
        ng.vmap(lambda v: ((v * w).sum().backward(), v)[1])(x)


def test_random_numbers() -> None:
    x = ng.zeros(3, 4)
    ng.manual_seed(0)
    same = ng.vmap(lambda v: v + ng.rand(4), randomness="same")(x)
    other = ng.vmap(lambda v: v + ng.rand(4), randomness="different")(x)
    assert (same[0] == same[1]).all() and not (other[0] == other[1]).any()
    ng.manual_seed(0)
    again = ng.vmap(lambda v: v + ng.rand(4), randomness="same")(x)
    assert (again == same).all()
    masks = ng.vmap(ng.nn.functional.dropout, randomness="different")(x + 1)
    assert len({tuple(row) for row in masks.tolist()}) > 1
    jacobian = ng.func.jacfwd(lambda v: v * ng.rand(4), randomness="same")(x[0])
    assert (jacobian == ng.diag(jacobian.diagonal())).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_random_numbers_are_those_of_eager_code(backend: str) -> None:
    def draw(x: Any) -> Any:
        return ng.vmap(lambda v: v + ng.randn(4), randomness="different")(x)

    step, x = ng.compile(draw, backend=backend), ng.zeros(3, 4)
    ng.manual_seed(3)
    wanted = draw(x)
    ng.manual_seed(3)
    np.testing.assert_allclose(step(x).numpy(), wanted.numpy(), atol=1e-6)


def test_writes_to_arguments_reach_them() -> None:
    for f in (torch, ng):
        x, y = f.ones(2, 3), f.ones(3, 2)
        out = f.vmap(lambda v, w: (v.add_(1), w.mul_(3))[0] * 2, (0, 1))(x, y)
        assert out.tolist() == [[4.0] * 3] * 2
        assert x.tolist() == [[2.0] * 3] * 2 and y.tolist() == [[3.0] * 2] * 3


def test_gradients_through_a_map() -> None:
    found = []
    for f in (torch, ng):
        t = tensors(f, requires_grad=True)
        out = f.vmap(lambda v, w: (v.tanh() @ w).sum() + (w * v[:, None]).exp().sum(), (0, None))(
            t["A"], t["C"][0]
        )
        (first,) = f.autograd.grad(out.sum(), t["A"], create_graph=True)
        (first**2).sum().backward()
        found.append([out, first, t["A"].grad, t["C"].grad])
    agree(found[1], found[0], "through a map")


def test_a_map_leaves_writes_of_before_and_after_alone() -> None:
    x = ng.ones(3, 2, requires_grad=True)
    y = x * 2
    out = ng.vmap(lambda v: v * v)(y)
    y.detach().add_(1)  # the map has elements of its own
    out.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[8.0] * 2] * 3
    again = ng.vmap(lambda v: v * v)(x)
    again.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        again.sum().backward()


def test_gradients_are_recorded_only_where_they_are_asked_for() -> None:
    x = ng.ones(3, 2, requires_grad=True)
    with ng.no_grad():
        assert not ng.vmap(lambda v: v * 2)(x).requires_grad
    assert not ng.vmap(lambda v: v.detach() * 2)(x).requires_grad
    assert ng.vmap(ng.func.grad(lambda v: (v**2).sum()))(x).requires_grad
    assert not ng.vmap(ng.func.grad(lambda v: (v**2).sum()))(x.detach()).requires_grad

    def own(v: Any) -> Any:
        u = v.detach().requires_grad_()
        return ng.autograd.grad((u**3).sum(), u)[0]

    assert ng.vmap(own)(x).tolist() == [[3.0, 3.0]] * 3


def model(f: Any, weights: list[Any] | None = None) -> Any:
    net = f.nn.Sequential(
        f.nn.Conv2d(1, 2, 3), f.nn.ReLU(), f.nn.BatchNorm2d(2), f.nn.Flatten(), f.nn.Linear(8, 3)
    ).eval()
    if weights is not None:
        with f.no_grad():
            for p, w in zip(net.parameters(), weights, strict=True):
                p.copy_(f.tensor(w))
    return net


def per_sample(f: Any, weights: list[Any], images: Any, labels: Any) -> dict[str, Any]:
    net = model(f, weights)
    parameters = {k: p.detach() for k, p in net.named_parameters()}
    buffers = dict(net.named_buffers())

    def loss(p: Any, image: Any, label: Any) -> Any:
        out = f.func.functional_call(net, (p, buffers), (image[None],))
        return f.nn.functional.cross_entropy(out, label[None])

    found: dict[str, Any] = f.vmap(f.func.grad(loss), (None, 0, 0))(parameters, images, labels)
    return found


def test_gradients_of_each_sample() -> None:
    weights = [p.tolist() for p in model(torch).parameters()]
    images = np.random.default_rng(0).standard_normal((4, 1, 4, 4)).astype(np.float32)
    found = [
        per_sample(f, weights, f.tensor(images.tolist()), f.tensor([0, 1, 2, 1]))
        for f in (torch, ng)
    ]
    assert list(found[0]) == list(found[1])
    agree(list(found[1].values()), list(found[0].values()), "of each sample")


def test_an_ensemble() -> None:
    weights = [[p.tolist() for p in model(torch).parameters()] for _ in range(3)]
    images = np.random.default_rng(0).standard_normal((4, 1, 4, 4)).astype(np.float32)
    found = []
    for f in (torch, ng):
        nets = [model(f, w) for w in weights]
        state = f.func.stack_module_state(nets)
        base, x = nets[0], f.tensor(images.tolist())

        def run(p: Any, b: Any, f: Any = f, base: Any = base, x: Any = x) -> Any:
            return f.func.functional_call(base, (p, b), (x,))

        out = f.vmap(run)(*state)
        out.sum().backward()
        found.append([out, *(p.grad for p in state[0].values())])
    agree(found[1], found[0], "an ensemble")


@pytest.mark.parametrize("backend", [None, *BACKENDS])
def test_a_loop_over_time(backend: str | None) -> None:
    cell = ng.nn.GRU(2, 3, batch_first=True)
    x = ng.tensor(np.random.default_rng(1).standard_normal((3, 5, 2)).astype(np.float32))

    def mapped(x: Any) -> Any:
        return ng.vmap(lambda v: cell(v[None])[0][0])(x)

    run = mapped if backend is None else ng.compile(mapped, backend=backend)
    np.testing.assert_allclose(
        run(x).detach().numpy(), cell(x)[0].detach().numpy(), rtol=1e-5, atol=1e-6
    )


def test_a_map_is_one_node_for_the_batch() -> None:
    def products(x: Any) -> Any:
        return ng.vmap(lambda v: (v @ v.t()).relu().sum())(x)

    few, many = (ng.trace(products, ng.ones(n, 3, 3)) for n in (2, 50))
    assert len(few) == len(many)


def test_a_size_known_to_the_call_only() -> None:
    @ng.compile(backend="onnx", dynamic=True)
    def mapped(x: Any) -> Any:
        return ng.vmap(lambda v: v.softmax(0) * v[1:].sum())(x)

    for n in (3, 5, 7):
        x = ng.ones(n, 4)
        assert mapped(x).shape == (n, 4)
    assert mapped(ng.ones(4, 2)).tolist() == [[0.5, 0.5]] * 4
