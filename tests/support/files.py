"""Runs exported training steps as their metadata says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

from nngraph.ir.op import Array

__all__ = ["File", "calls_of"]

_TYPES = {"tensor(double)": np.float64, "tensor(int64)": np.int64}


class File:
    """An exported step, which keeps its state between runs.

    Attributes:
        step: the metadata.
        feeds: scalars and state, by the names of inputs.
    """

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # of initial values, and of runs that are meant to fail
        self._session = onnxruntime.InferenceSession(path, options)
        metadata = {p.key: p.value for p in onnx.load(path).metadata_props}
        self.step: dict[str, Any] = json.loads(metadata["nngraph.step"])
        kinds = {i.name: _TYPES.get(i.type, np.float32) for i in self._session.get_inputs()}
        scalars = self.step["scalars"].items()
        self.feeds: dict[str, Any] = {k: np.asarray(v, kinds[k]) for k, v in scalars}
        if "state_file" in self.step:
            held = load_file(path.parent / self.step["state_file"])
            self.feeds |= {s["input"]: held[s["name"]] for s in self.step["state"]}

    def run(self, *batch: Array) -> list[Array]:
        """The results of a run with these inputs; a run that fails changes nothing."""
        given = dict(zip(self.step["batch"], map(np.asarray, batch), strict=True))
        names = [o.name for o in self._session.get_outputs()]
        found = dict(zip(names, self._session.run(None, given | self.feeds), strict=True))
        changed = [s for s in self.step["state"] if "output" in s]
        self.feeds |= {s["input"]: found[s["output"]] for s in changed}
        return [found[name] for name in self.step["results"]]


def calls_of(path: Path, batches: list[Array]) -> Iterator[Array]:
    """The first result of each call of a file, each fed the state of the one before."""
    file = File(path)
    for x in batches:
        yield file.run(x)[0]
