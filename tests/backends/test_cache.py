"""Compiled graphs are found again on disk, and nothing that is there can do harm."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nngraph import ops
from nngraph.backends import build as builder
from nngraph.backends import cache as caching
from nngraph.backends import get_backend
from nngraph.backends.base import Target
from nngraph.backends.build import CACHED_FROM, Built, build
from nngraph.backends.cache import artifact_key, default_cache_folder
from nngraph.backends.errors import BackendError
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.types import tensor_type

NAMES = ("onnx", "tvm")
HIT = "no pass was run"


def deep(layers: int = 84, factor: float = 0.5) -> Graph:
    """A state that a long chain of products and sums moves on; some 2 nodes a layer."""
    graph = Graph("deep")
    x = graph.add_input(tensor_type("f32", (2, 4)), "x")
    rate = graph.add_scalar("rate", tensor_type("f32"))
    w = graph.add_state("w", tensor_type("f32", (4, 4)))
    offsets = np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 4)
    with Builder(graph):
        y = x
        for layer in range(layers):
            y = ops.tanh(ops.add(ops.matmul(y, w), ops.constant(offsets[layer % 6], y)))
        graph.set_state("w", ops.sub(w, ops.mul(rate, ops.mul(ops.sum(y, (0,)), factor))))
        graph.add_output(y)
    return graph


def compiled(name: str, folder: Path, graph: Graph | None = None) -> Built:
    return build(get_backend(name), graph or deep(), Target(name, threads=1, cache=str(folder)))


def results(built: Built) -> list[Array]:
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((2, 4), (4, 4)))
    outputs, states = built.executable.run([x], [0.25], [w])
    return [*outputs, *states]


def is_hit(built: Built) -> bool:
    return HIT in built.log[0]


def agree(a: Built, b: Built) -> None:
    for got, wanted in zip(results(a), results(b), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("name", NAMES)
def test_the_second_start_runs_no_pass(name: str, tmp_path: Path) -> None:
    cold = compiled(name, tmp_path)
    warm = compiled(name, tmp_path)
    assert not is_hit(cold) and is_hit(warm)
    agree(warm, cold)
    assert not is_hit(compiled(name, tmp_path, deep(factor=0.25)))


@pytest.mark.parametrize("name", NAMES)
def test_a_state_that_a_pass_finds_unchanged_is_no_other_graph(name: str, tmp_path: Path) -> None:
    def graph() -> Graph:
        made = deep()
        still = made.add_state("still", tensor_type("f32", (3,)))
        with Builder(made):
            made.set_state("still", ops.mul(still, 1.0))
        return made

    cold = compiled(name, tmp_path, graph())
    assert not cold.artifact.signature.states[1].is_changed, "no pass found it: choose another case"
    assert is_hit(compiled(name, tmp_path, graph()))


def test_the_runtime_rewrites_a_model_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cold = compiled("onnx", tmp_path)
    (entry,) = (tmp_path / "onnxruntime").iterdir()
    path = entry / "optimized.onnx"
    whole = path.read_bytes()
    assert whole != cold.artifact.model
    agree(compiled("onnx", tmp_path), cold)
    path.write_bytes(whole[: len(whole) // 2])
    agree(compiled("onnx", tmp_path), cold)
    assert "ignoring an optimized model" in caplog.text
    assert path.read_bytes() == whole


def test_small_graphs_and_the_reference_are_not_kept(tmp_path: Path) -> None:
    assert len(deep(2)) < CACHED_FROM <= len(deep())
    compiled("onnx", tmp_path, deep(2))
    compiled("reference", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_entry_is_made_again(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cold = compiled(name, tmp_path)
    (entry,) = (tmp_path / "artifacts").iterdir()
    for path in sorted(entry.iterdir()):
        whole = path.read_bytes()
        for damaged in (whole[: len(whole) // 2], whole[:50] + b"\xff\x00" + whole[52:], None):
            if damaged is None:
                path.unlink()
            else:
                path.write_bytes(damaged)
            caplog.clear()
            again = compiled(name, tmp_path)
            assert not is_hit(again) and "ignoring the cached artifact" in caplog.text
            assert path.read_bytes() == whole
    agree(again, cold)
    assert is_hit(compiled(name, tmp_path))


def test_a_file_in_the_place_of_an_entry_is_replaced(tmp_path: Path) -> None:
    compiled("onnx", tmp_path)
    (entry,) = (tmp_path / "artifacts").iterdir()
    for path in entry.iterdir():
        path.unlink()
    entry.rmdir()
    entry.write_text("no folder")
    assert not is_hit(compiled("onnx", tmp_path))
    assert is_hit(compiled("onnx", tmp_path))


def test_an_entry_of_another_graph_is_none(tmp_path: Path) -> None:
    """Even where its name says otherwise: what it takes and gives has to fit."""
    cold = compiled("onnx", tmp_path)
    other = deep()
    other.add_output(other.outputs[0], "again")
    wrong = compiled("onnx", tmp_path, other)
    entries = tmp_path / "artifacts"
    key, wanted = (artifact_key(g, Target("onnx", threads=1)) for g in (deep(), other))
    (entries / key).rename(entries / "aside")
    (entries / wanted).rename(entries / key)
    again = compiled("onnx", tmp_path)
    assert not is_hit(again) and len(results(wrong)) == len(results(again)) + 1
    agree(again, cold)


def test_an_entry_that_cannot_be_loaded_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled("onnx", tmp_path)
    loaded, calls = builder._loaded, []

    def refusing(backend: object, artifact: object, target: Target) -> object:
        calls.append(artifact)
        if len(calls) == 1:
            raise BackendError("refused")
        return loaded(backend, artifact, target)  # type: ignore[arg-type, type-var]

    monkeypatch.setattr(builder, "_loaded", refusing)
    assert not is_hit(compiled("onnx", tmp_path))
    assert len(calls) == 2


def test_without_a_usable_folder_nothing_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    taken = tmp_path / "file"
    taken.write_text("")
    with caplog.at_level(logging.WARNING):
        first = compiled("onnx", taken / "sub")
    assert "is not cached" in caplog.text
    agree(compiled("onnx", taken / "sub"), first)


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is writable for the superuser")
def test_a_read_only_folder_is_read(tmp_path: Path) -> None:
    compiled("onnx", tmp_path)
    for folder in (tmp_path, tmp_path / "artifacts"):
        folder.chmod(0o500)
    try:
        assert is_hit(compiled("onnx", tmp_path))
        assert not is_hit(compiled("onnx", tmp_path, deep(factor=0.25)))
    finally:
        for folder in (tmp_path, tmp_path / "artifacts"):
            folder.chmod(0o700)


def test_the_key_depends_on_graph_target_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = [
        Target("onnx", threads=1),
        Target("onnx", threads=2),
        Target("onnx", threads=1, strict=False),
        Target("onnx", threads=1, in_place=False),
        Target("tvm", threads=1),
    ]
    keys = [artifact_key(deep(), t) for t in targets]
    keys += [artifact_key(deep(factor=0.25), targets[0])]
    assert artifact_key(deep(), targets[0]) == keys[0]
    monkeypatch.setattr(caching, "_code_key", lambda backend: "other")
    keys += [artifact_key(deep(), targets[0])]
    assert len(set(keys)) == len(keys)


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/some/where")
    assert default_cache_folder() == Path("/some/where/nngraph")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_folder() == Path.home() / ".cache" / "nngraph"

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert default_cache_folder() is None


SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from tests.backends.test_cache import compiled, is_hit, results
built = compiled(sys.argv[1], Path(sys.argv[2]))
np.savez(sys.argv[3], *results(built))
print("hit" if is_hit(built) else "miss")
print(",".join(sorted({"tvm", "onnx", "onnxruntime", "torch"} & set(sys.modules))))
"""


def run_script(name: str, *arguments: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, name, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("name", "imported"), [("onnx", "onnxruntime"), ("tvm", "")])
def test_a_warm_start_imports_no_compiler(name: str, imported: str, tmp_path: Path) -> None:
    """Nor the package that writes models, nor PyTorch; and it computes the same, bit by bit."""
    cold = compiled(name, tmp_path)
    process = run_script(name, tmp_path, tmp_path / "out.npz")
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert printed.split("\n")[:2] == ["hit", imported]
    with np.load(tmp_path / "out.npz") as found:
        for got, wanted in zip(found.values(), results(cold), strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_processes_may_start_at_once(tmp_path: Path) -> None:
    outs = [tmp_path / f"{i}.npz" for i in range(3)]
    processes = [run_script("onnx", tmp_path / "cache", out) for out in outs]
    assert [p.wait(timeout=300) for p in processes] == [0, 0, 0]
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    built = compiled("onnx", tmp_path / "cache")
    assert is_hit(built)
    for out in outs:
        with np.load(out) as found:
            for got, wanted in zip(found.values(), results(built), strict=True):
                np.testing.assert_array_equal(got, wanted)
