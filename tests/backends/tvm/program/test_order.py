from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nngraph.backends.tvm.program.order import Cycle, Step, order_steps, states_to_delay
from tests.support.counting import calls


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


def test_steps_stay_where_nothing_moves_them() -> None:
    steps = [
        Step((0,), (1,), overwrites=(0,)),
        Step((9,), (2,)),
        Step((1, 2), (3,)),
        Step((8,), (), checked=True),
        Step((3,), (4,)),
    ]
    assert order_steps(steps) == [1, 3, 0, 2, 4]


def test_two_overwritings_that_read_each_other_are_a_cycle() -> None:
    steps = [Step((0, 1), (2,), overwrites=(0,)), Step((0, 1), (3,), overwrites=(1,))]
    with pytest.raises(Cycle, match=r"\[0, 1\] wait for each other") as error:
        order_steps(steps)
    assert error.value.steps == (0, 1)
    assert states_to_delay(steps, {0: 8, 1: 4}) == {1}


def test_a_failing_step_behind_an_overwriting_is_a_cycle() -> None:
    steps = [Step((0,), (1,), overwrites=(0,)), Step((1,), (), checked=True)]
    with pytest.raises(Cycle):
        order_steps(steps)
    assert states_to_delay(steps, {0: 4}) == {0}


def test_a_step_that_may_fail_itself_does_not_overwrite() -> None:
    steps = [Step((1,), (2,), overwrites=(0,), checked=True)]
    with pytest.raises(Cycle):
        order_steps(steps)
    assert states_to_delay(steps, {0: 4}) == {0}


def test_states_that_only_wait_for_a_cycle_are_not_delayed() -> None:
    """The small state 5 is overwritten behind the cycle of 0 and 1, not on it."""
    steps = [
        Step((0, 1), (2,), overwrites=(0,)),
        Step((0, 1), (3,), overwrites=(1,)),
        Step((5, 2), (6,), overwrites=(5,)),
    ]
    assert states_to_delay(steps, {0: 80, 1: 40, 5: 1}) == {1}


def test_nothing_is_delayed_without_a_cycle() -> None:
    assert states_to_delay([Step((0,), (1,), overwrites=(0,))], {0: 4}) == set()


def test_programs_without_a_cycle_do_not_load_networkx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    assert states_to_delay([Step((0,), (1,), overwrites=(0,))], {0: 4}) == set()


def _without(steps: list[Step], delayed: set[int]) -> list[Step]:
    return [
        Step(s.reads, s.writes, tuple(o for o in s.overwrites if o not in delayed), s.checked)
        for s in steps
    ]


@st.composite
def _steps(draw: st.DrawFn, states: int = 5) -> list[Step]:
    """Each reads states and earlier results, makes one, and may overwrite states."""
    free = list(range(states))
    steps = []
    for number in range(draw(st.integers(1, 12))):
        readable = st.integers(0, states + number - 1)
        reads = draw(st.lists(readable, max_size=3))
        overwrites = draw(st.lists(st.sampled_from(free), max_size=2, unique=True)) if free else []
        free = [s for s in free if s not in overwrites]
        checked = draw(st.integers(0, 9)) == 0
        steps.append(Step(tuple(reads), (states + number,), tuple(overwrites), checked))
    return steps


def check_order(steps: list[Step], order: list[int]) -> None:
    """Runs the steps on memory whose cells know what they hold."""
    assert sorted(order) == list(range(len(steps)))
    lost: set[int] = set()
    made = set(range(5))
    for position, number in enumerate(order):
        step = steps[number]
        assert made.issuperset(step.reads)
        assert not lost.intersection(step.reads)
        made.update(step.writes)
        lost.update(step.overwrites)
        rest = [steps[i] for i in order[position:]]
        assert not (step.overwrites and any(s.checked for s in rest))


@given(_steps())
def test_delaying_leaves_an_order_in_which_nothing_is_lost(steps: list[Step]) -> None:
    delayed = states_to_delay(steps, {s: 1 + s for s in range(5)})
    check_order(_without(steps, delayed), order_steps(_without(steps, delayed)))
    if not delayed:
        return
    with pytest.raises(Cycle):
        order_steps(steps)


def _entangled(count: int) -> list[Step]:
    """Every state's update reads its neighbours' old values, in a ring."""
    return [
        Step(tuple((s + d) % count for d in (-2, -1, 0, 1, 2)), (count + s,), overwrites=(s,))
        for s in range(count)
    ]


def test_calls_grow_linearly_on_one_large_cycle() -> None:
    def work(count: int) -> int:
        steps, cost = _entangled(count), dict.fromkeys(range(count), 4)
        delayed = states_to_delay(steps, cost)
        order_steps(_without(steps, delayed))
        return calls(lambda: states_to_delay(steps, cost))

    work(8)  # imports what it needs
    small, large = work(100), work(1600)
    assert large / small < 2 * 16
