from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import nngraph as ng
from tests.bundles.programs import write_digits

pytest.importorskip("sklearn", reason="needs the demo extra")
pytest.importorskip("onnxruntime", reason="needs the onnx extra")


def test_what_the_page_trains_is_written(tmp_path: Path) -> None:
    folder = write_digits(tmp_path / "data")
    counts = json.loads((folder / "scans.json").read_text())
    total = counts["train"] + counts["test"]
    raw = np.frombuffer((folder / "scans.bin").read_bytes(), np.uint8)
    pixels, labels = raw[: total * 64].reshape(total, 1, 8, 8), raw[total * 64 :]
    assert total == 1797 == len(labels)
    assert pixels.max() == 16
    assert set(labels) == set(range(10))

    step = ng.load_step(folder / "bundle")
    assert step.scalars["lr"] == 3e-3
    assert set(step.state_dict()) >= {"0.weight", "optimizer.exp_avg.0.weight"}
    found = [step(pixels[:64] / np.float32(8) - 1, labels[:64].astype(np.int64)) for _ in range(12)]
    assert float(found[-1]["loss"]) < 0.5 < float(found[0]["loss"])
    assert float(found[-1]["accuracy"]) > 0.8
