"""Sizes that are known only when the graph runs: in arithmetic, as arguments, in questions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nngraph as ng
import nngraph.nn.functional as F
from nngraph.backends import get_backend
from nngraph.backends.base import Target
from nngraph.backends.build import build
from nngraph.frontend.errors import TraceError
from tests.frontend.parity import cases
from tests.support.dynamic import check, value_of

X = {"x": ("n", 3)}

ARITHMETIC = cases(r"""
    x * x.shape[0]  x.shape[0] * 2 // 3 * x  x.sum() - x.numel()  x.numel() * x  x.shape.numel() + x
    x.mean() * x.size(0)  x / (x.shape[0] + 1) ** 0.5  2.0 ** x.shape[0] * x  x.shape[0] % 2 + x
    x.shape[0] ** 2 - x  -x.shape[0] + x  abs(x.shape[0] - 3) * x  divmod(x.shape[0], 2)[1] * x
    x.pow(2).sum() / m.sym_max(x.shape[0], 1)  (x == x.shape[0]).sum()  x.clamp(max=x.shape[0])
    x.sum() / x.shape[0]  x.double() * (x.shape[0] / 7)  x.where(x > 0, x.shape[0])
    m.maximum(x, m.zeros(x.shape[0], 1))  1 / (x.shape[0] + 1) * x  (x.shape[0] + 1) // -2 * x
