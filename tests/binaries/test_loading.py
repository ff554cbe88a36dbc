"""What a binary refuses, and what it leaves as it was."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph.backends.tvm import targets
from nngraph.frontend import binaries
from tests.binaries.conftest import Built


@pytest.fixture
def copy(tagger: Built, tmp_path: Path) -> Path:
    shutil.copytree(tagger.folder, tmp_path / "copy")
    return tmp_path / "copy"


def load(folder: Path) -> Any:
    return ng.load_binary(folder, trust=True)


def test_machine_code_needs_trust(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "read_binary", lambda folder: pytest.fail("it was read"))
    for trust in (False, 1, "yes"):
        with pytest.raises(ng.BinaryError, match=r"ng\.load_binary\(path, trust=True\)"):
            ng.load_binary(copy, trust=trust)  # type: ignore[arg-type]


def test_other_folders(tagger: Built, copy: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        load(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ng.BinaryError, match=r"no binary: it has no manifest\.json"):
        load(tmp_path / "empty")
    with pytest.raises(ng.BundleError, match="not that of a bundle"):
        ng.load_step(copy)
    with pytest.raises(ValueError, match="threads is 0"):
        ng.load_binary(copy, trust=True, threads=0)


def test_another_machine_is_refused_before_loading(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["host"]["requires"] = ["avx512f"]
    manifest["host"]["triple"] = targets._here()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    (copy / "kernels.so").write_bytes(b"not even looked at")
    monkeypatch.setattr(targets, "cpu_flags", lambda: frozenset({"avx2", "sse4_2"}))
    with pytest.raises(ng.BinaryError, match=r"lacks: avx512f\. Build it for a target"):
        load(copy)


def test_damage(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    for name in manifest["files"]:
        whole = (copy / name).read_bytes()
        middle = len(whole) // 2
        for change in (
            whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            whole[:middle],
            whole + b" ",
        ):
            (copy / name).write_bytes(change)
            with pytest.raises(ng.BinaryError, match=name):
                load(copy)
        (copy / name).unlink()
        with pytest.raises(ng.BinaryError, match=f"{name} is missing"):
            load(copy)
        (copy / name).symlink_to("/dev/zero")
        with pytest.raises(ng.BinaryError, match=f"{name} is a link"):
            load(copy)
        (copy / name).unlink()
        (copy / name).write_bytes(whole)
    load(copy)


def test_manifests(copy: Path) -> None:
    text = (copy / "manifest.json").read_text()
    whole = json.loads(text)

    def changed(**fields: Any) -> str:
        return json.dumps({k: v for k, v in (whole | fields).items() if v is not None})

    cases = [
        (changed(version=2), "version 2, .* reads versions up to 1: pip install --upgrade"),
        (changed(version=0), "its version is 0"),
        (changed(format="nngraph bundle"), "no format 'nngraph binary'"),
        (changed(host=None), "has no 'host'"),
        (changed(host={"triple": 3, "requires": []}), "3 stands where a text belongs"),
        (changed(files={}), "not those of a binary"),
        (changed(files=whole["files"] | {"../x": whole["files"]["plan.json"]}), "not those of"),
        (text[:100], "no JSON"),
        ("[]", "not that of a binary"),
    ]
    for content, message in cases:
        (copy / "manifest.json").write_text(content)
        with pytest.raises(ng.BinaryError, match=message):
            load(copy)


def test_plans_that_lead_nowhere(copy: Path) -> None:
    plan = (copy / "plan.json").read_text()
    manifest = json.loads((copy / "manifest.json").read_text())
    calls = len(json.loads(plan)["program"]["calls"])
    changes: list[tuple[Callable[[Any], Any], str]] = [
        (lambda p: p.update(arena=8), "outside of the arena"),
        (lambda p: p.update(before=calls + 1), f"no call {calls + 1}"),
        (lambda p: p["outputs"].__setitem__(0, 999), "no storage 999"),
        (lambda p: p.update(outputs=[]), "no storage for an output"),
        (lambda p: p.update(new_states=[]), "one new value for each state"),
        (lambda p: p["calls"][0].update(kernel=999), "no kernel 999"),
        (lambda p: p["calls"][0].update(sizes=[0]), "a call of 1 members has"),
        (lambda p: p.update(checks=[]), "a check that is not there"),
        (lambda p: p["storages"][0].update(dtype="float8"), "no dtype 'float8'"),
        (lambda p: p["storages"][0].update(place="disk"), "disk"),
        (lambda p: p["storages"][0].update(shape=[9]), "input 0 is"),
        (lambda p: p["constants"].append("99"), "no constant '99'"),
        (lambda p: p.pop("calls"), "has no 'calls'"),
        (lambda p: p["kernels"][0].update(symbol="kernel999"), "no kernel 'kernel999'"),
        (
            lambda p: next(c for c in p["calls"] if "loop" in c)["loop"].update(carries=99),
            "more carries",
        ),
    ]
    for change, message in changes:
        whole = json.loads(plan)
        change(whole["program"])
        content = json.dumps(whole).encode()
        entry = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        (copy / "plan.json").write_bytes(content)
        files = manifest["files"] | {"plan.json": entry}
        (copy / "manifest.json").write_text(json.dumps(manifest | {"files": files}))
        with pytest.raises(ng.BinaryError, match=message):
            load(copy)


def test_builds_that_are_refused(tagger: Built, copy: Path, tmp_path: Path) -> None:
    double = lambda x: x * 2  # noqa: E731
    (tmp_path / "file").write_text("mine")
    (copy / "notes.txt").write_text("mine")
    cases: list[tuple[Any, str, dict[str, Any], type[Exception], str]] = [
        (double, "a", {"x": ng.spec((None, 3))}, ValueError, r"x is f32\[batch,3\]: give a number"),
        (double, "a", {"x": ng.spec((3,)), "target": "cuda"}, ValueError, "no target 'cuda'"),
        (double, "file", {"x": ng.spec((3,))}, FileExistsError, "is a file; a binary is a folder"),
        (double, "copy", {"x": ng.spec((3,))}, FileExistsError, r"holds notes\.txt"),
        (double, "no/a", {"x": ng.spec((3,))}, FileNotFoundError, "does not exist"),
        (ng.compile(double), "a", {}, RuntimeError, "call"),
    ]
    for function, name, options, kind, message in cases:
        with pytest.raises(kind, match=message):
            ng.build(function, tmp_path / name, **options)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "file"]
    assert np.array_equal(load(copy)(*tagger.batches[0])[0].numpy(), tagger.first[0])
