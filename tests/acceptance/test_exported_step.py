"""An exported step trains in a process that has onnxruntime and NumPy and nothing of nngraph."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph import nn, optim
from tests.support.backends import BACKENDS

onnx = pytest.importorskip("onnx", reason="needs the onnx extra")
pytest.importorskip("onnxruntime", reason="needs the onnx extra")

STEPS = 4

# Trains by the metadata alone; the only modules are onnxruntime, numpy and json.
PROGRAM = """
import json, sys
import numpy as np, onnxruntime as ort

path, data = sys.argv[1], np.load(sys.argv[2])
session = ort.InferenceSession(path)
meta = json.loads(session.get_modelmeta().custom_metadata_map["nngraph.step"])
kinds = {"tensor(float)": "f4", "tensor(double)": "f8", "tensor(int64)": "i8"}
types = {entry.name: kinds.get(entry.type) for entry in session.get_inputs()}
codes = {"F32": "f4", "F64": "f8", "I64": "i8", "I32": "i4", "U32": "u4"}
feeds = {name: np.array(value, types[name]) for name, value in meta["scalars"].items()}
if "state_file" in meta:
    raw = open(path.rpartition("/")[0] + "/" + meta["state_file"], "rb").read()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    for entry in meta["state"]:
        found = header[entry["name"]]
        low, high = found["data_offsets"]
        flat = np.frombuffer(raw[start + low : start + high], codes[found["dtype"]])
        feeds[entry["input"]] = flat.reshape(found["shape"])
changed = [entry for entry in meta["state"] if "output" in entry]
losses = []
for x, y in zip(data["x"], data["y"]):
    feeds.update(zip(meta["batch"], (x, y)))
    outputs = session.run(meta["results"] + [e["output"] for e in changed], feeds)
    losses.append(float(outputs[0]))
    feeds.update(zip((e["input"] for e in changed), outputs[len(meta["results"]) :]))
assert not {"nngraph", "onnx", "torch", "safetensors"} & set(sys.modules)
print(json.dumps(losses))
"""


def build() -> tuple[Any, Callable[..., Any]]:
    """A model with every sort of state (statistics, counters, moments, keys), and its step."""
    ng.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(36, 3),
    )
    optimizer = optim.AdamW(model.parameters(), lr=1e-2)
    loss_fn = nn.CrossEntropyLoss()

    def train_step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return model, train_step


def data() -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((STEPS + 1, 8, 1, 6, 6)).astype(np.float32)
    return {"x": x, "y": rng.integers(0, 3, (STEPS + 1, 8))}


def start(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-I", "-c", program, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=120
    )


@pytest.fixture(scope="module", params=BACKENDS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: Any) -> tuple[Path, list[float]]:
    """The folder of a step that was exported after one call, and the losses of its later calls."""
    folder = tmp_path_factory.mktemp("step")
    _, train_step = build()
    step = ng.compile(train_step, backend=request.param, threads=1)
    batches = data()
    step(batches["x"][0], batches["y"][0])
    ng.export(step, folder / "step.onnx")
    ng.export(step, folder / "whole.onnx", state="initializers")
    rest = {k: v[1:] for k, v in batches.items()}
    np.savez(folder / "data.npz", **rest)
    return folder, [float(step(x, y)) for x, y in zip(rest["x"], rest["y"], strict=True)]


@pytest.mark.parametrize("file", ["step.onnx", "whole.onnx"])
def test_the_file_trains_to_the_same_losses(trained: Any, file: str) -> None:
    folder, losses = trained
    done = start(PROGRAM, folder / file, folder / "data.npz")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == pytest.approx(losses, rel=1e-4)
    assert len(set(losses)) == STEPS


def test_the_file_is_standard_and_loads_silently(trained: Any) -> None:
    folder, _ = trained
    model = onnx.load(folder / "step.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain for entry in model.opset_import} == {""}
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions
    load = "import sys, onnxruntime; onnxruntime.InferenceSession(sys.argv[1])"
    done = start(load, folder / "step.onnx")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_inference_runs_at_any_batch_size(tmp_path: Path) -> None:
    import onnxruntime

    model, _ = build()
    path = ng.export(model.eval(), tmp_path / "model.onnx", ng.spec((None, 1, 6, 6)))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert (given.name, given.shape) == ("input", ["batch", 1, 6, 6])
    for size in (1, 2, 7, 33):
        x = np.random.default_rng(size).standard_normal((size, 1, 6, 6)).astype(np.float32)
        (out,) = session.run(None, {"input": x})
        np.testing.assert_allclose(out, model(ng.tensor(x)).detach(), rtol=1e-4, atol=1e-5)


REFUSED: dict[str, tuple[Any, tuple[Any, ...], dict[str, str], type[Exception], str]] = {
    "a folder that is not there": (
        nn.Linear(4, 3),
        (ng.spec((None, 4)),),
        {},
        FileNotFoundError,
        "no-such-folder does not exist: create it",
    ),
    "training mode": (nn.BatchNorm1d(4), (ng.spec((None, 4)),), {}, ValueError, "model.eval()"),
    "training mode, fixed size": (
        nn.BatchNorm1d(4),
        (ng.spec((6, 4)),),
        {},
        ValueError,
        "model.eval()",
    ),
    "a wrong shape": (nn.Linear(4, 3), (ng.spec((None, 5)),), {}, RuntimeError, "in_features = 4"),
    "no arguments": (nn.Linear(4, 3), (), {}, TypeError, "'input'"),
    "no state": (
        nn.Linear(4, 3),
        (ng.spec((2, 4)),),
        {"state": "text"},
        ValueError,
        "'safetensors', 'initializers', 'constants'",
    ),
    "nothing traced": (
        ng.compile(nn.ReLU(), backend="reference"),
        (),
        {},
        RuntimeError,
        "call the compiled function once",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_export_says_why_and_leaves_files_alone(tmp_path: Path, case: str) -> None:
    function, arguments, options, kind, text = REFUSED[case]
    path = tmp_path / ("no-such-folder/m.onnx" if "folder" in case else "m.onnx")
    if path.parent == tmp_path:
        path.write_text("old")
    before = {p.name: p.read_text() for p in tmp_path.iterdir()}
    with pytest.raises(kind) as caught:
        ng.export(function, path, *arguments, **options)
    assert text in str(caught.value)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == before


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    folder = tmp_path / "model.onnx"
    folder.mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        ng.export(nn.Linear(4, 3), folder, ng.spec((None, 4)))
    assert list(tmp_path.iterdir()) == [folder] and not list(folder.iterdir())


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"-1 of \(-1, 4\) is negative; write None"):
        ng.spec((-1, 4))
