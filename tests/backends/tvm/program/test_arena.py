from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nngraph.backends.arrays import ALIGNMENT
from nngraph.backends.tvm.program.arena import Arena, Span, lifetimes, plan_arena
from nngraph.backends.tvm.program.order import Step
from tests.support.counting import calls


def test_lifetimes() -> None:
    steps = [Step((), (1,)), Step((1,), (2,)), Step((2,), (3,)), Step((1,), (4,))]
    assert lifetimes(steps, [1, 2]) == {1: (0, 3), 2: (1, 2)}


@pytest.mark.parametrize("fitted", [512, 1, 0])
def test_memory_of_what_is_dead_is_used_again(fitted: int) -> None:
    sizes = {0: 100, 1: 100, 2: 100}
    plan = plan_arena(sizes, {0: (0, 1), 1: (1, 2), 2: (2, 3)}, fitted)
    assert plan.size == 2 * 128
    assert plan.offsets[0] == plan.offsets[2]


def test_neighbours_that_are_free_become_one_gap() -> None:
    sizes = {0: 64, 1: 64, 2: 64, 3: 128}
    plan = plan_arena(sizes, {0: (0, 1), 1: (0, 2), 2: (0, 9), 3: (3, 4)}, fitted=0)
    assert plan.size == 3 * 64


def check_arena(plan: Arena, sizes: dict[int, int], alive: dict[int, Span]) -> None:
    """What lives at one time lies apart."""
    for i, offset in plan.offsets.items():
        assert offset % ALIGNMENT == 0 and offset + sizes[i] <= plan.size
        for j, other in plan.offsets.items():
            together = alive[i][0] <= alive[j][1] and alive[j][0] <= alive[i][1]
            if i < j and together:
                assert offset + sizes[i] <= other or other + sizes[j] <= offset


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 9), st.integers(0, 5)), max_size=12),
    st.sampled_from((512, 4, 0)),
)
def test_what_lives_at_once_does_not_overlap(rows: list[tuple[int, int, int]], fitted: int) -> None:
    sizes = {i: size for i, (size, _, _) in enumerate(rows)}
    alive = {i: (first, first + length) for i, (_, first, length) in enumerate(rows)}
    check_arena(plan_arena(sizes, alive, fitted), sizes, alive)


def _layers(count: int) -> tuple[dict[int, int], dict[int, Span]]:
    """Activations that wait for the backward pass, and gradients that live for one step of it."""
    sizes = {i: 640 * (1 + i % 3) for i in range(2 * count)}
    waits = {i: (i, 2 * count - 1 - i) for i in range(count)}
    passes = {i: (i, i + 1) for i in range(count, 2 * count)}
    return sizes, {**waits, **passes}


def test_many_storages_take_little_more_than_what_lives_at_once() -> None:
    sizes, alive = _layers(1000)
    changes = [(first, sizes[s]) for s, (first, _) in alive.items()]
    changes += [(last + 0.5, -sizes[s]) for s, (_, last) in alive.items()]
    most = max(itertools.accumulate(size for _, size in sorted(changes)))
    plan = plan_arena(sizes, alive)
    check_arena(plan, sizes, alive)
    assert plan.size <= 1.1 * most


def test_calls_grow_linearly() -> None:
    def work(count: int) -> int:
        sizes, alive = _layers(count)
        return calls(lambda: plan_arena(sizes, alive))

    assert work(4800) / work(1200) < 1.1 * 4
