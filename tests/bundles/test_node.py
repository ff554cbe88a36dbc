"""The bundles train in Node.js, with onnxruntime-node, to the losses of the step."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from tests.bundles.networks import NETWORKS

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "node"
STEPS = 100


def node() -> tuple[str, dict[str, str]]:
    """Node, and an environment in which it finds onnxruntime-node."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    folder = Path(os.environ.get("NNGRAPH_NODE_MODULES", EXAMPLE / "node_modules"))
    if not (folder / "onnxruntime-node").is_dir():
        pytest.skip("onnxruntime-node is not installed: make test-web installs it")
    return found, {**os.environ, "NNGRAPH_NODE_MODULES": str(folder)}


def plain(array: Any) -> dict[str, Any]:
    return {"dtype": str(array.dtype), "shape": array.shape, "data": array.ravel().tolist()}


@pytest.mark.parametrize("name", list(NETWORKS))
def test_node_trains_to_the_same_losses_and_its_state_resumes(name: str, tmp_path: Path) -> None:
    program, environment = node()
    network = NETWORKS[name]()
    step = ng.compile(network.step)
    step(*next(network.batches(1)))
    folder = ng.export(step, tmp_path / name, *network.specs())
    loaded = ng.load_step(folder)
    names = [port.name for port in loaded.signature.inputs]
    batches = [*network.batches(STEPS - 1, seed=1), *network.batches(1, size=3, seed=2)]
    rows = [dict(zip(names, map(plain, batch), strict=True)) for batch in batches]
    (tmp_path / "batches.json").write_text(json.dumps(rows))

    scripts = tmp_path / "node"
    scripts.mkdir()
    for script in EXAMPLE.glob("*.mjs"):
        shutil.copy(script, scripts)
    (scripts / "node_modules").symlink_to(environment["NNGRAPH_NODE_MODULES"])
    saved = tmp_path / "state.safetensors"
    command = [program, "train.mjs", str(folder), str(tmp_path / "batches.json"), str(saved)]
    done = subprocess.run(command, cwd=scripts, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [float(line) for line in done.stdout.split()]
    wanted = [_first(loaded(*batch)) for batch in batches]
    np.testing.assert_allclose(found, wanted, 1e-3, 1e-4)

    loaded.load_state_dict(ng.load(saved))
    (batch,) = network.batches(1, seed=3)
    again = ng.load_step(folder)
    again.load_state_dict(loaded.state_dict())
    assert _first(again(*batch)) == _first(loaded(*batch))


def _first(result: Any) -> float:
    if isinstance(result, dict):
        result = result["loss"]
    return float(result[0] if isinstance(result, tuple) else result)
