"""Programs that run with PyTorch and with nngraph, and what they give, side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import nngraph as ng
from nngraph.frontend.pytree import flatten
from tests.support.tolerances import assert_close

#: Functions of a library and of tensors.
Program = Callable[..., Any]

RNG = np.random.default_rng(7)
ARRAYS = {
    "A": RNG.standard_normal((3, 4)).astype(np.float32),
    "B": RNG.standard_normal(4).astype(np.float32),
    "C": RNG.standard_normal((3, 4, 2)).astype(np.float32),
}


def leaves(nest: Any) -> list[Any]:
    found: list[Any] = []
    flatten(nest, found)
    return found


def tensors(f: Any, requires_grad: bool = False) -> dict[str, Any]:
    return {k: f.tensor(a.tolist(), requires_grad=requires_grad) for k, a in ARRAYS.items()}


def agree(got: Any, wanted: Any, note: str, flags: bool = True) -> None:
    """The same structure and, within the tolerances, the same numbers."""
    assert type(got) is type(wanted) or isinstance(got, ng.Tensor), note
    mine, others = leaves(got), leaves(wanted)
    assert len(mine) == len(others), note
    for a, b in zip(mine, others, strict=True):
        if not isinstance(b, torch.Tensor):
            assert a == b, note
            continue
        assert_close(a.detach().numpy(), b.detach().numpy(), note, scale=20)
        assert not flags or a.requires_grad == b.requires_grad, note


def compare(program: Program, note: str) -> None:
    """Eager code: values, structure, and whether gradients are required."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = program(torch, **tensors(torch))
    agree(program(ng, **tensors(ng)), wanted, note)


def compiled(program: Program, backend: str, note: str) -> None:
    """Compiled code: the values."""

    @ng.compile(backend=backend)
    def step(A: Any, B: Any, C: Any) -> Any:
        return program(ng, A, B, C)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = program(torch, **tensors(torch))
    agree(step(**tensors(ng)), wanted, note, flags=False)
