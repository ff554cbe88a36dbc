from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.arrays import aligned_copy, aligned_empty, is_aligned
from nngraph.backends.tvm import cache, library
from nngraph.backends.tvm.library import KernelRequest, compile_library
from nngraph.backends.tvm.machine import Machine
from tests.backends.tvm.kernel_case import LOOPS, MACHINE, tensor


def scaled(factor: float) -> Any:
    with LOOPS.kernel("scaled") as k:
        x, y = k.argument("x", (32,), "float32"), k.argument("y", (32,), "float32")
        with T.serial(0, 2) as i, T.vectorized(0, 16) as j:
            T.buffer_store(y, x[i * 16 + j] * tirx.const(factor, "float32"), [i * 16 + j])
    return k.finish()


class Builds:
    """Requests that count how many kernels are built."""

    def __init__(self) -> None:
        self.count = 0

    def request(self, key: str, factor: float) -> KernelRequest:
        def build() -> Any:
            self.count += 1
            return scaled(factor)

        return KernelRequest(key, build)


def result(function: library.Kernel) -> float:
    x, y = aligned_copy(np.ones(32, "f4")), aligned_empty((32,), "f4")
    function(tensor(x), tensor(y))
    assert (y == y[0]).all()
    return float(y[0])


def test_equal_keys_and_equal_functions_are_compiled_once() -> None:
    builds = Builds()
    requests = [
        builds.request("a", 2),
        builds.request("b", 3),
        builds.request("a", 2),
        builds.request("c", 2),
    ]
    compiled = compile_library(requests, MACHINE)
    assert [result(f) for f in compiled.functions] == [2, 3, 2, 2]
    assert builds.count == 3
    assert compiled.distinct == 2
    assert not compiled.from_cache


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_any_number_of_compiler_threads(jobs: int, tmp_path: Path) -> None:
    builds = Builds()
    requests = [builds.request(str(i), i) for i in range(4)]
    compiled = compile_library(requests, MACHINE, jobs=jobs, cache_directory=tmp_path)
    assert [result(f) for f in compiled.functions] == [0, 1, 2, 3]


def test_no_requests(tmp_path: Path) -> None:
    assert compile_library([], MACHINE, cache_directory=tmp_path).functions == ()


def test_jobs_have_to_be_positive() -> None:
    with pytest.raises(ValueError, match="jobs is 0"):
        compile_library([], MACHINE, jobs=0)


def test_a_warm_start_builds_nothing(tmp_path: Path) -> None:
    builds = Builds()
    requests = [builds.request("a", 2), builds.request("b", 3)]
    compile_library(requests, MACHINE, cache_directory=tmp_path)
    again = compile_library(requests, MACHINE, cache_directory=tmp_path)
    assert again.from_cache
    assert builds.count == 2
    assert [result(f) for f in again.functions] == [2, 3]


def test_another_program_is_another_entry(tmp_path: Path) -> None:
    builds = Builds()
    compile_library([builds.request("a", 2)], MACHINE, cache_directory=tmp_path)
    other = compile_library([builds.request("a2", 5)], MACHINE, cache_directory=tmp_path)
    assert not other.from_cache
    assert result(other.functions[0]) == 5


def test_the_key_depends_on_version_and_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    key = library.cache_key(("a",), MACHINE)
    assert key == library.cache_key(("a",), Machine.host())
    wider = replace(MACHINE, vector_bytes=16 if MACHINE.vector_bytes == 64 else 64)
    other = replace(MACHINE, identity="another")
    keys = {key, library.cache_key(("a",), wider), library.cache_key(("a",), other)}
    monkeypatch.setattr(library, "_compiler_version", lambda: "another")
    assert len({*keys, library.cache_key(("a",), MACHINE)}) == 4


@pytest.mark.parametrize("damage", ["library", "manifest", "no library", "other manifest"])
def test_a_damaged_entry_is_compiled_again(tmp_path: Path, damage: str) -> None:
    builds = Builds()
    requests = [builds.request("a", 2)]
    compile_library(requests, MACHINE, cache_directory=tmp_path)
    (so,), (manifest,) = tmp_path.glob("*.so"), tmp_path.glob("*.json")
    if damage == "library":
        content = so.read_bytes()
        so.unlink()  # this process has the old file mapped
        so.write_bytes(content[:1000])
    elif damage == "no library":
        so.unlink()
    else:
        manifest.write_text("{" if damage == "manifest" else "[]")
    again = compile_library(requests, MACHINE, cache_directory=tmp_path)
    assert not again.from_cache
    assert result(again.functions[0]) == 2
    assert compile_library(requests, MACHINE, cache_directory=tmp_path).from_cache


def test_without_a_usable_directory_kernels_stay_in_memory(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("")
    compiled = compile_library([Builds().request("a", 2)], MACHINE, cache_directory=taken / "sub")
    assert result(compiled.functions[0]) == 2


def test_without_a_linker_kernels_stay_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "find_linker", lambda: None)
    compiled = compile_library([Builds().request("a", 2)], MACHINE, cache_directory=tmp_path)
    assert result(compiled.functions[0]) == 2
    assert not list(tmp_path.iterdir())


def test_a_failing_linker_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "find_linker", lambda: ("false",))
    compiled = compile_library([Builds().request("a", 2)], MACHINE, cache_directory=tmp_path)
    assert result(compiled.functions[0]) == 2
    assert not list(tmp_path.iterdir())


WARM = """
import sys
from pathlib import Path
from nngraph.backends.tvm.library import KernelRequest, compile_library
from nngraph.backends.tvm.machine import Machine
def build():
    raise AssertionError("built although cached")
requests, folder = [KernelRequest("a", build)], Path(sys.argv[1])
assert compile_library(requests, Machine.host(), cache_directory=folder).from_cache
assert "tvm" not in sys.modules
"""


def test_a_warm_start_does_not_import_the_compiler(tmp_path: Path) -> None:
    compile_library([Builds().request("a", 2)], MACHINE, cache_directory=tmp_path)
    subprocess.run([sys.executable, "-c", WARM, str(tmp_path)], check=True)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (5,), (2, 3)])
def test_aligned_arrays(shape: tuple[int, ...]) -> None:
    for _ in range(10):
        x = aligned_empty(shape, "f4")
        assert (x.shape, x.dtype) == (shape, np.float32)
        assert is_aligned(x)
    assert not is_aligned(aligned_empty((9,), "f4")[1:])
    assert not is_aligned(aligned_empty((16, 16), "f4").T)
