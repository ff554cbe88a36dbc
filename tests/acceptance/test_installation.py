"""What is missing, doubled or damaged on a user's machine is named, or made again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import nngraph as ng
from nngraph import nn
from tests.support.training import snapshot

ROOT = Path(__file__).resolve().parents[2]


def python(program: str, *paths: Path) -> str:
    """What a fresh interpreter prints; ``paths`` come before all others."""
    lines = [f"import sys; sys.path[:0] = {[*map(str, paths), str(ROOT)]!r}", program]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("backend", "package", "extra"),
    [("onnx", "onnxruntime", "onnx"), ("onnx", "onnx", "onnx"), ("tvm", "tvm", "tvm")],
)
def test_a_missing_extra_is_named_with_the_command(backend: str, package: str, extra: str) -> None:
    out = python(f"""
sys.modules[{package!r}] = None  # what an import of a missing package comes to
import nngraph as ng
print(float(ng.compile(lambda x: x * 2, backend="reference")(ng.tensor(1.5))))
try:
    ng.compile(lambda x: x, backend={backend!r})
except ng.BackendError as error:
    print(error)
""")
    assert out.startswith("3.0\n")
    assert f"needs the package {package!r}" in out
    assert f'pip install "nngraph[{extra}]"' in out


def test_two_packages_of_one_module_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    for name in ("onnxruntime", "onnxruntime_gpu"):
        folder = tmp_path / f"{name}-9.9.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 9.9\n"
        )
    program = """
import nngraph as ng
try:
    ng.compile(lambda x: x, backend="onnx")
except ng.BackendError as error:
    print(error)
"""
    out = python(program, tmp_path)
    assert "both onnxruntime and onnxruntime-gpu are installed" in out
    assert "pip uninstall onnxruntime onnxruntime-gpu" in out


# -- damaged files ---------------------------------------------------------------------------
def damaged(data: bytes) -> Iterator[bytes]:
    yield b""
    yield data[:5]
    yield data[: len(data) // 2]
    yield b"\xff" * 8 + data[8:]
    yield b"PK\x03\x04" + data[4:]


def test_a_damaged_checkpoint_changes_nothing(tmp_path: Path) -> None:
    model, path = nn.Linear(4, 3), tmp_path / "model.safetensors"
    ng.save(model.state_dict(), path)
    before = snapshot(model)
    for data in damaged(path.read_bytes()):
        path.write_bytes(data)
        with pytest.raises(ng.CheckpointError, match=r"model.*whole (safetensors|zip)"):
            model.load_state_dict(ng.load(path))
    for old, new in zip(before, snapshot(model), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(FileNotFoundError):
        ng.load(tmp_path / "none.safetensors")


def test_a_damaged_kernel_cache_is_made_again(tmp_path: Path) -> None:
    pytest.importorskip("tvm", reason="needs the tvm extra")
    program = f"""
import nngraph as ng, numpy as np
run = ng.compile(lambda x: (x * 2 + 1).relu(), backend="tvm", threads=1, cache={str(tmp_path)!r})
print(run(np.arange(3, dtype=np.float32)).tolist())
"""
    wanted = python(program)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert files, "nothing was kept"
    for path in files:
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
    assert python(program) == wanted == "[1.0, 3.0, 5.0]\n"
