"""Trains on from the files that digits.py exported, with onnxruntime and NumPy and nothing else.

The metadata of train_step.onnx says which output is the next value of which input. So a training
loop in any language is: feed the batch, the scalars and the state; keep the new state.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

Arrays = dict[str, np.ndarray]

DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
HOST_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}


def read_safetensors(path: Path) -> Arrays:
    """A safetensors file: the header's length in 8 bytes, the header in JSON, the raw data."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    header.pop("__metadata__", None)
    arrays: Arrays = {}
    for name, entry in header.items():
        start, end = (8 + size + offset for offset in entry["data_offsets"])
        flat: np.ndarray = np.frombuffer(raw[start:end], DTYPES[entry["dtype"]])
        arrays[name] = flat.reshape(entry["shape"])
    return arrays


class Step:
    """An exported function: a session, its metadata, and its scalars."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 2
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        properties = self.session.get_modelmeta().custom_metadata_map
        self.meta: dict[str, Any] = json.loads(properties["nngraph.step"])
        inputs = {entry.name: entry for entry in self.session.get_inputs()}
        self.batch_size: int = inputs[self.meta["batch"][0]].shape[0]
        self.scalars = {
            name: np.array(value, HOST_TYPES[inputs[name].type])
            for name, value in self.meta["scalars"].items()
        }

    def __call__(self, state: Arrays, *batch: np.ndarray) -> list[np.ndarray]:
        """Runs once, replaces what changed in `state`, returns the results."""
        inputs = {entry["input"]: state[entry["name"]] for entry in self.meta["state"]}
        feeds = dict(zip(self.meta["batch"], batch, strict=True)) | inputs | self.scalars
        changed = [entry for entry in self.meta["state"] if entry.get("output")]
        wanted = self.meta["results"] + [entry["output"] for entry in changed]
        outputs = self.session.run(wanted, feeds)
        count = len(self.meta["results"])
        names = [entry["name"] for entry in changed]
        state.update(zip(names, outputs[count:], strict=True))
        return list(outputs[:count])

    def set_learning_rate(self, value: float) -> None:
        """Every scalar that is a learning rate: `lr`, or one for each group of parameters."""
        for name, scalar in self.scalars.items():
            if name.split(".")[-1] == "lr":
                self.scalars[name] = np.array(value, scalar.dtype)


def batches(
    x: np.ndarray, y: np.ndarray, size: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Full batches in random order."""
    order = rng.permutation(len(x))
    for start in range(0, len(x) - size + 1, size):
        chosen = order[start : start + size]
        yield x[chosen], y[chosen]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of digits.py's files")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--lr", type=float, default=3e-4)
    options = parser.parse_args()

    data = np.load(options.out / "digits.npz")
    train_step = Step(options.out / "train_step.onnx")
    predict = Step(options.out / "predict.onnx")
    state = read_safetensors(options.out / train_step.meta["state_file"])
    train_step.set_learning_rate(options.lr)
    rng = np.random.default_rng(1)

    def accuracy() -> float:
        (labels,) = predict(state, data["x_test"])
        return float((labels == data["y_test"]).mean())

    print(f"onnxruntime {ort.__version__}: test accuracy {accuracy():.2%} as exported")
    for epoch in range(options.epochs):
        pairs = batches(data["x_train"], data["y_train"], train_step.batch_size, rng)
        losses = [float(train_step(state, x, y)[0]) for x, y in pairs]
        print(f"  epoch {epoch + 1}: loss {np.mean(losses):.4f}, test accuracy {accuracy():.2%}")


if __name__ == "__main__":
    main()
