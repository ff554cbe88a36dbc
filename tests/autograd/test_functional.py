"""``autograd.functional`` beside PyTorch's: values, history, errors; eager and compiled."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.func.comparing import agree, leaves
from tests.support.backends import BACKENDS

RNG = np.random.default_rng(11)
ARRAYS = {"A": RNG.standard_normal((2, 3)), "B": RNG.standard_normal(3), "s": np.array(0.7)}
A, B = "A", "B"

FUNCTIONS: dict[str, Any] = {
    "matrix": lambda m, a: a.sin() * a.sum(),
    "row": lambda m, a: (a**3).sum(1),
    "two": lambda m, a, b: (a @ b).tanh(),
    "pair": lambda m, a, b: ((a * b).exp(), b.sin()),
    "one of two": lambda m, a, b: ((a**2).sum(0), b * 2),
    "number": lambda m, a: (a**3).sum() * a[0, 0],
    "number of two": lambda m, a, b: ((a @ b) ** 2).sum(),
    "element": lambda m, b: (b**3).sum().reshape(1, 1),
    "linear": lambda m, a: (a * 3).sum(),
    "square of one": lambda m, a, b: (a**2).sum() + b.sum(),
    "of the first": lambda m, a, b: (a**3).sum(),
    "constant": lambda m, a: m.ones(2),
    "cube": lambda m, s: s**3,
    "no tensor": lambda m, a: 3,
    "list": lambda m, a: [a, a],
    "tuple of one": lambda m, a: ((a**2).sum(),),
    "nothing": lambda m, a: a[:0],
}

#: A call; functions by their names, tensors as A[2, 3], B[3], s; ``G`` ones that require grad.
CALLS = """
    jacobian('matrix', A)
    jacobian('row', A)
    jacobian('two', (A, B))
    jacobian('pair', (A, B))
    jacobian('one of two', (A, B))
    jacobian('constant', A)
    jacobian('number', (A,))
    jacobian('tuple of one', A)
    jacobian('cube', s)
    jacobian('matrix', A, create_graph=True)
    jacobian('matrix', G[0], create_graph=True)
    jacobian('pair', G, create_graph=True)
    jacobian('pair', (A, B), vectorize=True)
    jacobian('one of two', (A, B), vectorize=True)
    jacobian('constant', A, vectorize=True)
    jacobian('matrix', G[0], create_graph=True, vectorize=True)
    jacobian('row', A, vectorize=True, strategy='forward-mode')
    jacobian('pair', (A, B), vectorize=True, strategy='forward-mode')
    jacobian('one of two', (A, B), vectorize=True, strategy='forward-mode')
    jacobian('matrix', A, strict=True)
    jacobian('pair', (A, B), strict=True)
    jacobian('matrix', G[0], strict=True, create_graph=True)
    jacobian('linear', G[0], strict=True, create_graph=True)
    jacobian('constant', A, strict=True)
    jacobian('matrix', A, strict=True, vectorize=True)
    jacobian('matrix', A, strategy='forward-mode')
    jacobian('matrix', A, strict=True, vectorize=True, strategy='forward-mode')
    jacobian('matrix', A, create_graph=True, vectorize=True, strategy='forward-mode')
    jacobian('matrix', A, strategy='other')
    jacobian('no tensor', A)
    jacobian('list', A)
    jacobian('matrix', [A])
    jacobian('two', (A, 3))
    jacobian('nothing', A)
    hessian('number', A)
    hessian('number of two', (A, B))
    hessian('element', B)
    hessian('linear', A)
    hessian('square of one', (A, B))
    hessian('number of two', (A, B), vectorize=True)
    hessian('number of two', (A, B), vectorize=True, outer_jacobian_strategy='forward-mode')
    hessian('number', A, vectorize=True, outer_jacobian_strategy='forward-mode')
    hessian('number', G[0], create_graph=True)
    hessian('number', A, strict=True)
    hessian('linear', A, strict=True)
    hessian('number', A, outer_jacobian_strategy='other')
    hessian('row', A)
    hessian('tuple of one', A)
    hessian('no tensor', A)
    vjp('row', A, m.ones(2))
    vjp('number', A)
    vjp('pair', (A, B), (A, B))
    vjp('one of two', (A, B), (B, B))
    vjp('element', B)
    vjp('constant', A, m.ones(2))
    vjp('pair', G, (A, B), create_graph=True)
    vjp('number', G[0], create_graph=True)
    vjp('of the first', (A, B), strict=True)
    vjp('constant', A, m.ones(2), strict=True)
    vjp('linear', G[0], create_graph=True, strict=True)
    vjp('row', A)
    vjp('row', A, m.ones(3))
    vjp('pair', (A, B), (A, A))
    vjp('pair', (A, B), A)
    vjp('row', A, (m.ones(2), m.ones(2)))
    vjp('row', A, 3)
    jvp('row', A, A)
    jvp('pair', (A, B), (A, B))
    jvp('one of two', (A, B), (A, B))
    jvp('cube', s)
    jvp('constant', A, A)
    jvp('pair', G, (A, B), create_graph=True)
    jvp('matrix', A, A, strict=True)
    jvp('linear', A, A, strict=True)
    jvp('of the first', (A, B), (A, B), strict=True)
    jvp('constant', A, A, strict=True)
    jvp('row', A)
    jvp('row', A, B)
    jvp('pair', (A, B), (A, B, B))
    jvp('no tensor', A, A)
    vhp('number', A, A)
    vhp('number of two', (A, B), (A, B))
    vhp('square of one', (A, B), (A, B))
    vhp('linear', A, A)
    vhp('cube', s)
    vhp('number of two', G, (A, B), create_graph=True)
    vhp('linear', A, A, strict=True)
    vhp('square of one', (A, B), (A, B), strict=True)
    vhp('number', A)
    vhp('row', A, A)
    vhp('tuple of one', A, A)
    vhp('number', A, B)
    hvp('number', A, A)
    hvp('number of two', (A, B), (A, B))
    hvp('square of one', (A, B), (A, B))
    hvp('linear', A, A)
    hvp('cube', s)
    hvp('number of two', G, (A, B), create_graph=True)
    hvp('linear', A, A, strict=True)
    hvp('number of two', (A, B), (A, B), strict=True)
    hvp('row', A, A)
    hvp('number', A)
