"""Random programs of views, assignments and detached handles: values and gradients as PyTorch."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng

SEEDS = range(40)
PARTS = {
    "rotate": lambda t: t.permute(*[*range(1, t.ndim), 0]),
    "rows": lambda t: t[1:] if t.shape[0] > 1 else t[:],
    "step": lambda t: t[..., ::2],
    "pick": lambda t: t[-1] if t.ndim > 1 else t[:],
    "reshape": lambda t: t.reshape(-1),
    "unsqueeze": lambda t: t.unsqueeze(-1),
}
# Results that no record tells of: the tape has to read what each operator saw.
KNOWN = (
    [("pow", 0, 2.0), ("quiet", 0, 0.5), ("copy", 0, 0), ("detach", 0, 0.0), ("quiet", 1, 3.0)],
    [("mul", 0, -2.0), ("data", 0, 0.5), ("pow", 1, 2.0), ("copy", 1, 1), ("quiet", 0, 0.5)],
    [("copy", 1, 0), ("clone", 0, 0.0), ("view", 1, "step"), ("data", 0, 3.0), ("mul", 3, -2.0)],
)


def random_program(seed: int) -> list[tuple[Any, ...]]:
    """Instructions on handles: (what, handle, argument)."""
    chosen, out, count = random.Random(seed), [], 2
    for _ in range(chosen.randint(4, 10)):
        what = chosen.choice(
            ["view", "view", "mul", "add", "pow", "copy", "detach", "quiet", "data", "clone"]
        )
        argument: Any = chosen.choice([-2.0, 0.5, 3.0])
        if what == "view":
            argument = chosen.choice([*PARTS])
        if what in ("add", "copy"):
            argument = chosen.randrange(count)
        out.append((what, chosen.randrange(count), argument))
        count += what in ("view", "detach", "clone")
    return out


def run(library: Any, program: Any, w: Any, buffer: Any) -> list[Any]:
    """Values of all handles, and the gradient of the sum of their squares."""
    handles = [w * 2, buffer]
    for what, place, argument in program:
        t = handles[place]
        if what == "view":
            handles.append(PARTS[argument](t))
        elif what == "detach":
            handles.append(t.detach())
        elif what == "clone":
            handles.append(t * 1.5)
        elif what == "mul":
            t.mul_(argument)
        elif what == "pow":
            t.pow_(2)
        elif what == "quiet":
            with library.no_grad():
                t.add_(argument)
        elif what == "data":
            t.data.mul_(argument)
        else:
            other = handles[argument]
            fits = tuple(other.shape) == tuple(t.shape)
            other = other if fits else other.sum().expand(*t.shape)
            _ = t.add_(other) if what == "add" else t.copy_(other)
    values = [h.detach() * 1 for h in handles]
    sum((h * h).sum() for h in handles).backward()
    return [*values, w.grad * 1]


def outcome(library: Any, program: Any, compiled: bool = False) -> Any:
    w = library.tensor(np.arange(1, 13, dtype=np.float32).reshape(3, 4) / 6)
    buffer = library.tensor(np.full((3, 4), 1.25, np.float32))
    w.requires_grad_()

    def call() -> list[Any]:
        return run(library, program, w, buffer)

    found = ng.compile(call, backend="reference")() if compiled else call()
    return [t.detach().numpy() for t in (*found, buffer)]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("program", [*KNOWN, *map(random_program, SEEDS)])
def test_values_and_gradients(program: Any, compiled: bool) -> None:
    try:
        wanted = outcome(torch, program)
    except RuntimeError as error:
        assert "modified by an inplace" in str(error)
        pytest.skip("PyTorch refuses it")
    for got, want in zip(outcome(ng, program, compiled), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
