"""Random programs do what they do with PyTorch, eagerly and compiled by every backend.

The share that the suite has time for; ``python -m tests.support.programs`` runs thousands.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS
from tests.support.programs.generate import generate
from tests.support.programs.program import Program
from tests.support.programs.run import run
from tests.support.programs.search import examine

# Seeds of the suite's share: eager code runs more programs than there is time to compile.
EAGER = range(120)
COMPILED = range(30)


def check(seed: int, *backends: str) -> None:
    """No difference; a refusal is none, since it changed nothing."""
    finding = examine(generate(seed), backends)
    if finding is not None and not finding.difference.refused:
        pytest.fail(f"seed {seed}\n{finding.shrunk()}")


@pytest.mark.parametrize("first", EAGER[::40])
def test_eager_programs(first: int) -> None:
    for seed in range(first, first + 40):
        check(seed, "eager")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("first", COMPILED[::10])
def test_compiled_programs(first: int, backend: str) -> None:
    for seed in range(first, first + 10):
        check(seed, backend)


PROGRAM = Program(
    setup=("w0 = torch.tensor([1.0, -2.0], requires_grad=True)", "s0 = torch.tensor([1, 2])"),
    parameters=("x0",),
    body=("t1 = x0 * w0", "t2 = s0 + 1", "t3 = t1.sigmoid()", "t3.sum().backward()"),
    results=("t1", "t2", "t3"),
    calls=("r0 = step(w0.detach())", "r1 = step(w0.detach())"),
)


def test_a_wrong_function_is_found_and_the_program_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    assert examine(PROGRAM, ("eager",)) is None
    monkeypatch.setattr(ng.Tensor, "sigmoid", lambda x: x.tanh())
    finding = examine(PROGRAM, ("eager",))
    assert finding is not None
    program = finding.shrunk().program
    assert program.body == ("t1 = x0 * w0", "t3 = t1.sigmoid()", "t3.sum().backward()")
    assert (len(program.setup), len(program.results), len(program.calls)) == (1, 1, 1)


def test_a_wrong_error_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program((), ("x0",), ("t1 = x0.reshape(5)",), ("t1",), ("r0 = step(torch.ones(2))",))
    assert examine(program, ("eager", "reference")) is None
    monkeypatch.setattr(ng.Tensor, "reshape", lambda x, *size: x.wrong)
    finding = examine(program, ("eager",))
    assert finding is not None and "AttributeError for RuntimeError" in finding.difference.kind


def test_what_rounding_decides_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    body = ("t1 = (x0 * 0.1 * 10 - x0).sign()", "t2 = (x0 * 0.5 * 2 - x0).sign()")
    call = "r0 = step(torch.tensor([0.7, 3.3, 0.83]))"
    program = Program((), ("x0",), body, ("t1", "t2"), (call,))
    monkeypatch.setattr(ng.Tensor, "sign", lambda x: x * 0 - 1)
    finding = examine(program, ("eager",))
    assert finding is not None and "r0.t2" in finding.difference.text


FOUND = (
    # Bools that are added where they meet.
    Program(
        ("x0 = torch.tensor([2.75, -2.0, 2.5, -1.0, 0.75])",),
        ("x0",),
        ("t1 = x0 <= 1.0", "t2 = t1.scatter_add(0, torch.tensor([2, 2, 1, 0, 0]), t1)"),
        ("t2",),
        ("r0 = step(x0)",),
    ),
)


@pytest.mark.parametrize("program", FOUND)
@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
def test_what_was_found(program: Program, backend: str) -> None:
    assert examine(program, (backend,)) is None


def test_a_program_is_text_that_runs() -> None:
    assert generate(3) == generate(3)
    for library, backend in ((torch, None), (ng, "reference")):
        space: dict[str, Any] = {}
        exec(PROGRAM.text(backend), space)
        trail = run(PROGRAM, library, backend or "eager")
        found = space["r1"]["t3"][0].detach().numpy()
        np.testing.assert_array_equal(found, trail.looks[-1]["r1.t3.0"][1])
