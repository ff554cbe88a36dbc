from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.backends import BACKENDS

pytest.importorskip("sklearn", reason="needs the demo extra")
pytest.importorskip("onnxruntime", reason="needs the onnx extra")

ROOT = Path(__file__).resolve().parents[2]


def start(script: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "examples" / script), *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def run(script: str, *options: str) -> str:
    done = start(script, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def accuracies(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"test accuracy ([\d.]+)%", text)]


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_digits_trains_and_its_files_train_on(backend: str, tmp_path: Path) -> None:
    if backend == "tvm":
        pytest.importorskip("tvm", reason="needs the tvm extra")
    (trained,) = accuracies(
        run("digits.py", "--out", str(tmp_path), "--epochs", "5", "--backend", backend)
    )
    exported, *later = accuracies(run("continue_training.py", "--out", str(tmp_path)))
    assert trained > 97
    assert exported == trained
    assert len(later) == 5
    assert later[-1] > 97


def test_digits_says_when_it_was_not_trained_long_enough(tmp_path: Path) -> None:
    done = start("digits.py", "--out", str(tmp_path), "--epochs", "1")
    assert done.returncode == 1
    assert "expected more than 97%" in done.stderr


def test_digits_refuses_to_train_for_no_epoch(tmp_path: Path) -> None:
    done = start("digits.py", "--out", str(tmp_path), "--epochs", "0")
    assert done.returncode == 2
    assert "--epochs 0" in done.stderr
