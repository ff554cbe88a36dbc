from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nngraph.backends.arrays import ALIGNMENT
from nngraph.backends.tvm.program.memory import Cycle, Step, lifetimes, order_steps, plan_arena


def test_an_overwriting_comes_after_every_reader_of_the_old_value() -> None:
    steps = [
        Step(reads=(0,), writes=(1,)),
        Step(reads=(1,), writes=(2,), overwrites=(0,)),
        Step(reads=(0,), writes=(3,)),
    ]
    assert order_steps(steps) == [0, 2, 1]


def test_an_overwriting_comes_after_every_step_that_may_fail() -> None:
    steps = [Step((0,), (1,), overwrites=(0,)), Step((2,), (), checked=True)]
    assert order_steps(steps) == [1, 0]


def test_two_overwritings_that_read_each_other_are_a_cycle() -> None:
    steps = [Step((0, 1), (2,), overwrites=(0,)), Step((0, 1), (3,), overwrites=(1,))]
    with pytest.raises(Cycle) as error:
        order_steps(steps)
    assert error.value.steps == (0, 1)


def test_a_failing_step_behind_an_overwriting_is_a_cycle() -> None:
    steps = [Step((0,), (1,), overwrites=(0,)), Step((1,), (), checked=True)]
    with pytest.raises(Cycle):
        order_steps(steps)


def test_lifetimes() -> None:
    steps = [Step((), (1,)), Step((1,), (2,)), Step((2,), (3,)), Step((1,), (4,))]
    assert lifetimes(steps, [1, 2]) == {1: (0, 3), 2: (1, 2)}


def test_memory_of_what_is_dead_is_used_again() -> None:
    plan = plan_arena({0: 100, 1: 100, 2: 100}, {0: (0, 1), 1: (1, 2), 2: (2, 3)})
    assert plan.size == 2 * 128
    assert plan.offsets[0] == plan.offsets[2]


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 9), st.integers(0, 5)), max_size=12))
def test_what_lives_at_once_does_not_overlap(rows: list[tuple[int, int, int]]) -> None:
    sizes = {i: size for i, (size, _, _) in enumerate(rows)}
    alive = {i: (first, first + length) for i, (_, first, length) in enumerate(rows)}
    plan = plan_arena(sizes, alive)
    for i, offset in plan.offsets.items():
        assert offset % ALIGNMENT == 0 and offset + sizes[i] <= plan.size
        for j, other in plan.offsets.items():
            together = alive[i][0] <= alive[j][1] and alive[j][0] <= alive[i][1]
            if i < j and together:
                assert offset + sizes[i] <= other or other + sizes[j] <= offset
