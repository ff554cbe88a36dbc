"""Generators: PyTorch's methods and errors; the same draws eager, compiled, restored."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.frontend.errors import ConcretizationError, TraceError
from tests.support.backends import BACKENDS

#: Calls that draw, with a generator ``g``.
DRAWS = (
    "ng.rand(3, generator=g)",
    "ng.rand((2, 2), generator=g, dtype=ng.float64)",
    "ng.randn(3, generator=g)",
    "ng.randint(9, (4,), generator=g)",
    "ng.randint(-5, 5, (4,), generator=g)",
    "ng.randint(0, 2**62, (4,), generator=g)",
    "ng.randperm(7, generator=g)",
    "ng.rand_like(ng.ones(3), generator=g)",
    "ng.randn_like(ng.ones(3), generator=g)",
    "ng.zeros(3).uniform_(generator=g)",
    "ng.zeros(3).normal_(generator=g)",
    "ng.zeros(8).bernoulli_(generator=g)",
    "ng.nn.functional.rrelu_(-ng.ones(4), training=True, generator=g)",
)


def run(draw: str, g: Any) -> Any:
    return eval(draw, {"ng": ng, "g": g})


@pytest.mark.parametrize("draw", DRAWS)
def test_a_generator_has_a_sequence_of_its_own(draw: str) -> None:
    ng.manual_seed(3)
    wanted = [run(draw, None).tolist() for _ in range(3)]
    after = ng.get_rng_state().tolist()
    g = ng.Generator().manual_seed(3)
    assert [run(draw, g).tolist() for _ in range(3)] == wanted
    assert ng.get_rng_state().tolist() == after and wanted[0] != wanted[1]
    with pytest.raises(TypeError, match="generator"):
        run(draw, 3)


@pytest.mark.parametrize(
    "text",
    [
        "g.initial_seed()",
        "g.manual_seed(7).initial_seed()",
        "g.manual_seed(-1).initial_seed()",
        "g.manual_seed(2**64 - 1).initial_seed()",
        "g.manual_seed(-2**63).initial_seed()",
        "g.manual_seed(5) is g",
        "g.manual_seed(2**64)",
        "g.manual_seed(-2**63 - 1)",
        "g.manual_seed(1.5)",
        "m.manual_seed(2**64)",
        "m.manual_seed(1.5).initial_seed()",
        "m.manual_seed('3').initial_seed()",
        "m.manual_seed(4) is m.default_generator",
        "(m.manual_seed(4), m.initial_seed())[1]",
        "str(g.device)",
        "str(m.Generator('cpu').device)",
        "m.Generator(device=None).initial_seed()",
        "m.Generator('cuda')",
        "m.Generator('no device')",
        "g.set_state(m.zeros(3))",
        "g.set_state(3)",
        "m.set_rng_state(3)",
        "g.manual_seed(9).clone_state().initial_seed()",
        "g.set_state(m.Generator().manual_seed(2).get_state()) is g",
        "g.clone_state() == g",
        "m.Generator().seed() == m.Generator().seed()",
        "m.seed() == m.initial_seed()",
        "g.seed() == g.initial_seed()",
    ],
)
def test_methods_are_pytorchs(text: str) -> None:
    results: list[Any] = []
    for m in (torch, ng):
        try:
            results.append(eval(text, {"m": m, "g": m.Generator()}))
        except (RuntimeError, TypeError, ValueError, AssertionError) as error:
            results.append(error)
    wanted, got = results
    if isinstance(wanted, Exception):
        assert isinstance(got, type(wanted) | AssertionError), got
    else:
        assert got == wanted


def test_states_are_saved_and_restored() -> None:
    g = ng.Generator().manual_seed(11)
    ng.rand(2, generator=g)
    known, twin = g.get_state(), g.clone_state()
    others = [copy.deepcopy(g), copy.copy(g), pickle.loads(pickle.dumps(g)), twin]
    wanted = ng.rand(4, generator=g).tolist()
    assert all(ng.rand(4, generator=other).tolist() == wanted for other in others)
    assert ng.rand(4, generator=g.set_state(known)).tolist() == wanted
    assert known.tolist() != g.get_state().tolist() and g.initial_seed() == 11
    with pytest.raises(RuntimeError, match=r"u32\[3\]"):
        g.set_state(ng.zeros(4, dtype=ng.uint32))


def test_large_ranges_reach_both_ends() -> None:
    g = ng.Generator().manual_seed(0)
    for low, high in ((-(2**63), 2**63), (-(2**62), 2**62), (2**60, 2**60 + 2**54)):
        drawn = ng.randint(low, high - 1, (2000,), generator=g).numpy().astype(object)
        width = high - low
        assert low <= drawn.min() < low + width // 100 and high - width // 100 < drawn.max() < high
        assert len({int(v) % 1024 for v in drawn}) > 700


HOLDERS: dict[str, Callable[[Any], Callable[[], Any]]] = {}


def holder(make: Callable[[Any], Any]) -> Any:
    HOLDERS[make.__name__] = make
    return make


@holder
def closure(g: Any) -> Any:
    return lambda: ng.rand(3, generator=g)


@holder
def attribute(g: Any) -> Any:
    owner = SimpleNamespace(g=g)
    return lambda: ng.randn(3, generator=owner.g) + ng.rand(3, generator=owner.g)


@holder
def listed(g: Any) -> Any:
    held = [g]
    return lambda: (ng.rand(3, generator=held[0]), ng.rand(3))


@holder
def restored(g: Any) -> Any:
    def step() -> Any:
        before = g.get_state()
        first = ng.rand(3, generator=g)
        g.set_state(before)
        return first, ng.rand(3, generator=g.clone_state()), ng.rand(3, generator=g)

    return step


@holder
def seeded(g: Any) -> Any:
    def step() -> Any:
        first = ng.rand(3, generator=g)
        g.manual_seed(2)
        ng.manual_seed(8)
        return first, ng.rand(3, generator=g), ng.rand(3)

    return step


@holder
def made_inside(g: Any) -> Any:
    def step() -> Any:
        own = ng.Generator().manual_seed(6)
        return ng.rand(3, generator=own), ng.rand(3, generator=own), ng.rand(3, generator=g)

    return step


def draws(step: Callable[..., Any], g: Any, *args: Any) -> Any:
    """Of three calls, with the state after them and a call after a new seed."""
    ng.manual_seed(1)
    g.manual_seed(2**40 + 1)
    found = [step(*args) for _ in range(3)]
    state = g.get_state().tolist(), ng.get_rng_state().tolist()
    g.manual_seed(77)
    found.append(step(*args))
    parts = [part.numpy() for r in found for part in (r if isinstance(r, tuple) else (r,))]
    return parts, state


def check(step: Callable[..., Any], g: Any, *args: Any) -> None:
    wanted, state = draws(step, g, *args)
    for backend in BACKENDS:
        got, after = draws(ng.compile(step, backend=backend), g, *args)
        assert after == state, backend
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=backend)


@pytest.mark.parametrize("name", HOLDERS)
def test_compiled_functions_carry_the_state(name: str) -> None:
    g = ng.Generator()
    check(HOLDERS[name](g), g)


def test_generators_as_arguments() -> None:
    g, other = ng.Generator(), ng.Generator().manual_seed(5)

    def step(g: Any, scale: float = 1.0) -> Any:
        return ng.rand(3, generator=g) * scale, ng.rand(3)

    check(step, g, g)
    compiled = ng.compile(step, backend="reference")
    g.manual_seed(5)
    first, second = compiled(g), compiled(other)
    assert first[0].tolist() == second[0].tolist()  # one trace, each with a state of its own
    with pytest.raises(RuntimeError, match="shares memory"):
        ng.compile(step, backend="reference")(ng.default_generator)


def test_what_a_compiled_function_can_not_do_is_refused() -> None:
    g = ng.Generator()
    before = g.get_state().tolist()
    with pytest.raises(TraceError, match=r"seed\(\)"):
        ng.compile(lambda: g.seed(), backend="reference")()
    with pytest.raises(TraceError, match=r"seed\(\)"):
        ng.compile(lambda: ng.seed(), backend="reference")()
    with pytest.raises(ConcretizationError, match="initial_seed"):
        ng.compile(lambda: ng.rand(g.initial_seed(), generator=g), backend="reference")()
    assert g.get_state().tolist() == before


def test_a_generator_that_leaves_the_trace() -> None:
    kept: dict[str, Any] = {}

    def step() -> Any:
        kept["g"] = ng.Generator().manual_seed(4)
        return ng.rand(2, generator=kept["g"])

    try:
        ng.compile(step, backend="reference")()
        state = kept["g"].get_state().tolist() if "g" in kept else None
    except TraceError:
        return
    assert state == [4, 0, 1]


def test_a_generator_as_the_result_is_refused() -> None:
    g = ng.Generator().manual_seed(4)
    with pytest.raises(TraceError, match=r"Generator.*get_state\(\)"):
        ng.compile(lambda: [ng.rand(2, generator=g), {"g": g}], backend="reference")()
    assert g.get_state().tolist() == [4, 0, 0]


def test_a_generator_made_in_inference_mode_goes_on_outside() -> None:
    with ng.inference_mode():
        made = ng.Generator()
        generators = [made, made.clone_state(), copy.copy(made)]
    known = ng.Generator().get_state().tolist()
    for g in generators:
        assert g.get_state().tolist() == known
        ng.rand(2, generator=g)
        g.manual_seed(3)
        assert g.get_state().tolist() == [3, 0, 0]
