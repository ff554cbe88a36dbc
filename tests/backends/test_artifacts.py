"""Artifacts go through files whole, and damaged ones are named."""

from __future__ import annotations

import json
import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nngraph import ops
from nngraph.backends import files, get_backend
from nngraph.backends.artifact import MANIFEST, read_artifact, write_artifact
from nngraph.backends.base import Artifact, Target, emit
from nngraph.backends.errors import ArtifactError
from nngraph.backends.onnx import proto
from nngraph.backends.onnx.artifact import DATA_FILE, OnnxArtifact
from nngraph.backends.onnx.choices import Choices
from nngraph.backends.onnx.emit import emit_model
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.signature import Signature, signature_of
from nngraph.ir.types import tensor_type
from tests.backends.onnx.graphs import regression, start

NAMES = ("reference", "onnx", "tvm")
X, Y = (np.random.default_rng(1).standard_normal((4, n)).astype(np.float32) for n in (3, 2))


def made(name: str, graph: Graph | None = None) -> Artifact:
    target = Target(name, threads=1)
    artifact: Artifact = emit(get_backend(name), graph or regression(), target).artifact
    return artifact


def results(name: str, artifact: Artifact) -> list[Array]:
    run = get_backend(name).load(artifact, Target(name, threads=1))
    outputs, states = run.run([X, Y], [0.1], start(regression()))
    return [*outputs, *states]


@pytest.mark.parametrize("name", NAMES)
def test_an_artifact_comes_back_from_files_and_runs(name: str, tmp_path: Path) -> None:
    artifact = made(name)
    assert artifact.signature == signature_of(regression())
    artifact.write(tmp_path / "step")
    again = get_backend(name).read(tmp_path / "step")
    assert again.signature == artifact.signature
    for got, wanted in zip(results(name, again), results(name, artifact), strict=True):
        np.testing.assert_array_equal(got, wanted)
    again.write(tmp_path / "copy")
    one, two = (
        {p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("step", "copy")
    )
    assert one == two and sorted(p.name for p in tmp_path.iterdir()) == ["copy", "step"]


def test_a_read_model_runs_without_the_onnx_package(tmp_path: Path) -> None:
    made("onnx").write(tmp_path / "step")
    code = f"""
import sys
sys.modules["onnx"] = None
from pathlib import Path
from nngraph.backends.base import Target
from nngraph.backends.onnx.backend import backend
backend.load(backend.read(Path({str(tmp_path / "step")!r})), Target("onnx"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_newer_artifact_replaces_an_older_one(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "step"
    made(name, regression(8)).write(folder)
    made(name).write(folder)
    assert get_backend(name).read(folder).signature == signature_of(regression())
    assert [p.name for p in tmp_path.iterdir()] == ["step"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~mask


@pytest.mark.parametrize("name", NAMES)
def test_any_damage_is_named(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "step"
    made(name).write(folder)
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        wrong = (b"", whole[: len(whole) // 2], whole[:40] + b"#" + whole[41:], pickle.dumps(1))
        for data in wrong:
            path.write_bytes(data)
            with pytest.raises(ArtifactError, match=r"damaged|no artifact"):
                get_backend(name).read(folder)
        path.unlink()
        with pytest.raises(ArtifactError, match=r"is missing|has no artifact\.json"):
            get_backend(name).read(folder)
        path.write_bytes(whole)
    get_backend(name).read(folder)


def changed(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    data = json.loads((folder / MANIFEST).read_text())
    change(data)
    (folder / MANIFEST).write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=99), r"format 99 .*write it anew"),
        (lambda d: d.update(backend="tvm"), "of the backend 'tvm', not of 'reference'"),
        (lambda d: d.update(files=[]), "names no files"),
        (lambda d: d.update(files={}), "is no graph"),
        (lambda d: d.update(files={"../secret": ""}), "no name of a file"),
        (lambda d: d["signature"]["inputs"].pop(), "signature is not that of"),
        (lambda d: d["signature"].pop("inputs"), "list of 'inputs'"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    change: Callable[[dict[str, object]], object], message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "step"
    made("reference").write(folder)
    changed(folder, change)
    with pytest.raises(ArtifactError, match=message):
        get_backend("reference").read(folder)


def test_a_folder_of_other_things_is_neither_read_nor_replaced(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        get_backend("onnx").read(tmp_path / "none")
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ArtifactError, match=r"has no artifact\.json"):
        get_backend("onnx").read(tmp_path)
    with pytest.raises(FileExistsError, match="no artifact and would be replaced"):
        made("onnx").write(tmp_path)
    with pytest.raises(FileExistsError, match="no artifact"):
        made("onnx").write(tmp_path / "thesis.tex")
    with pytest.raises(FileNotFoundError, match="create it first"):
        made("onnx").write(tmp_path / "no" / "step")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_write_that_breaks_leaves_the_old_artifact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "step"
    write_artifact(folder, "onnx", Signature(), {"a": [b"old"]})

    def pieces() -> object:
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_artifact(folder, "onnx", Signature(), {"a": pieces()})  # type: ignore[dict-item]

    rename = os.rename

    def refuse(source: Path, target: Path) -> None:
        if ".old" not in str(source) + str(target):
            raise PermissionError(13, "no")
        rename(source, target)

    monkeypatch.setattr(files, "_exchange", lambda: None)  # as on systems without one
    monkeypatch.setattr(files.os, "rename", refuse)
    with pytest.raises(PermissionError):
        write_artifact(folder, "onnx", Signature(), {"a": [b"new"]})
    assert read_artifact(folder, "onnx")[1] == {"a": b"old"}
    assert [p.name for p in tmp_path.iterdir()] == ["step"]


def test_processes_that_write_one_folder_leave_a_whole_artifact(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from nngraph.backends.artifact import write_artifact
from nngraph.ir.signature import Signature
for i in range(60):
    write_artifact(Path(sys.argv[1]), "onnx", Signature(), {"a": [sys.argv[2].encode() * 5000]})
"""
    command = [sys.executable, "-c", code, str(tmp_path / "step")]
    running = [subprocess.Popen([*command, str(i)]) for i in range(2)]
    assert [process.wait(120) for process in running] == [0, 0]
    content = read_artifact(tmp_path / "step", "onnx")[1]["a"]
    assert content in (b"0" * 5000, b"1" * 5000)
    assert [p.name for p in tmp_path.iterdir()] == ["step"]


def test_constants_over_the_limit_lie_in_a_file_beside(tmp_path: Path) -> None:
    graph = Graph()
    x = graph.add_input(tensor_type("f32", (2, 64)), "x")
    weight = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    with Builder(graph):
        graph.add_output(ops.matmul(x, ops.constant(weight, x)), "y")
    model = emit_model(graph, Choices())
    assert not isinstance(model, list)
    content, data = proto.serialized(model, DATA_FILE, limit=1000)
    artifact = OnnxArtifact(content, model.signature, tuple(data))
    assert len(content) < 1000 < sum(map(len, data))
    artifact.write(tmp_path / "step")
    again = OnnxArtifact.read(tmp_path / "step")
    x0 = np.random.default_rng(1).standard_normal((2, 64)).astype(np.float32)
    for each in (artifact, again):
        run = get_backend("onnx").load(each, Target("onnx", threads=1))
        np.testing.assert_allclose(run.run([x0], [], [])[0][0], x0 @ weight, 1e-4, 1e-4)
