"""What ONNX Runtime refuses is named by operator, module and line."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import nngraph as ng
from nngraph.backends import get_backend
from nngraph.backends.base import BackendError, Target
from nngraph.backends.build import Built, build
from nngraph.backends.onnx.artifact import OnnxArtifact

TARGET = Target("onnx")


class Mixes(ng.nn.Module):
    def forward(self, x: ng.Tensor, y: ng.Tensor) -> ng.Tensor:
        return (x * y).sum()


class Outer(ng.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Mixes()

    def forward(self, x: ng.Tensor, y: ng.Tensor) -> ng.Tensor:
        return self.inner(x, y)


def compiled() -> Built[OnnxArtifact]:
    graph = ng.trace(Outer(), ng.spec(("n",)), ng.spec(("n",)))
    return build(get_backend("onnx"), graph, TARGET)


def test_in_a_call() -> None:
    run = compiled().executable
    one, four = np.ones(1, np.float32), np.ones(4, np.float32)
    assert run.run([four, four], [], [])[0][0] == 4
    with pytest.raises(BackendError) as caught:
        run.run([one, four], [], [])
    text = str(caught.value)
    assert text.startswith("ONNX Runtime ")
    assert "fails in a call: the operator Reshape\n" in text
    assert "y.shape[0] must be x.shape[0], both are 'n'" in text
    assert 'backend="reference"' in text
    assert run.run([four, four], [], [])[0][0] == 4


@pytest.mark.parametrize("broken", ["operator", "attribute"])
def test_at_loading(broken: str) -> None:
    artifact = compiled().artifact
    model = onnx.load_from_string(artifact.model)
    node = next(n for n in model.graph.node if n.op_type == "Mul")
    if broken == "operator":
        node.op_type = "Gemm"
    else:
        node.attribute.append(onnx.helper.make_attribute("axis", 3))
    damaged = dataclasses.replace(artifact, model=model.SerializeToString())
    with pytest.raises(BackendError, match=r"does not load: the operator (Gemm|Mul)\n") as caught:
        get_backend("onnx").load(damaged, TARGET)
    assert "\n    in inner\n    test_blame.py:" in str(caught.value)


def test_a_model_that_is_none() -> None:
    damaged = dataclasses.replace(compiled().artifact, model=b"nothing")
    with pytest.raises(BackendError, match=r"does not load\n    it says: "):
        get_backend("onnx").load(damaged, TARGET)


@pytest.mark.skipif("NNGRAPH_LARGE" not in os.environ, reason="takes 15 GB: set NNGRAPH_LARGE")
def test_a_constant_of_more_than_2_gib(tmp_path: Path) -> None:
    count = 2**29 + 5
    table = ng.from_numpy(np.zeros(count, np.float32))
    table[0], table[-1] = 3.0, 7.0
    step = ng.compile(lambda i: table[i])
    ends = np.array([0, count - 1])
    assert step(ng.from_numpy(ends)).tolist() == [3.0, 7.0]
    for state in ("constants", "initializers", "safetensors"):
        path = ng.export(step, tmp_path / f"{state}.onnx", state=state)
        onnx.checker.check_model(str(path))
        feeds = {"i": ends} | ({"tensor_0": table.numpy()} if state == "safetensors" else {})
        (found,) = onnxruntime.InferenceSession(path).run(None, feeds)
        assert found.tolist() == [3.0, 7.0]
