"""``nngraph.testing.assert_close``, beside PyTorch's: the same text, but for names of types."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng

NAN, INF = float("nan"), float("inf")
TEXTS = """
    x, x + 1e-7
    x, x + 1
    x, x.double()
    x, x.double(), check_dtype=False
    x, x.double() + 1e-6, check_dtype=False
    x, x[:2]
    1.0, 1.0
    1, 1.0
    1, 1.0, check_dtype=False
    1, 2
    1.0, 1.1
    True, True
    True, False
    [x, x], [x, x + 1]
    [x, x], [x]
    [x, [x, x]], [x, [x, x + 1]]
    {'a': x}, {'a': x + 1}
    {'a': x}, {'b': x}
    {'a': x, 'b': i}, {'b': i, 'a': x}
    x, [1.0, 2.0, 3.0]
    x, np.array([1.0, 2.0, 3.0], 'f4')
    np.ones(2), np.ones(2)
    np.ones(2), np.zeros(2)
    x, m.tensor([1.0, 2.0, NAN])
    m.tensor([NAN]), m.tensor([NAN])
    m.tensor([NAN]), m.tensor([NAN]), equal_nan=True
    i, i + 1
    x, x + 1, rtol=1
    x, x + 1, atol=1
    x, x + 1, rtol=1, atol=0
    x, x + 1, atol=2, rtol=0
    x, x + 1, atol=0.5, rtol=0.1
    x, x + 1, msg='hello'
    x, x + 1, msg=lambda t: 'M:' + t[:20]
    None, None
    None, x
    'a', 'a'
    m.tensor(INF), m.tensor(INF)
    m.tensor(INF), m.tensor(-INF)
    m.tensor(2.0), m.tensor(INF)
    x, x.clone().requires_grad_()
    m.ones(2, 2), m.ones(2, 2).t()
    m.ones(2, 2), m.ones(2, 2).t(), check_stride=True
    m.zeros(0), m.zeros(0)
    m.tensor(1.0), 1.0
    NAN, NAN
    NAN, NAN, equal_nan=True
    INF, INF
    INF, 1.0
    [1.0, 2.0], (1.0, 2.0)
    m.nn.Parameter(x), x
    m.nn.Parameter(x), x, allow_subclasses=False
    m.tensor([True]), m.tensor([False])
    m.ones(3, 4), m.ones(3, 4) * m.tensor([1, 1, 1, 2.0])
    [], []
    'a', x
    x.half(), x.half() + 0.001
    x.half(), x.half() + 0.1
    x.bfloat16(), x.bfloat16() * 1.01
    x.double(), x.double() + 1e-6
    m.tensor(1.0), m.tensor(2.0)
    m.zeros(2), m.tensor([0, 1e-5])
    m.zeros(2), m.tensor([0, 1.1e-5])
"""


def outcome(library: Any, text: str) -> tuple[str, str]:
    scope = {"m": library, "np": np, "NAN": NAN, "INF": INF, "i": library.arange(3)}
    scope["x"] = library.tensor([1.0, 2.0, 3.0])
    try:
        eval(f"m.testing.assert_close({text})", scope)
    except Exception as error:  # noqa: BLE001 - its kind is compared
        said = re.sub(r"nngraph\.(frontend\.tensor\.|nn\.parameter\.)?", "torch.", str(error))
        said = said.replace("torch.nn.parameter.", "torch.")
        said = re.sub(r"difference: (\d+)(?=[ \n]|$)", r"difference: \1.0", said)  # of integers
        return type(error).__name__, said
    return "", ""


@pytest.mark.parametrize("text", [line.strip() for line in TEXTS.strip().splitlines()])
def test_as_in_pytorch(text: str) -> None:
    assert outcome(ng, text) == outcome(torch, text)


def test_negative_tolerances_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        ng.testing.assert_close(ng.ones(2), ng.ones(2), rtol=-1, atol=0)


def test_numbers_of_other_types_differ() -> None:
    with pytest.raises(AssertionError, match="types do not match"):
        ng.testing.assert_close(True, 1)