""")

CREATION = cases(r"""
    m.full((x.shape[0],), 2.5)  m.full((2,), x.shape[0])  m.zeros(x.shape[0], 2)  m.ones(x.shape)
    m.zeros((x.shape[0] // 2, 1))  m.empty(x.shape[0]).shape[0] + x  m.full_like(x, 2)
    m.arange(x.shape[0])  m.arange(1, x.shape[0] + 1, 2)  m.arange(x.shape[0], 0, -1)
    m.arange(x.shape[0], dtype=m.float32)  m.linspace(0, 1, x.shape[0])  m.eye(x.shape[0])
    m.eye(2, x.shape[0])  m.tensor(x.shape[0])  m.tensor([x.shape[0], 2])  x.new_zeros(x.shape[0])
    x.new_full((2, x.shape[0]), 1.5)  m.zeros(3).expand(x.shape[0], 3)  m.zeros_like(x)
    F.one_hot(m.arange(x.shape[0]) % 3, 3)  m.rand_like(x) * 0  m.randn(x.shape[0], 2).shape[0] + x
    m.tril(m.ones(x.shape[0], x.shape[0]))  m.triu(m.ones(x.shape[0], 4), 1)
    m.meshgrid(m.arange(x.shape[0]), m.arange(2), indexing='ij')  m.randperm(x.shape[0]).sort()[0]
""")

SHAPES = cases(r"""
    x.reshape(-1)  x.reshape(x.shape[0] * 3)  x.view(-1, 1, 3)  x.flatten()  x.unflatten(1, (3, 1))
    x.repeat(2, 2)  x.repeat(x.shape[0], 1)  x.tile(2, 1)  x.repeat_interleave(2, 0)
    x.repeat_interleave(x.shape[0], 1)  x.roll(1, 0)  x.roll(-2, 0)  x.roll(1)
    x.roll(x.shape[0], 1)
    x.flip(0)  x.tensor_split(3)  x.tensor_split((1, 3))  x.split([1, x.shape[0] - 1])
    x.split((x.shape[0] // 2, x.shape[0] - x.shape[0] // 2))
    x.narrow(0, 0, m.sym_min(x.shape[0], 2))
    m.cat([x, x[1:], x])  m.stack([x, x * 2])  x.T @ x  x @ x.T  m.einsum('ij,ik->jk', x, x)
    x.unsqueeze(0).expand(2, -1, -1)  x.squeeze(1)  x.unsqueeze(1).squeeze(1)
    F.pad(x, (1, 2, 0, 3))
    x.topk(1, 1)  x.topk(x.shape[0], 0)  x.sort(0)  x.cumsum(0)
    x.gather(0, m.zeros(x.shape, dtype=m.int64))  x.index_select(0, m.arange(x.shape[0]))
    x.scatter_add(0, m.zeros(x.shape, dtype=m.int64), x)  x.masked_fill(x > 0, 0)
    x.any(0)  x.all(0)
    x.var(0)  x.var()  x.std(0)  x.var(0, correction=0)  x.softmax(0)  x.mean(0)  x.norm(2, 0)
    F.layer_norm(x, x.shape)  F.layer_norm(x, (3,))  F.normalize(x, dim=0)  F.glu(m.cat([x, x]), 0)
""")

REFUSED = cases(r"""
    1 if x.shape[0] > 3 else 2  1 if x.shape[0] == 1 else 2  1 if x.shape[0] != 4 else 2
    1 if x.shape[0] else 2  [row for row in x]  list(range(x.shape[0]))  int(x.shape[0])  len(x)
    float(x.shape[0])  max(x.shape[0], 1)  x.split(2)  x.chunk(2)  x.unbind()  x.squeeze()
    x.squeeze(0)  [0] * x.shape[0]  x.shape == (2, 3)  x.shape[0] in (1, 2)  x.diagonal()
    x.trace()  m.randint(0, x.shape[0], (2,))  m.arange(1, x.shape[0])  x.prod(0)
    m.arange(0, x.shape[0], 0.5)  np.zeros(x.shape[0])  F.pad(x, (1, x.shape[0]))  x.cumprod(0)
""")


@pytest.mark.parametrize("text", [*ARITHMETIC, *CREATION, *SHAPES])
def test_every_size(text: str) -> None:
    check(text, X)


def _refuse(text: str) -> Any:
    def function(x: Any) -> Any:
        leaf = x.clone().requires_grad_()
        out = value_of(ng, text, {"x": leaf * 1, "np": np})
        if isinstance(out, ng.Tensor) and out.requires_grad:
            out.sum().backward()
        return x

    return function


@pytest.mark.parametrize("text", REFUSED)
def test_what_needs_the_number_names_the_line(text: str) -> None:
    with pytest.raises(
        TraceError, match=r"dynamic size .*\bn\b[\s\S]*(<string>:1|sizes.py)[\s\S]*ng\.spec"
    ):
        ng.trace(_refuse(text), ng.spec(("n", 3)))


def test_answers_that_hold_for_all_sizes_are_given() -> None:
    seen = []

    def function(x: Any, y: Any) -> Any:
        n, k = x.shape[0], y.shape[0]
        assert n >= 0 and n > -1 and n + 1 > n and n != -1 and n == x.shape[0] and n + 1
        assert not (n < 0) and n <= n + k and x.shape[1:] == (3,)
        assert (n // 2) <= n and n - n // 2 >= 0 and x[:2].shape[0] <= 2 and hash(n) == hash(n + 0)
        assert {n: 1}[x.shape[0]] == 1 and (n * 2) % 2 == 0 and x.shape == x.shape
        assert f"{n} of {k}, {x.shape}" == "n of k, nngraph.Size([n, 3])"
        with pytest.raises(TraceError, match="n == k depends on the dynamic size n,"):
            seen.append(n == k)
        with pytest.raises(TraceError, match="a quotient of n by k"):
            seen.append(n // k)
        return x

    ng.trace(function, ng.spec(("n", 3)), ng.spec(("k", 3)))
    assert not seen


@pytest.mark.parametrize("backend", ["reference", "onnx"])
def test_a_size_that_is_returned(backend: str) -> None:
    graph = ng.trace(lambda x: (x.shape[0], x[::2].shape[0]), ng.spec(("n", 3)))
    built = build(get_backend(backend), graph, Target(backend))
    for rows in (0, 1, 6):
        found, _ = built.executable.run([np.zeros((rows, 3), "f4")], [], [])
        assert [int(v) for v in found] == [rows, (rows + 1) // 2]


def test_misfits_of_sizes_are_refused() -> None:
    for text, words in (
        ("x + m.ones(5, 3)", "n against 5"),
        ("x + m.ones(5, 1)", "n against 5"),
        ("x.expand(5, 3)", "broadcastable"),
        ("x.reshape(5, 3)", "invalid for input"),
        ("x.view(2, -1)", r"of 3\*n elements"),
    ):
        with pytest.raises(RuntimeError, match=words):
            ng.trace(lambda x, text=text: value_of(ng, text, {"x": x}), ng.spec(("n", 3)))
    with pytest.raises(RuntimeError, match="n against k"):
        ng.trace(lambda x, y: x + y, ng.spec(("n", 3)), ng.spec(("k", 3)))
    with pytest.raises(ValueError, match=r"batch_size \(n\) to match target batch_size \(k\)"):
        ng.trace(lambda x, y: F.cross_entropy(x, y), ng.spec(("n", 3)), ng.spec(("k",), "int64"))
