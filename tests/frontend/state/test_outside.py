"""What changes outside between two calls is seen by the next one, whatever holds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.frontend.state.outside import OUTSIDE, program
from tests.support.backends import BACKENDS

X = np.array([1.0, 2.0, 3.0], np.float32)
CALLS = 5


def results(name: str, library: Any, backend: str | None = None) -> list[list[float]]:
    step, change = program(name, library)
    code = step if backend is None else ng.compile(step, backend=backend)
    found = []
    for n in range(CALLS):
        if n:
            change(n)
        found.append(np.atleast_1d(code(library.tensor(X)).numpy()).tolist())
    return found


@pytest.mark.parametrize("name", OUTSIDE)
def test_eager(name: str) -> None:
    assert results(name, ng) == results(name, torch)


@pytest.mark.parametrize("name", OUTSIDE)
def test_compiled(name: str) -> None:
    found, wanted = results(name, ng, "reference"), results(name, torch)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert any(row != wanted[0] for row in wanted[1:]), "the change has to show"


@pytest.mark.parametrize("backend", [b for b in BACKENDS if b != "reference"])
def test_on_other_backends(backend: str) -> None:
    for name in ("array in a closure", "slots", "attribute before that of a class"):
        np.testing.assert_allclose(results(name, ng, backend), results(name, torch), rtol=1e-6)


def test_an_array_that_is_too_large_to_compare_is_named() -> None:
    table = np.ones((512, 1024), np.float32)
    step = ng.compile(lambda x: x * float(table[0, 0]), backend="reference")
    step(ng.ones(2))
    assert "'table', a ndarray of 2 MB, which are not compared: make it" in step.explain()


def test_equal_elements_are_no_change() -> None:
    table, traces = np.ones(3), 1
    step = ng.compile(lambda x: x * float(table[0]), backend="reference")
    for value in (1.0, 1.0, 2.0):
        table[:] = value
        traces += value == 2.0
        assert step(ng.ones(1)).tolist() == [value]
        assert step.explain().count("\ntrace ") == traces


@pytest.mark.parametrize(
    ("there", "write"),
    [
        (bytearray(b"abc"), "held[0] += 1"),
        (memoryview(bytearray(b"abc")), "held[0] += 1"),
        (np.ones(3), "held += 1"),
        (np.ones(3), "held[1] = 5"),
    ],
    ids=["bytes", "memory", "array", "an element"],
)
def test_elements_that_the_code_changes_are_refused(there: Any, write: str) -> None:
    space: dict[str, Any] = {"held": there}
    exec(f"def step(x):\n global held\n {write}\n return x", space)
    before = bytes(there)
    step = ng.compile(space["step"], backend="reference")
    with pytest.raises(ng.TraceError, match="changes the elements of 'held'"):
        step(ng.ones(1))
    assert bytes(there) == before


def test_what_the_code_changes_in_slots_and_subclasses_is_carried() -> None:
    class Slots:
        __slots__ = ("calls", "h")

    class Attributes(list):  # type: ignore[type-arg]
        calls: int

    def run(library: Any, compiled: bool) -> list[Any]:
        slots, listed = Slots(), Attributes()
        slots.calls = listed.calls = 0

        def step(x: Any) -> Any:
            slots.calls += 1
            listed.calls += 2
            h = slots.h if hasattr(slots, "h") else x * 0
            slots.h = (h + x).detach()
            return slots.h * slots.calls * listed.calls

        code = ng.compile(step, backend="reference") if compiled else step
        found = [code(library.ones(2) * n).tolist() for n in range(1, 5)]
        return [*found, slots.calls, listed.calls, slots.h.tolist()]

    assert run(ng, True) == run(ng, False) == run(torch, False)
