"""Options of ``autograd.grad`` and ``backward``, and what ``grad_fn`` shows, beside PyTorch's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng


def shown(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return np.round(value.detach().numpy().astype(float), 4).tolist(), value.requires_grad
    if isinstance(value, dict):
        return {k: shown(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [shown(v) for v in value]
    return value


class Made:
    """Leaves, and results of them, in one of the libraries."""

    def __init__(self, f: Any) -> None:
        self.f = f
        self.grad = f.autograd.grad
        self.backward = f.autograd.backward
        self.x = f.tensor([1.0, 2.0], requires_grad=True)
        self.z = f.ones(2, requires_grad=True)
        self.plain = f.ones(2)
        self.y = self.x * self.x


def then(*values: Any) -> Any:
    return values[-1]


CASES: dict[str, Callable[[Made], Any]] = {
    "plain": lambda m: m.grad(m.y.sum(), m.x),
    "several outputs": lambda m: m.grad([m.y, m.x * 3], [m.x], [m.plain, None]),
    "several seeded": lambda m: m.grad((m.y, m.x * 3), m.x, (m.plain, m.plain)),
    "a dict": lambda m: m.grad(m.y.sum(), {"a": m.x, "b": m.y}),
    "a result": lambda m: m.grad((m.y * 3).sum(), [m.y, m.x]),
    "itself": lambda m: m.grad(m.y, m.y, m.plain),
    "unused": lambda m: m.grad(m.y.sum(), [m.x, m.z]),
    "unused, allowed": lambda m: m.grad(m.y.sum(), [m.x, m.z], allow_unused=True),
    "materialized": lambda m: m.grad(m.y.sum(), [m.x, m.z], materialize_grads=True),
    "materialized, not allowed": lambda m: m.grad(
        m.y.sum(), m.x, materialize_grads=True, allow_unused=False
    ),
    "only inputs": lambda m: m.grad(m.y.sum(), m.x, None, None, False, True, True),
    "not scalar": lambda m: m.grad(m.y, m.x),
    "a wrong shape": lambda m: m.grad(m.y, m.x, m.f.ones(3)),
    "no input": lambda m: m.grad(m.y.sum(), []),
    "a plain input": lambda m: m.grad(m.y.sum(), m.plain),
    "a plain output": lambda m: m.grad(m.plain.sum(), m.x),
    "freed": lambda m: then(m.grad(m.y.sum(), m.x), m.grad(m.y.sum(), m.x)),
    "kept": lambda m: then(m.grad(m.y.sum(), m.x, retain_graph=True), m.grad(m.y.sum(), m.x)),
    "created": lambda m: m.grad(m.y.sum(), m.x, create_graph=True),
    "created, freed": lambda m: then(
        m.grad(m.y.sum(), m.x, create_graph=True, retain_graph=False), m.grad(m.y.sum(), m.x)
    ),
    "twice": lambda m: m.grad(m.grad(m.y.sum(), m.x, create_graph=True)[0].sum(), m.x),
    "no grad is left": lambda m: then(m.grad(m.y.sum(), m.x), m.x.grad),
    "backward": lambda m: then(m.backward(m.y.sum()), m.x.grad),
    "backward of several": lambda m: then(m.backward([m.y, m.x], [m.plain, m.plain]), m.x.grad),
    "backward of none": lambda m: m.backward([]),
    "backward by the old name": lambda m: then(m.backward(m.y, grad_variables=m.plain), m.x.grad),
    "backward by both": lambda m: m.backward(m.y, m.plain, grad_variables=m.plain),
    "backward to inputs": lambda m: then(m.y.sum().backward(inputs=[m.z, m.x]), m.z.grad, m.x.grad),
    "backward to a dict": lambda m: then(m.backward(m.y.sum(), inputs={"a": m.x}), m.x.grad),
    "backward to none": lambda m: m.y.sum().backward(inputs=[]),
    "backward to a plain one": lambda m: m.y.sum().backward(inputs=[m.plain]),
    "backward twice": lambda m: then(m.y.sum().backward(), m.y.sum().backward()),
    "backward, kept": lambda m: then(
        m.y.sum().backward(retain_graph=True), m.y.sum().backward(), m.x.grad
    ),
    "a seed of another dtype": lambda m: m.grad(m.y, m.x, m.plain.double()),
    "a seed of integers": lambda m: then(m.y.backward(m.plain.long()), m.x.grad),
    "backward, created": lambda m: then(m.y.sum().backward(create_graph=True), m.x.grad),
}


@pytest.mark.parametrize("title", CASES)
def test_options_are_pytorchs(title: str) -> None:
    found = []
    for f in (torch, ng):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = shown(CASES[title](Made(f)))
            except Exception as error:  # noqa: BLE001 - their kinds and texts are compared
                result = type(error).__name__, str(error)[:40]
        texts = [str(w.message)[:40] for w in caught if "create_graph" not in str(w.message)]
        found.append((result, texts))
    assert found[0] == found[1]


def test_nodes_say_what_they_are() -> None:
    found = []
    for f in (torch, ng):
        x = f.tensor([1.0, 2.0], requires_grad=True)
        y = (x * 2).exp()
        node = y.grad_fn
        under = node.next_functions[0][0]
        leaf = under.next_functions[0][0]
        edge = f.autograd.graph.get_gradient_edge(y)
        found.append(
            [
                x.grad_fn,
                node.name(),
                under.name(),
                leaf.name(),
                leaf.variable is x,
                leaf.next_functions,
                repr(node).split(" ")[0],
                repr(leaf).split(" ")[0],
                isinstance(node, f.autograd.graph.Node),
                edge.node is node,
                edge.output_nr,
                f.autograd.graph.get_gradient_edge(x).node is leaf,
            ]
        )
        with pytest.raises(RuntimeError, match="not possible to get the gradient edge"):
            f.autograd.graph.get_gradient_edge(x.detach())
    assert found[0] == found[1]


def test_increment_version_counts_as_a_write() -> None:
    for f in (torch, ng):
        x = f.ones(2, requires_grad=True)
        y = x * 2
        z = (y * y).sum()
        f.autograd.graph.increment_version(y)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            z.backward()


def test_hooks_of_what_is_saved() -> None:
    x = ng.ones(2, requires_grad=True)
    with ng.autograd.graph.save_on_cpu(pin_memory=True):
        (x * x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [2.0, 2.0]
    with pytest.raises(NotImplementedError, match="checkpoint"):
        ng.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t)
