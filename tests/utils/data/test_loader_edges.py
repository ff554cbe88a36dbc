"""``DataLoader`` at its edges: other ways to start, lost errors, parents that are gone."""

from __future__ import annotations

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
import nngraph.utils.data as ours

ROOT = Path(__file__).resolve().parents[3]


class Calls(ours.Dataset[Any]):
    def __init__(self, count: int, function: Any) -> None:
        self.count, self.function = count, function

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return self.function(index)


def test_workers_of_a_fork_server_wait_for_their_parent() -> None:
    options: dict[str, Any] = {"num_workers": 1, "prefetch_factor": 1}
    batches = iter(ours.DataLoader(Calls(4, abs), multiprocessing_context="forkserver", **options))
    first = next(batches).item()
    time.sleep(2.5)  # longer than a worker goes without looking for its parent
    assert [first, *(b.item() for b in batches)] == [0, 1, 2, 3]


def test_the_text_of_an_error_survives_its_class() -> None:
    class Local(Exception):
        pass

    def fail(index: int) -> None:
        raise Local("what happened")

    with pytest.raises(RuntimeError, match=r"Caught Local .*(\n.*)*what happened"):
        list(ours.DataLoader(Calls(2, fail), num_workers=1))


@pytest.mark.parametrize("workers", [0, 1])
def test_stop_iteration_of_a_sample_does_not_end_the_loop_silently(workers: int) -> None:
    with pytest.raises(RuntimeError, match="Calls raised StopIteration"):
        list(
            ours.DataLoader(
                Calls(4, lambda i: next(iter([])) if i == 2 else i), 1, num_workers=workers
            )
        )


def test_a_slow_sample_does_not_hold_up_the_others() -> None:
    def sample(index: int) -> int:
        time.sleep(3 * (index == 0))
        return index

    loader = ours.DataLoader(Calls(40, sample), num_workers=2, in_order=False)
    found = [batch.item() for batch in loader]
    assert 0 in found[-2:]  # with what its worker was given beside it
    assert sorted(found) == list(range(40))


def test_more_batches_are_kept_than_files_may_be_open() -> None:
    resource = pytest.importorskip("resource")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    program = (
        "import resource, numpy as np, nngraph.utils.data as d\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (200, {hard}))\n"
        "data = [np.full(5000, i, np.float32) for i in range(400)]\n"
        "kept = list(d.DataLoader(data, num_workers=1))\n"
        "print(all((b == i).all() for i, b in enumerate(kept)), len(kept))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "True 400\n", done.stderr


def test_large_indices_and_many_batches_ahead_do_not_block() -> None:
    program = (
        "import numpy as np, nngraph.utils.data as d\n"
        "class Numbers(d.Dataset):\n"
        "    def __len__(self): return 5000 * 300\n"
        "    def __getitems__(self, indices): return indices\n"
        "loader = d.DataLoader(Numbers(), 5000, num_workers=1, prefetch_factor=150,\n"
        "    collate_fn=lambda b: np.array(b)[:1800])\n"
        "print(sum(1 for _ in loader))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "300\n", done.stderr


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks Linux who is alive")
def test_a_worker_that_is_stuck_ends_with_its_parent() -> None:
    program = (
        "import os, time, nngraph.utils.data as d\n"
        "class Stuck(d.Dataset):\n"
        "    def __len__(self): return 4\n"
        "    def __getitem__(self, i): print(os.getpid(), flush=True); time.sleep(600)\n"
        "next(iter(d.DataLoader(Stuck(), num_workers=1)))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    end = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists() and time.monotonic() < end:
        time.sleep(0.1)
    if Path(f"/proc/{worker}").exists():
        os.kill(worker, signal.SIGKILL)
        pytest.fail("the worker outlived its parent")


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("indices", [[3, 0, -1, 3], [2], list(range(6))])
def test_rows_at_once_are_pytorchs(workers: int, indices: list[int]) -> None:
    x, y = np.arange(6 * 700, dtype=np.float32).reshape(6, 700), np.arange(6)
    whole = ours.TensorDataset(ng.tensor(x), ng.tensor(y))
    other = theirs.TensorDataset(torch.tensor(x), torch.tensor(y))
    for found, wanted in (
        (whole, other),
        (ours.Subset(whole, [5, 4, 3, 2, 1, 0]), theirs.Subset(other, [5, 4, 3, 2, 1, 0])),
    ):
        batches = ours.DataLoader(found, 3, sampler=indices, num_workers=workers)
        for a, b in zip(batches, theirs.DataLoader(wanted, 3, sampler=indices), strict=True):
            assert type(a) is type(b)
            for one, two in zip(a, b, strict=True):
                np.testing.assert_array_equal(one.numpy(), two.numpy())


def test_rows_have_errors_histories_and_memory_of_their_own() -> None:
    x = ng.ones(3, 2, requires_grad=True)
    next(iter(ours.DataLoader(ours.TensorDataset(x), 3)))[0].sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[1, 1]] * 3
    with pytest.raises(IndexError):
        list(ours.DataLoader(ours.TensorDataset(ng.ones(3)), sampler=[3]))
    data = ng.zeros(3)
    next(iter(ours.DataLoader(ours.TensorDataset(data), 3)))[0].add_(1)
    assert data.tolist() == [0, 0, 0]


class Scaled(ours.TensorDataset):
    def __getitem__(self, index: Any) -> Any:
        return (self.tensors[0][index] * 2,)


def test_a_subclass_makes_its_samples() -> None:
    assert next(iter(ours.DataLoader(Scaled(ng.ones(2)), 2)))[0].tolist() == [2, 2]


def test_dtypes_of_a_batch_promote_as_tensors_do() -> None:
    assert ours.default_collate([ng.tensor([1]), ng.tensor([1.5])]).dtype is ng.float32
    wanted = theirs.default_collate([np.ones(2, np.float32), np.ones(2, np.int64)])
    found = ours.default_collate([np.ones(2, np.float32), np.ones(2, np.int64)])
    assert str(found.dtype).split(".")[1] == str(wanted.dtype).split(".")[1]
