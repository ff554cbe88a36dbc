"""Binaries compute what the compiled function computes: in Python, without nngraph, and in C++."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph.ir.op import Array
from tests.binaries.conftest import STEPS, Built
from tests.bundles.networks import NETWORKS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def same(one: Any, two: Any) -> bool:
    return all(
        np.asarray(one[name]).tobytes() == np.asarray(two[name]).tobytes()
        for name in {*one} & {*two}
    )


def test_it_goes_on_bit_for_bit(digits: Built, tmp_path: Path) -> None:
    step = ng.load_binary(digits.folder, trust=True, threads=1)
    assert repr(step) == "<BinaryStep train_step(x: f32[16,1,8,8], y: i64[16]) on host>"
    for i, (batch, loss) in enumerate(zip(digits.batches, digits.first, strict=True)):
        if i == 5:  # through files; the folder itself stays as it was
            step = ng.load_binary(step.save(tmp_path / "b"), trust=True, threads=1)
        assert step(*batch).numpy().tobytes() == loss.tobytes()
    found = {name: value.numpy() for name, value in step.state_dict().items()}
    assert same(found, digits.states) and {*digits.states} < {*found}
    first, last = np.mean(digits.first[:10]), np.mean(digits.first[-10:])
    assert last < 0.7 * first

    # Its state goes on in a bundle, and back.
    bundle = ng.export(digits.compiled, tmp_path / "bundle")
    other = ng.load_step(bundle, backend="tvm", threads=1)
    fresh = ng.load_binary(digits.folder, trust=True, threads=1)
    ng.save(step.state_dict(), tmp_path / "state.safetensors")
    other.load_state_dict(ng.load(tmp_path / "state.safetensors"))
    fresh.load_state_dict(other.state_dict())
    (batch,) = NETWORKS["digits"]().batches(1, seed=9)
    wanted = step(*batch).numpy().tobytes()
    assert fresh(*batch).numpy().tobytes() == other(*batch).numpy().tobytes() == wanted
    step.scalars["lr"] = 0.0
    before = step.state_dict()["6.weight"].numpy().copy()
    step(*batch)
    assert np.array_equal(step.state_dict()["6.weight"].numpy(), before)
    assert ng.load_binary(step.save(tmp_path / "b"), trust=True).scalars["lr"] == 0


SCRIPT = """
import runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
assert not {"tvm", "nngraph"} & {*sys.modules}
"""


def test_without_nngraph(digits: Built, tmp_path: Path) -> None:
    saved = tmp_path / "state.safetensors"
    command = [sys.executable, "-c", SCRIPT, EXAMPLES / "run_binary.py", digits.folder, digits.file]
    environment = {**os.environ, "TVM_FFI_DISABLE_TORCH_C_DLPACK": "1"}
    done = subprocess.run(
        [*map(str, command), "--save", str(saved)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [np.float32(line) for line in done.stdout.split()] == digits.first
    assert same({k: v.numpy() for k, v in ng.load(saved).items()}, digits.states)


def script() -> Any:
    """examples/run_binary.py, imported."""
    spec = importlib.util.spec_from_file_location("run_binary", EXAMPLES / "run_binary.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_model_with_a_loop_and_a_check(tagger: Built, capsys: Any, monkeypatch: Any) -> None:
    model = ng.load_binary(tagger.folder, trust=True, threads=1)
    for (ids,), wanted in zip(tagger.batches, tagger.first, strict=True):
        out, rest = model(ids)
        assert out.numpy().tobytes() == wanted.tobytes() and rest["h"].shape == (1, 3, 6)
    with pytest.raises(IndexError, match="index 7 is out of range for axis 0 of size 7"):
        model(np.full((3, 4), 7))
    with pytest.raises(ValueError, match=r"ids is i64\[2,4\]; it is made for i64\[3,4\]"):
        model(tagger.batches[0][0][:2])
    with pytest.raises(TypeError, match="takes ids: i64"):
        model()
    assert model(tagger.batches[0][0])[0].numpy().tobytes() == tagger.first[0].tobytes()

    monkeypatch.setattr(sys, "argv", ["run_binary", str(tagger.folder), str(tagger.file)])
    script().main()
    found = [np.float32(line) for line in capsys.readouterr().out.split()]
    assert found == [array[0] for array in tagger.first]


def test_in_cpp(digits: Built, tagger: Built, tmp_path: Path) -> None:
    if shutil.which("g++") is None or shutil.which("make") is None:
        pytest.skip("g++ and make are not installed")
    runner, saved = tmp_path / "run_binary", tmp_path / "state.safetensors"
    options = [f"PYTHON={sys.executable}", f"OUT={runner}", "CXX=g++ -O0"]
    made = run(["make", "-s", "-C", str(EXAMPLES / "cpp"), "-f", "run_binary.mk", *options])
    assert made.returncode == 0, made.stderr
    done = run([str(runner), str(digits.folder), str(digits.file), str(saved)])
    assert done.returncode == 0, done.stderr
    found = numbers(done.stdout)
    assert len(found) == STEPS and found == digits.first
    assert same({k: v.numpy() for k, v in ng.load(saved).items()}, digits.states)
    done = run([str(runner), str(tagger.folder), str(tagger.file)])
    assert numbers(done.stdout) == [array[0] for array in tagger.first], done.stderr

    copy = tmp_path / "copy"
    shutil.copytree(tagger.folder, copy)
    manifest = (copy / "manifest.json").read_text()
    for change, message in [
        (manifest.replace('"version": 1', '"version": 2'), "version 1: get a newer runner"),
        (manifest.replace('"requires": [', '"requires": ["avx9000",'), "lacks: avx9000"),
        (manifest.replace('"bytes": ', '"bytes": 1'), "is damaged"),
    ]:
        (copy / "manifest.json").write_text(change)
        done = run([str(runner), str(copy), str(tagger.file)])
        assert done.returncode == 1 and message in done.stderr
    assert run([str(runner)]).returncode == 2


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TVM_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def numbers(text: str) -> list[Array]:
    return [np.float32(line) for line in text.split()]  # type: ignore[misc]
