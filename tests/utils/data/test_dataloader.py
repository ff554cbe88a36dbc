"""``DataLoader`` in this process and over others."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.data as theirs

import nngraph as ng
from nngraph.utils.data import DataLoader, TensorDataset
from tests.support.backends import BACKENDS
from tests.support.tolerances import assert_close
from tests.utils.data.datasets import Behaving, Draws, Images, Stream, listed, refuse

ROOT = Path(__file__).resolve().parents[3]
WAYS = [{"num_workers": 0}, {"num_workers": 2}]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "options", [{}, {"drop_last": True}, {"batch_size": None}, {"batch_size": 1}]
)
def test_batches_are_pytorchs(way: dict[str, Any], options: dict[str, Any]) -> None:
    options = {"batch_size": 4} | options
    found = DataLoader(Images(10), **options, **way)
    wanted = theirs.DataLoader(Images(10), **options)
    assert len(found) == len(wanted)
    pairs = list(zip(found, wanted, strict=True))
    assert len(pairs) == len(wanted)
    for (x, y), (wx, wy) in pairs:
        np.testing.assert_array_equal(x.numpy(), wx.numpy())
        assert np.array_equal(y, wy)


@pytest.mark.parametrize("way", WAYS)
def test_samplers_batch_samplers_and_collation(way: dict[str, Any]) -> None:
    given = DataLoader(Behaving(-1, ""), 3, sampler=[5, 1, 2, 7], collate_fn=listed, **way)
    assert list(given) == [[5, 1, 2], [7]]
    lists = DataLoader(Behaving(-1, ""), batch_sampler=[[1, 2], [3]], collate_fn=listed, **way)
    assert list(lists) == [[1, 2], [3]] and lists.batch_size is None


@pytest.mark.parametrize("way", WAYS)
def test_epochs_are_shuffled_anew_and_repeatable(way: dict[str, Any]) -> None:
    loader = DataLoader(TensorDataset(ng.arange(40)), 8, shuffle=True, **way)

    def epochs() -> list[list[int]]:
        ng.manual_seed(5)
        return [[i for (b,) in loader for i in b.tolist()] for _ in range(2)]

    first = epochs()
    assert epochs() == first and first[0] != first[1]
    assert all(sorted(e) == list(range(40)) for e in first)


def test_workers_change_no_order() -> None:
    def order(workers: int) -> list[int]:
        ng.manual_seed(1)
        loader = DataLoader(TensorDataset(ng.arange(40)), 4, shuffle=True, num_workers=workers)
        return [i for (b,) in loader for i in b.tolist()]

    assert order(0) == order(1) == order(2)


@pytest.mark.parametrize("way", WAYS)
def test_streams(way: dict[str, Any]) -> None:
    found = [b.tolist() for b in DataLoader(Stream(11), 3, **way)]
    assert sorted(i for b in found for i in b) == list(range(11))
    assert max(map(len, found)) == 3
    full = [b.tolist() for b in DataLoader(Stream(11), 3, drop_last=True, **way)]
    assert {len(b) for b in full} == {3}
    assert sorted(DataLoader(Stream(5), None, **way)) == list(range(5))


def test_a_stream_that_gives_more_than_its_length_warns() -> None:
    loader = DataLoader(Stream(6, split=False, length=6), None, num_workers=2)
    assert len(loader) == 6
    with pytest.warns(UserWarning, match="reported to be 6"):
        assert len(list(loader)) == 12


def test_workers_have_random_numbers_of_their_own() -> None:
    def drawn() -> list[Any]:
        ng.manual_seed(2)
        loader = DataLoader(Draws(), 4, num_workers=2, collate_fn=listed)
        return [[sample for batch in loader for sample in batch] for _ in range(2)]

    first = drawn()
    assert drawn() == first
    for kind in (1, 2, 3):
        assert len({row[kind] for epoch in first for row in epoch}) == 16
    assert {row[0] for row in first[0]} == {0, 1}


def test_persistent_workers_are_the_same_processes() -> None:
    loader = DataLoader(Images(8), 2, num_workers=2, persistent_workers=True)
    for stop in (1, 4, 4):  # an epoch that was left is over
        for number, (_, y) in enumerate(loader, 1):
            assert y.tolist() == [2 * number - 2, 2 * number - 1]
            if number == stop:
                break
        pids = {m.process.pid for m in loader._kept._members}
        assert len(pids) == 2
        known = pids if stop == 1 else known & pids  # noqa: F821 - the first round has set it
    assert known == pids


def test_arrays_of_workers_may_be_written_and_kept() -> None:
    kept = [x for x, _ in DataLoader(Images(12, 64), 4, num_workers=2)]
    gc.collect()
    for number, x in enumerate(kept):
        x += 1
        assert x[:, 0, 0].tolist() == [4 * number + i + 1 for i in range(4)]


def test_nothing_is_left_behind() -> None:
    def files() -> int:
        return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0

    def once() -> None:
        for number, _ in enumerate(DataLoader(Images(40, 64), 4, num_workers=2)):
            if number == 1:
                break

    gc.collect()
    children = set(multiprocessing.active_children())
    once()
    gc.collect()
    before = files()
    for _ in range(3):
        once()
    gc.collect()
    assert files() <= before
    assert set(multiprocessing.active_children()) <= children


@pytest.mark.parametrize("context", multiprocessing.get_all_start_methods())
def test_every_way_to_start_processes(context: str) -> None:
    loader = DataLoader(Images(4), 2, num_workers=1, multiprocessing_context=context)
    assert [y.tolist() for _, y in loader] == [[0, 1], [2, 3]]


def test_errors_of_workers_keep_their_class_and_place() -> None:
    loader = DataLoader(Behaving(5, "raise"), 2, num_workers=2, collate_fn=listed)
    batches = iter(loader)
    assert next(batches) == [0, 1] and next(batches) == [2, 3]
    with pytest.raises(KeyError, match="no such") as raised:
        next(batches)
    assert "in __getitem__" in str(raised.value) and "worker process 0" in str(raised.value)
    assert next(batches) == [6, 7]  # as in PyTorch: the others are there
    with pytest.raises(RuntimeError, match=r"(?s)Caught Odd.*odd 1 2"):
        list(DataLoader(Behaving(0, "odd"), 2, num_workers=1))
    with pytest.raises(ValueError, match="worker 0 does not want to"):
        list(DataLoader(Images(4), 2, num_workers=1, worker_init_fn=refuse))
    unsendable = DataLoader(Behaving(0, "unpicklable"), 2, num_workers=1, collate_fn=listed)
    with pytest.raises(Exception, match=r"(?i)pickle"):
        list(unsendable)


def test_a_worker_that_dies_is_told() -> None:
    before = set(multiprocessing.active_children())
    with pytest.raises(RuntimeError, match=r"exited unexpectedly.*num_workers=0 shows where"):
        list(DataLoader(Behaving(3, "exit"), 2, num_workers=2, collate_fn=listed))
    assert set(multiprocessing.active_children()) <= before


def test_a_killed_worker_is_told() -> None:
    loader = DataLoader(Behaving(5, "sleep"), 2, num_workers=1, collate_fn=listed)
    batches = iter(loader)
    next(batches)
    os.kill(batches._members[0].process.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(batches)


def test_time_runs_out() -> None:
    before = set(multiprocessing.active_children())
    loader = DataLoader(Behaving(0, "sleep"), 2, num_workers=1, timeout=0.3, collate_fn=listed)
    with pytest.raises(RuntimeError, match=r"timed out after 0\.3 seconds"):
        list(loader)
    assert set(multiprocessing.active_children()) <= before


SCRIPT = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever started the tests
from nngraph.utils.data import DataLoader
from tests.utils.data.datasets import Images
batches = iter(DataLoader(Images(1000), 2, num_workers=2))
next(batches)
print(*[m.process.pid for m in batches._members], flush=True)
{rest}
"""


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks Linux who is alive")
@pytest.mark.parametrize("how", ["leaves", "raises", "interrupted", "killed"])
def test_no_worker_outlives_its_parent(how: str) -> None:
    rest = {"leaves": "sys.exit()", "raises": "1 / 0"}.get(how, "time.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(rest=rest)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2
    if how in ("interrupted", "killed"):
        process.send_signal(signal.SIGINT if how == "interrupted" else signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert errors.count("Traceback") == (how in ("raises", "interrupted")), errors
    end = time.monotonic() + 20
    while any(map(_alive, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(_alive, pids))


CONTRADICTIONS = [
    {"num_workers": -1},
    {"timeout": -1},
    {"prefetch_factor": 2},
    {"num_workers": 1, "prefetch_factor": -1},
    {"persistent_workers": True},
    {"sampler": [1], "shuffle": True},
    {"batch_sampler": [[1]], "batch_size": 2},
    {"batch_sampler": [[1]], "drop_last": True},
    {"batch_size": None, "drop_last": True},
    {"multiprocessing_context": "fork"},
    {"num_workers": 1, "multiprocessing_context": "teleport"},
    {"num_workers": 1, "multiprocessing_context": 3},
    {"batch_size": 0},
    {"batch_size": 1.5},
]


@pytest.mark.parametrize("options", CONTRADICTIONS)
def test_contradictions_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)) as wanted:
        theirs.DataLoader(Images(4), **options)
    with pytest.raises(wanted.type):
        DataLoader(Images(4), **options)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}])
