"""The bundles train in Node.js, with onnxruntime-node, to the losses of the step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from tests.bundles.networks import NETWORKS
from tests.bundles.programs import EXAMPLES, ended_well, modules_with, node, plain

STEPS = 100


def node_losses(folder: Path, batches: list[dict[str, Any]], out: Path) -> list[float]:
    """Those of examples/node/train.mjs; the state is saved in ``out``, as ``state.safetensors``."""
    program, modules = node(), modules_with("onnxruntime-node", "node")
    for example in ("node", "browser"):
        (out / example).mkdir()
        for script in (EXAMPLES / example).glob("*.mjs"):
            shutil.copy(script, out / example)
    (out / "node" / "node_modules").symlink_to(modules)
    (out / "batches.json").write_text(json.dumps(batches))
    command = [program, "train.mjs", folder, out / "batches.json", out / "state.safetensors"]
    return [float(line) for line in ended_well(command, out / "node").split()]


@pytest.mark.parametrize("name", list(NETWORKS))
def test_node_trains_to_the_same_losses_and_its_state_resumes(name: str, tmp_path: Path) -> None:
    node(), modules_with("onnxruntime-node", "node")
    network = NETWORKS[name]()
    step = ng.compile(network.step)
    step(*next(network.batches(1)))
    folder = ng.export(step, tmp_path / name, *network.specs())
    loaded = ng.load_step(folder)
    names = [port.name for port in loaded.signature.inputs]
    batches = [*network.batches(STEPS - 1, seed=1), *network.batches(1, size=3, seed=2)]
    rows = [dict(zip(names, map(plain, batch), strict=True)) for batch in batches]
    found = node_losses(folder, rows, tmp_path)
    wanted = [_first(loaded(*batch)) for batch in batches]
    np.testing.assert_allclose(found, wanted, 1e-3, 1e-4)

    loaded.load_state_dict(ng.load(tmp_path / "state.safetensors"))
    (batch,) = network.batches(1, seed=3)
    again = ng.load_step(folder)
    again.load_state_dict(loaded.state_dict())
    assert _first(again(*batch)) == _first(loaded(*batch))


def _first(result: Any) -> float:
    if isinstance(result, dict):
        result = result["loss"]
    return float(result[0] if isinstance(result, tuple) else result)
