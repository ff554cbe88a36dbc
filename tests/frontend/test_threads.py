"""Several threads: calls that share state lose nothing, those that do not run side by side."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import nngraph as ng
from nngraph.runtime import locks
from nngraph.runtime.locks import Partner
from tests.support.backends import BACKENDS
from tests.support.training import count_traces

TURNS = 300


def together(*jobs: Callable[[], Any]) -> None:
    """Runs jobs in a thread each, all started at once; raises what one of them raised."""
    ready = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> None:
        ready.wait(30)
        job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(run, job) for job in jobs]:
            done.result(timeout=120)


def repeat(function: Callable[..., Any], *args: Any, turns: int = TURNS) -> Callable[[], None]:
    def job() -> None:
        for _ in range(turns):
            function(*args)

    return job


@pytest.fixture(autouse=True)
def short_turns() -> Any:
    """Threads change as often as they can."""
    import sys

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("backend", BACKENDS)
def test_updates_of_two_functions_are_all_there(backend: str) -> None:
    count = ng.zeros(3, dtype=ng.int64)
    other = ng.zeros(2, dtype=ng.int64)

    @ng.compile(backend=backend, threads=1)
    def by_one(x: Any) -> Any:
        count.add_(x)
        return count.sum()

    @ng.compile(backend=backend, threads=1)
    def by_ten(x: Any) -> Any:
        other.add_(1)
        count.add_(x * 10)
        return other.sum()

    one = ng.ones(3, dtype=ng.int64)
    jobs = [repeat(by_one, one), repeat(by_ten, one), repeat(by_one, one), repeat(by_ten, one)]
    together(*jobs)
    assert count.tolist() == [22 * TURNS] * 3
    assert other.tolist() == [2 * TURNS] * 2
    assert count_traces(by_one) == count_traces(by_ten) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_of_one_function_belong_to_their_call(backend: str) -> None:
    double = ng.compile(lambda x: (x * 2, x.sum()), backend=backend, threads=1)

    def job(value: float) -> Callable[[], None]:
        def run() -> None:
            x = ng.full((64,), value)
            for _ in range(TURNS // 3):
                twice, total = double(x)
                assert twice.tolist() == [2 * value] * 64
                assert total.item() == 64 * value

        return run

    together(*[job(float(k)) for k in range(4)])
    assert count_traces(double) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_of_two_functions_accumulate(backend: str) -> None:
    w = ng.zeros(2, dtype=ng.float64, requires_grad=True)

    def grow(x: Any) -> None:
        (w * x).sum().backward()

    first = ng.compile(grow, backend=backend, threads=1)
    second = ng.compile(lambda x: grow(2 * x), backend=backend, threads=1)
    x = ng.ones(2, dtype=ng.float64)
    first(x)
    together(repeat(first, x), repeat(second, x))
    assert w.grad.tolist() == [3 * TURNS + 1] * 2


def test_steps_of_one_optimizer_are_all_counted() -> None:
    model = ng.nn.Linear(2, 1)
    optimizer = ng.optim.Adam(model.parameters(), lr=1e-3)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss

    steps = [ng.compile(step, backend="reference") for _ in range(2)]
    x = ng.ones(3, 2)
    together(*[repeat(f, x, turns=40) for f in (*steps, *steps)])
    assert optimizer.state[model.weight]["step"].item() == 160
    # Where both were traced before the first call of either, the state of one came to nothing.
    assert sorted(count_traces(f) for f in steps) in ([1, 1], [1, 2])


def test_a_mode_switched_in_another_thread_is_seen_by_whole_calls() -> None:
    model = ng.nn.Dropout(1.0)
    count = ng.zeros(())
    look = ng.compile(lambda x: (count.add_(1), model(x))[1], backend="reference")
    x = ng.ones(4)
    seen: set[float] = set()
    together(
        lambda: [model.train(k % 2 == 0) for k in range(TURNS)],
        lambda: [seen.add(look(x).sum().item()) for _ in range(TURNS)],
    )
    assert seen <= {0.0, 4.0}
    assert count.item() == TURNS


def test_eager_writes_between_calls_count() -> None:
    w = ng.zeros(2)
    read = ng.compile(lambda x: w * x, backend="onnx", threads=1)
    turn = threading.Semaphore(0)
    done = threading.Semaphore(0)

    def write() -> None:
        for k in range(50):
            turn.acquire()
            w.fill_(k)
            done.release()

    def call() -> None:
        for k in range(50):
            turn.release()
            done.acquire()
            assert read(ng.ones(2)).tolist() == [k, k]

    together(write, call)


def test_a_compiled_function_in_another_that_is_traced_in_each_of_two_threads() -> None:
    total = ng.zeros(1)

    @ng.compile(backend="reference")
    def add(x: Any) -> Any:
        total.add_(x)
        return x + 1

    first = ng.compile(lambda x: add(add(x)), backend="reference")
    second = ng.compile(lambda x: add(x) * 2, backend="reference")
    x = ng.zeros(1)
    together(repeat(first, x, turns=50), repeat(second, x, turns=50), repeat(add, x + 1, turns=50))
    assert total.item() == 100


def test_what_shares_nothing_runs_side_by_side() -> None:
    """One call waits, inside, for calls of other functions to end."""
    entered, go = threading.Event(), threading.Event()
    w, v = ng.zeros(1), ng.zeros(1)
    rule = ng.optim.SGD([ng.zeros(1, requires_grad=True)], lr=1.0)

    class Slow(float):
        def __float__(self) -> float:
            entered.set()
            assert go.wait(30)
            return 1.0

    def step() -> None:
        w.sub_(ng.frontend.host.host_number(rule.param_groups[0], "lr"))

    waits = ng.compile(step, backend="reference")
    waits()
    free = ng.compile(lambda: v.add_(1), backend="reference")
    both = ng.compile(lambda: v + w, backend="reference")
    reads = ng.compile(lambda: v * 1, backend="reference")
    free()
    reads()
    both()
    rule.param_groups[0]["lr"] = Slow()
    out: list[Any] = []

    def others() -> None:
        assert entered.wait(30)
        free()
        out.append(reads().item())
        go.set()
        out.append(both().item())  # shares a state with the call that waits: only after it

    together(waits, others)
    assert out == [2.0, 0.0]


def test_no_call_runs_while_another_thread_traces() -> None:
    model = ng.nn.Dropout(1.0)
    w = ng.zeros(1)
    slow = ng.compile(lambda: w.add_(1), backend="reference")
    slow()
    traced, go = threading.Event(), threading.Event()
    order: queue.SimpleQueue[str] = queue.SimpleQueue()  # no trace takes back what is put there

    def step(x: Any) -> Any:
        traced.set()
        assert go.wait(30)
        order.put("traced")
        return model(x)

    def call() -> None:
        assert traced.wait(30)
        threading.Timer(0.05, go.set).start()
        slow()
        order.put("called")

    together(lambda: ng.compile(step, backend="reference")(ng.ones(1)), call)
    assert [order.get(), order.get()] == ["traced", "called"]
    assert w.item() == 2


def shared(one: Partner, other: Partner) -> int:
    return len(set(one.shared) & set(other.shared))


def test_only_places_that_one_writes_and_another_meets_have_locks() -> None:
    reader, other = Partner(["a"], []), Partner(["a"], [])
    assert not shared(reader, other)
    writer = Partner(["b"], ["a", "c", "d"])
    assert shared(reader, other) == shared(reader, writer) == 1
    late = Partner(["b"], [])
    assert not shared(late, writer)
    assert len(writer.shared) == 1
    between = Partner(["c", "d"], ["e"])
    assert shared(between, writer) == 1
    assert not shared(between, reader)
    assert len(writer.shared) == 2
    assert [s.number for s in writer.shared] == sorted(s.number for s in writer.shared)


def test_what_meets_two_functions_does_not_join_them() -> None:
    one, two = Partner([], ["p", "q"]), Partner([], ["r"])
    both = Partner(["p", "q", "r"], [])
    assert len(both.shared) == 2
    assert not shared(one, two)
    one.acquire()
    one.acquire()  # a call within a call
    one.release()
    order: list[str] = []

    def others() -> None:
        two.acquire()
        two.release()
        order.append("two")
        both.acquire()
        order.append("both")
        both.release()

    thread = threading.Thread(target=others, daemon=True)
    thread.start()
    time.sleep(0.05)
    order.append("one")
    one.release()
    thread.join(30)
    assert order == ["two", "one", "both"]


def test_locks_are_taken_in_one_order() -> None:
    """Six that each share a place with each other: a circle of waiting would be easy."""
    partners: list[Partner] = []
    for k in range(6):
        partners.append(Partner([], [frozenset((k, j)) for j in range(6)]))
    assert len(partners[0].shared) == 5
    inside: set[int] = set()

    def job(partner: Partner) -> Callable[[], None]:
        def run() -> None:
            for _ in range(TURNS):
                partner.acquire()
                assert not inside
                inside.add(id(partner))
                inside.remove(id(partner))
                partner.release()

        return run

    together(*[job(p) for p in partners])


def test_places_go_with_those_who_meet_them() -> None:
    partner = Partner(["gone"], ["gone"])
    assert "gone" in locks._places
    del partner
    assert "gone" not in locks._places
