"""Runs exported training steps as their metadata says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from nngraph.ir.op import Array

__all__ = ["calls_of"]

_TYPES = {"tensor(double)": np.float64, "tensor(int64)": np.int64}


def calls_of(path: Path, batches: list[Array]) -> Iterator[Array]:
    """The first result of each call of a file, each fed the state of the one before.

    The file has one input besides its state, which has initial values in it.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns about each initializer that an input may replace
    session = onnxruntime.InferenceSession(path, options)
    meta = json.loads({p.key: p.value for p in onnx.load(path).metadata_props}["nngraph.step"])
    kinds = {i.name: _TYPES.get(i.type, np.float32) for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs()]
    feeds = {k: np.asarray(v, kinds[k]) for k, v in meta["scalars"].items()}
    for x in batches:
        found = dict(zip(names, session.run(None, {meta["batch"][0]: x} | feeds), strict=True))
        changed = [s for s in meta["state"] if "output" in s]
        feeds |= {s["input"]: found[s["output"]] for s in changed}
        yield found[meta["results"][0]]
