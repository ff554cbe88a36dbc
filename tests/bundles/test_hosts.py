"""Bundles train in plain onnxruntime, as docs/bundles.md says, to the losses of the step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import nngraph as ng
from nngraph.ir.op import Array
from tests.bundles.networks import NETWORKS

DOCS = Path(__file__).resolve().parents[2] / "docs" / "bundles.md"


def recipe() -> str:
    """The listings of the documentation that run, as one program."""
    listings = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return "\n".join(text for text in listings if "onnxruntime" in text)


def host(folder: Path) -> dict[str, Any]:
    """The program of the documentation, with another folder: its names."""
    names: dict[str, Any] = {}
    text = recipe()
    assert text.count('Path("digits")') == 1
    exec(text.replace('Path("digits")', f"Path({str(folder)!r})"), names)
    return names


def loss_of(result: Any) -> float:
    if isinstance(result, dict):
        result = result["loss"]
    return float(result[0] if isinstance(result, tuple) else result)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_plain_onnxruntime_trains_to_the_same_losses(name: str, tmp_path: Path) -> None:
    network = NETWORKS[name]()
    step = ng.compile(network.step)
    for batch in network.batches(2):
        step(*batch)
    folder = ng.export(step, tmp_path / name, *network.specs())
    program = host(folder)
    losses = []
    for batch in network.batches(100, seed=1):
        loss = loss_of(step(*batch))
        losses.append(loss)
        assert float(program["train"](*batch)[0]) == pytest.approx(loss, rel=2e-4, abs=2e-5)
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])

    # The last, smaller batch; then the model, fed with the trained state.
    (small,) = network.batches(1, size=3, seed=2)
    wanted = loss_of(ng.compile(network.step)(*small))
    assert float(program["train"](*small)[0]) == pytest.approx(wanted, rel=2e-4, abs=2e-5)
    given = small[0][:, :-1] if name == "gpt" else small[0]
    trained = {k: v for k, v in program["state"].items() if k in network.model.state_dict()}
    network.model.load_state_dict(trained, strict=False)  # gpt's head is tied to its tokens
    with ng.no_grad():
        expected = network.model.eval()(ng.from_numpy(given)).numpy()
    np.testing.assert_allclose(program["predict"](given)[0], expected, 1e-4, 1e-5)


def test_state_saved_by_one_runtime_resumes_in_another(tmp_path: Path) -> None:
    network = NETWORKS["digits"]()
    step = ng.compile(network.step)
    step(*next(network.batches(1)))
    folder = ng.export(step, tmp_path / "digits", *network.specs())
    program, batches = host(folder), list(network.batches(6, seed=1))
    for batch in batches[:2]:
        program["train"](*batch)
    save_file(program["state"], tmp_path / "host.safetensors")

    loaded = ng.load_step(folder, backend="reference")
    loaded.load_state_dict(ng.load(tmp_path / "host.safetensors"))
    for batch in batches[2:4]:
        loaded(*batch)
    loaded.save(tmp_path / "later")

    again, other = host(tmp_path / "later"), ng.load_step(tmp_path / "later", backend="onnx")
    for batch in batches[4:]:
        wanted = float(other(*batch))
        assert float(again["train"](*batch)[0]) == pytest.approx(wanted, rel=1e-4)
    straight: dict[str, Array] = host(folder)
    for batch in batches:
        last = float(straight["train"](*batch)[0])
    assert last == pytest.approx(wanted, rel=1e-3)
    assert load_file(tmp_path / "later" / "state.safetensors").keys() == program["state"].keys()
