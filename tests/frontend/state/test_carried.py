"""Python's state that a step changes: the n-th compiled call is PyTorch's n-th call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.frontend.state import computed, objects, rates
from tests.frontend.state.registry import PROGRAMS, TRACES
from tests.support.backends import BACKENDS

CALLS = 6
assert computed and objects and rates, "they fill the registry"


def batch(n: int) -> np.ndarray[Any, Any]:
    return np.linspace(-1, 1 + n / 4, 12, dtype=np.float32).reshape(4, 3)


def close(got: Any, wanted: Any) -> None:
    """Structures of numbers agree: those of Python exactly, those of tensors nearly."""
    if hasattr(wanted, "tolist"):
        got, wanted = got.tolist(), wanted.tolist()
    if isinstance(wanted, list | tuple):
        assert len(got) == len(wanted)
        for g, w in zip(got, wanted, strict=True):
            close(g, w)
    elif isinstance(wanted, dict):
        assert list(got) == list(wanted)
        close(list(got.values()), list(wanted.values()))
    elif isinstance(wanted, float):
        assert type(got) is float
        assert got == pytest.approx(wanted, rel=2e-6, abs=2e-7)
    else:
        assert (type(got), got) == (type(wanted), wanted)


def wanted(name: str, calls: int = CALLS) -> list[Any]:
    step, look = PROGRAMS[name](torch)
    found = []
    for n in range(calls):
        result = step(torch.tensor(batch(n)))
        found.append((result.detach().clone() if hasattr(result, "detach") else result, look()))
    return found


def follows(name: str, step: Any, look: Any) -> None:
    for n, (result, state) in enumerate(wanted(name)):
        close(step(ng.tensor(batch(n))), result)
        close(look(), state)


@pytest.mark.parametrize("name", PROGRAMS)
def test_eager_calls_are_pytorchs(name: str) -> None:
    step, look = PROGRAMS[name](ng)
    for n, (result, state) in enumerate(wanted(name)):
        found = step(ng.tensor(batch(n)))
        close(found.detach() if hasattr(found, "detach") else found, result)
        close(look(), state)


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_calls_are_pytorchs(name: str, backend: str) -> None:
    step, look = PROGRAMS[name](ng)
    fast = ng.compile(step, backend=backend)
    follows(name, fast, look)
    assert fast.explain().count("\ntrace ") == TRACES[name], fast.explain()
