"""``nngraph.multiprocessing.spawn``."""

from __future__ import annotations

from pathlib import Path

import pytest

import nngraph as ng


def write(index: int, folder: str, x: ng.Tensor) -> None:
    if index == 2:
        raise SystemExit(7)
    Path(folder, str(index)).write_text(str((x * index).tolist()), encoding="utf-8")


def test_spawn_calls_the_function_in_each_process(tmp_path: Path) -> None:
    assert ng.multiprocessing.spawn(write, (str(tmp_path), ng.ones(2)), nprocs=2) is None
    found = {p.name: p.read_text(encoding="utf-8") for p in tmp_path.iterdir()}
    assert found == {"0": "[0.0, 0.0]", "1": "[1.0, 1.0]"}


def test_spawn_says_which_process_failed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="process 2 terminated with exit code 7"):
        ng.multiprocessing.spawn(write, (str(tmp_path), ng.ones(2)), nprocs=3)


def test_processes_that_are_not_waited_for(tmp_path: Path) -> None:
    started = ng.multiprocessing.spawn(write, (str(tmp_path), ng.ones(1)), nprocs=1, join=False)
    assert started is not None
    started[0].join(60)
    assert started[0].exitcode == 0 and [p.name for p in tmp_path.iterdir()] == ["0"]
    assert ng.multiprocessing.get_sharing_strategy() in (
        ng.multiprocessing.get_all_sharing_strategies()
    )
