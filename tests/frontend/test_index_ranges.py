"""Indices that name nothing are errors on all backends: PyTorch says which count from the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
import nngraph.nn.functional as ng_functional
from tests.frontend.parity import cases, check
from tests.support.backends import BACKENDS

#: Negative and too large indices where PyTorch may refuse them, over the operands of the parity.
EAGER = cases(r"""
    y.gather(0, g - 1)  y.gather(0, g + 1)  y.index_select(0, neg)  y.index_select(0, idx + 1)
    y.index_select(1, m.tensor(-1))  y.take(neg)  y.take(idx + 20)  m.take_along_dim(y, g - 1, 0)
    m.take_along_dim(v, m.tensor([-1]))  y.scatter(0, g - 1, p[:2])  y.scatter(0, g - 1, 1.0)
    y.scatter(0, g + 1, p[:2])  y.scatter_add(0, g - 1, p[:2])  y.index_fill(0, neg, 5.0)
    y.scatter_reduce(0, g - 1, p[:2], 'amax')  y.scatter_reduce(0, g - 1, p[:2], 'mean')
    y.index_add(0, neg, p)  y.index_copy(0, neg[:2], p[:2])  y.index_add(0, idx + 1, p)
    y.index_put((neg,), v)  y[neg]  y[idx + 1]  m.nn.functional.one_hot(idx, 2)
    m.nn.functional.one_hot(idx, 3)  m.nn.functional.one_hot(neg, 3)  m.nn.functional.one_hot(neg)
    m.nn.functional.embedding(neg, y)  m.nn.functional.embedding(idx + 1, y)
    y.clone().scatter_(0, g - 1, 1.0)  y.clone().index_add_(0, neg, p)
""")


@pytest.mark.parametrize("text", EAGER)
def test_eager(text: str) -> None:
    check(text)


#: Programs of a matrix ``x[3, 2]`` and an index ``i[1]``, which is right in 0, 1 and 2.
COMPILED = (
    "x.gather(0, i[:, None])",
    "x.index_select(0, i)",
    "x.scatter(0, i[:, None], 1.0)",
    "x.scatter_add(0, i[:, None], x[:1, :1])",
    "x.index_add(0, i, x[:1])",
    "x.index_copy(0, i, x[:1])",
    "F.one_hot(i, 3)",
    "F.embedding(i, x)",
)


def _run(library: Any, functional: Any, text: str, x: Any, i: Any) -> Any:
    return eval(text, {"m": library, "F": functional, "x": x, "i": i})


@pytest.mark.parametrize("text", COMPILED)
@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled(text: str, backend: str) -> None:
    compiled = ng.compile(lambda x, i: _run(ng, ng_functional, text, x, i), backend=backend)
    numbers = np.arange(6.0, dtype="f4").reshape(3, 2)
    for place in (0, 2):
        operands = torch.tensor(numbers), torch.tensor([place])
        wanted = _run(torch, torch.nn.functional, text, *operands)
        found = compiled(ng.tensor(numbers), ng.tensor([place]))
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())
    for place in (-1, 3):
        with pytest.raises(IndexError):
            compiled(ng.tensor(numbers), ng.tensor([place]))