"""


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


def scope(m: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    def caller(name: str) -> Any:
        def call(function: str, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            def func(*xs: Any) -> Any:
                return FUNCTIONS[function](m, *xs)

            return getattr(m.autograd.functional, name)(func, inputs, *args, **kwargs)

        return call

    return {name: caller(name) for name in m.autograd.functional.__dict__} | tensors | {"m": m}


def run(m: Any, text: str) -> Any:
    given = {k: m.tensor(a.tolist(), dtype=m.float64) for k, a in ARRAYS.items()}
    given["G"] = tuple(given[k].clone().requires_grad_() for k in "AB")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = eval(text, scope(m, given))
        recorded = [t for t in leaves(found) if t.requires_grad]
        if recorded:  # gradients of the result
            wanted = sum((t * t).sum() for t in recorded)
            return found, m.autograd.grad(wanted, given["G"], allow_unused=True)
    return found, ()


@pytest.mark.parametrize("text", lines(CALLS))
def test_eager(text: str) -> None:
    try:
        wanted = run(torch, text)
    except Exception as error:  # noqa: BLE001 - its kind and words are what the test compares
        with pytest.raises(type(error)) as caught:
            run(ng, text)
        if "stack expects" not in str(error):
            beginning = str(error).replace("torch.", "nngraph.")[:50]
            assert str(caught.value).startswith(beginning), str(error)
        return
    got = run(ng, text)
    if "outer_jacobian" in text:  # PyTorch's keeps a history that nothing can use
        agree(got[:1], wanted[:1], text, flags=False)
    else:
        agree(got, wanted, text)


@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled(backend: str) -> None:
    texts = [
        "jacobian('pair', (A, B))",
        "jacobian('matrix', A, vectorize=True)",
        "jacobian('row', A, vectorize=True, strategy='forward-mode')",
        "hessian('number of two', (A, B))",
        "hessian('number of two', (A, B), vectorize=True)",
        "vjp('pair', (A, B), (A, B))",
        "jvp('pair', (A, B), (A, B))",
        "vhp('number', A, A)",
        "hvp('number of two', (A, B), (A, B))",
    ]

    @ng.compile(backend=backend)
    def step(A: Any, B: Any) -> Any:
        return [eval(text, scope(ng, {"A": A, "B": B})) for text in texts]

    tensors = [torch.tensor(ARRAYS[k], dtype=torch.float32) for k in "AB"]
    wanted = [eval(t, scope(torch, dict(zip("AB", tensors, strict=True)))) for t in texts]
    agree(step(*(ng.tensor(t.tolist()) for t in tensors)), wanted, "compiled", flags=False)
