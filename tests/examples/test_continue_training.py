"""continue_training.py on a step written by hand in ONNX: it needs the format, not nngraph."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the onnx extra")
pytest.importorskip("onnxruntime", reason="needs the onnx extra")

from safetensors.numpy import save_file  # noqa: E402

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "continue_training.py"
BATCH = 16

TRAIN_STEP = """
<ir_version: 10, opset_import: ["" : 21]>
step (float[16,1,8,8] x, int64[16] y, float lr, float[64,10] w, float[64,10] m)
    => (float loss, float[64,10] w_next, float[64,10] m_next)
<float momentum = {0.9}, float count = {16.0}, int64[1] classes = {10}, float[2] off_on = {0, 1}>
{
    rows = Flatten (x)
    logits = MatMul (rows, w)
    loss, log_p = SoftmaxCrossEntropyLoss (logits, y)
    p = Exp (log_p)
    wanted = OneHot <axis = -1> (y, classes, off_on)
    error = Sub (p, wanted)
    mean_error = Div (error, count)
    columns = Transpose (rows)
    gradient = MatMul (columns, mean_error)
    slower = Mul (m, momentum)
    m_next = Add (slower, gradient)
    update = Mul (m_next, lr)
    w_next = Sub (w, update)
}
"""

PREDICT = """
<ir_version: 10, opset_import: ["" : 21]>
predict (float[N,1,8,8] x, float[64,10] weight) => (int64[N] label)
{
    rows = Flatten (x)
    logits = MatMul (rows, weight)
    label = ArgMax <axis = 1, keepdims = 0> (logits)
}
"""

TRAIN_META = {
    "batch": ["x", "y"],
    "scalars": {"lr": 0.5},
    "state": [
        {"input": "w", "output": "w_next", "name": "model.weight"},
        {"input": "m", "output": "m_next", "name": "optimizer.weight.momentum_buffer"},
    ],
    "results": ["loss"],
    "state_file": "train_step.safetensors",
}
PREDICT_META = {
    "batch": ["x"],
    "scalars": {},
    "state": [{"input": "weight", "name": "model.weight"}],
    "results": ["label"],
}


def write_model(path: Path, text: str, meta: dict[str, object]) -> None:
    model = onnx.parser.parse_model(text)
    onnx.helper.set_model_props(model, {"nngraph.step": json.dumps(meta)})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def make_data() -> dict[str, np.ndarray]:
    """Noisy images of ten fixed patterns, which a linear model tells apart."""
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((10, 64))
    labels = rng.integers(0, 10, 400)
    images = patterns[labels] + 0.5 * rng.standard_normal((400, 64))
    images = images.reshape(-1, 1, 8, 8).astype(np.float32)
    return {
        "x_train": images[:320],
        "x_test": images[320:],
        "y_train": labels[:320],
        "y_test": labels[320:],
    }


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    write_model(tmp_path / "train_step.onnx", TRAIN_STEP, TRAIN_META)
    write_model(tmp_path / "predict.onnx", PREDICT, PREDICT_META)
    zeros = np.zeros((64, 10), np.float32)
    state = {"model.weight": zeros, "optimizer.weight.momentum_buffer": zeros}
    save_file(state, tmp_path / "train_step.safetensors")
    np.savez(tmp_path / "digits.npz", **make_data())
    return tmp_path


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(SCRIPT), "--out", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def losses(lr: float, epochs: int) -> list[float]:
    """The mean loss of each epoch by the same formulas in NumPy, on the same batches."""
    data, rng = make_data(), np.random.default_rng(1)
    w, m, result = np.zeros((64, 10)), np.zeros((64, 10)), []
    for _ in range(epochs):
        order, seen = rng.permutation(320), []
        for start in range(0, 320, BATCH):
            chosen = order[start : start + BATCH]
            x, y = data["x_train"][chosen].reshape(-1, 64), data["y_train"][chosen]
            logits = x @ w
            log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
            seen.append(-log_p[np.arange(BATCH), y].mean())
            m = 0.9 * m + x.T @ (np.exp(log_p) - np.eye(10)[y]) / BATCH
            w = w - lr * m
        result.append(float(np.mean(seen)))
    return result


def test_trains_on_to_the_losses_of_the_formulas(exported: Path) -> None:
    done = run(exported, "--epochs", "3", "--lr", "0.01")
    assert done.returncode == 0, done.stderr
    first, *epochs = done.stdout.splitlines()
    assert "as exported" in first
    printed = [float(line.split("loss ")[1].split(",")[0]) for line in epochs]
    assert printed == pytest.approx(losses(0.01, 3), abs=2e-4)
    assert float(epochs[-1].split()[-1].rstrip("%")) > 95


def test_learning_rate_reaches_the_step(exported: Path) -> None:
    done = run(exported, "--epochs", "2", "--lr", "0")
    assert done.returncode == 0, done.stderr
    at_zero = [line.split("loss ")[1].split(",")[0] for line in done.stdout.splitlines()[1:]]
    assert at_zero == ["2.3026", "2.3026"]


WITHOUT = """
import runpy, sys
sys.modules.update(dict.fromkeys(("nngraph", "onnx", "safetensors", "sklearn", "torch", "tqdm")))
sys.argv = {arguments!r}
runpy.run_path({script!r}, run_name="__main__")
"""


def test_needs_onnxruntime_and_numpy_alone(exported: Path) -> None:
    arguments = [str(SCRIPT), "--out", str(exported), "--epochs", "1"]
    program = WITHOUT.format(arguments=arguments, script=str(SCRIPT))
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "epoch 1:" in done.stdout