def test_streams_have_no_order_to_choose(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="IterableDataset"):
        DataLoader(Stream(3), **options)


def test_more_workers_than_processors_warn() -> None:
    with pytest.warns(UserWarning, match="suggested max number of worker"):
        DataLoader(Images(4), num_workers=10_000)


def test_what_it_was_made_of_stays() -> None:
    loader = DataLoader(Images(4), 2)
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        loader.batch_size = 4
    assert loader.dataset is not None and loader.num_workers == 0 and not loader.drop_last


def test_pinned_memory_warns() -> None:
    with pytest.warns(UserWarning, match="no accelerator"):
        list(DataLoader(Images(2), pin_memory=True))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_smaller_last_batch_is_one_more_trace(backend: str) -> None:
    model = ng.nn.Linear(4, 2)
    optimizer = ng.optim.SGD(model.parameters(), lr=0.1)

    @ng.compile(backend=backend)
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = ng.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    data = TensorDataset(ng.randn(10, 4), ng.zeros(10, dtype=ng.int64))
    for _ in range(3):
        for x, y in DataLoader(data, 4, shuffle=True):
            step(x, y)
    assert len(step._history) == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_pytorchs_loader_and_plain_iterators_are_taken(backend: str) -> None:
    model = ng.nn.Linear(4, 1)
    run = ng.compile(lambda x: model(x).detach(), backend=backend)
    rows = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    wanted = model(ng.tensor(rows)).detach().numpy()
    data = theirs.TensorDataset(torch.tensor(rows))
    found = [run(x).numpy() for (x,) in theirs.DataLoader(data, 3)]
    assert_close(np.concatenate(found), wanted)
    assert_close(np.concatenate([run(x).numpy() for x in (rows[:3], rows[3:])]), wanted)
    assert_close(model(ng.as_tensor(torch.tensor(rows))).detach().numpy(), wanted)
    ours = DataLoader([{"x": torch.tensor(row)} for row in rows], 6)
    assert [type(b["x"]).__module__.split(".")[0] for b in ours] == ["nngraph"]
