"""How many threads calls use, observed: kernels write down which thread ran each of their tasks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from tvm import tirx
from tvm.script.ir_builder import tirx as T

import nngraph as ng
from nngraph.backends.arrays import aligned_empty
from nngraph.backends.base import usable_cpus
from nngraph.backends.tvm import backend
from nngraph.backends.tvm.library import Kernel, KernelRequest, Library, compile_library
from nngraph.backends.tvm.threads import ThreadCount, resolve_threads
from tests.backends.tvm.kernel_case import LOOPS, MACHINE, tensor

TASKS = 64
several = pytest.mark.skipif(usable_cpus() < 2, reason="one processor runs one thread")


@pytest.fixture(scope="module")
def probe() -> Kernel:
    """A kernel whose first parameter is ignored; task i writes its thread to element i."""

    def build() -> Any:
        with LOOPS.kernel("probe") as k:
            k.argument("x", (TASKS,), "int64")
            out = k.argument("out", (TASKS,), "int64")
            with LOOPS.tasks(TASKS, 1 << 20) as task:
                T.buffer_store(out, tirx.call_extern("int64", "pthread_self"), [task])
        return k.finish()

    return compile_library([KernelRequest("probe", build)], MACHINE).functions[0]


def threads_of(kernel: Kernel) -> int:
    x, out = aligned_empty((TASKS,), "i8"), aligned_empty((TASKS,), "i8")
    kernel(tensor(x), tensor(out))
    return len(set(out.tolist()))


@several
def test_any_order_of_counts_holds(probe: Kernel) -> None:
    one, two = ThreadCount(1), ThreadCount(2)
    for count in (one, two, one, one, two, two, one):
        count.use()
        assert threads_of(probe) == count.count


@several
def test_each_calling_thread_has_its_own_count(probe: Kernel) -> None:
    found: list[int] = []

    def elsewhere() -> None:
        for count in (2, 1, 2):
            ThreadCount(count).use()
            found.append(threads_of(probe))

    ThreadCount(1).use()
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [2, 1, 2]
    assert threads_of(probe) == 1


@several
def test_compiled_functions_keep_their_threads(
    probe: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also against TVM's own variable, which the tests set to 1, and in one process."""

    def probes(requests: Sequence[KernelRequest], *args: Any, **options: Any) -> Library:
        return Library(tuple(probe for _ in requests), False, 1)

    monkeypatch.setattr(backend, "compile_library", probes)
    x = ng.tensor(np.zeros(TASKS, np.int64))
    functions = {n: ng.compile(lambda x: x + 1, backend="tvm", threads=n) for n in (2, 1)}
    for n in (1, 2, 2, 1, 2, 1, 1):
        assert len(set(functions[n](x).numpy().tolist())) == n


def test_without_a_wish_tvms_own_variable_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TVM_NUM_THREADS", "1")
    assert resolve_threads(None) == 1
    assert resolve_threads(usable_cpus()) == usable_cpus()  # a wish wins
    monkeypatch.delenv("TVM_NUM_THREADS")
    assert resolve_threads(None) == usable_cpus()


def test_no_more_threads_than_processors() -> None:
    assert resolve_threads(10_000) == usable_cpus()
    with pytest.raises(ValueError, match="threads is 0; wanted at least 1"):
        resolve_threads(0)
