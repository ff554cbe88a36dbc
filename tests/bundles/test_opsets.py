"""Files of other opsets compute the same; what a runtime or an opset lacks is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import nngraph as ng
from nngraph import nn, optim
from nngraph.backends.onnx.choices import Choices
from nngraph.backends.onnx.emit import emit_model
from nngraph.backends.onnx.model import OnnxModel, OnnxNode
from nngraph.backends.onnx.opsets import opset_gaps
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from tests.support.tolerances import assert_close

#: Each has operators in another form, or is the first or last; 22 to 28 were all tried once.
OPSETS = (18, 19, 20, 23, 28)


class Network(nn.Module):
    """What opsets differ in: GELU, 16-bit tests, maxima of bools, windows, counts, random bits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 4, 3, padding=1)
        self.pool = nn.AvgPool1d(2)
        self.norm = nn.BatchNorm1d(4)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        y = nn.functional.gelu(self.norm(self.conv(x)))
        y = self.pool(nn.functional.gelu(y, approximate="tanh"))
        seen = (x > 0).any(2, keepdim=True).all(1, keepdim=True)
        half = y.half()
        y = y.where(seen & ~half.isinf() & ~half.isnan(), y * 0.5)
        return self.head(self.drop(y.flatten(1))).sin()


@pytest.fixture(scope="module")
def step() -> Any:
    ng.manual_seed(1)
    model = Network()
    optimizer = optim.AdamW(model.parameters(), lr=0.01)

    @ng.compile(backend="reference")
    def train_step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    train_step(*batch())
    return train_step


def batch() -> tuple[Array, Array]:
    rng = np.random.default_rng(2)
    return rng.standard_normal((5, 2, 8)).astype(np.float32), rng.integers(0, 3, 5)


@pytest.mark.parametrize("opset", OPSETS)
def test_every_opset_trains(opset: int, step: Any, tmp_path: Path) -> None:
    folder = ng.export(step, tmp_path / "b", opset=opset)
    loaded = ng.load_step(folder, backend="reference")
    model = onnx.load(folder / "train_step.onnx")
    assert [(o.domain, o.version) for o in model.opset_import] == [("", opset)]
    kinds = {node.op_type for node in model.graph.node}
    assert ("Gelu" in {n.op_type for n in onnx.load(folder / "model.onnx").graph.node}) is (
        opset >= 20
    )
    assert "ReduceMax" in kinds
    session = onnxruntime.InferenceSession(folder / "train_step.onnx")
    signature = loaded.signature
    feeds: dict[str, Any] = dict(zip(("x", "y"), batch(), strict=True))
    feeds |= {p.name: np.array(loaded.scalars[p.name]) for p in signature.scalars}
    feeds |= {p.input: loaded.state_dict()[p.name].numpy().copy() for p in signature.states}
    for _ in range(3):
        names = [o.name for o in session.get_outputs()]
        found = dict(zip(names, session.run(None, feeds), strict=True))
        assert_close(found["output"], loaded(*batch()).numpy())
        feeds |= {p.input: found[p.output] for p in signature.states if p.output}


@pytest.mark.parametrize("opset", [17, 29, 21.0, True, "21"])
def test_other_opsets_are_refused(opset: Any, step: Any, tmp_path: Path) -> None:
    for name in ("b", "step.onnx"):
        with pytest.raises(ValueError, match=r"opset= is an integer from 18 to 28, got"):
            ng.export(step, tmp_path / name, opset=opset)
    assert not list(tmp_path.iterdir())


def test_one_file_takes_an_opset(step: Any, tmp_path: Path) -> None:
    path = ng.export(step, tmp_path / "step.onnx", opset=18)
    assert onnx.load(path).opset_import[0].version == 18
    onnxruntime.InferenceSession(path)


def test_an_operator_that_the_opset_lacks_is_named_with_the_one_that_has_it() -> None:
    made = emit_model(Graph(), Choices(), 18)
    assert isinstance(made, OnnxModel)
    place = "layer @ train.py:3"
    made.graph.nodes.append(OnnxNode("Swish", ["x"], ["y"], "n", place, {"alpha": 1.0}))
    made.graph.nodes.append(OnnxNode("AveragePool", ["x"], ["y"], "n", place, {"dilations": [2]}))
    made.graph.nodes.append(OnnxNode("Fused", ["x"], ["y"], "n", place, {}))
    assert list(map(str, opset_gaps(made))) == [
        f"the operator Swish with alpha in opset 18 at {place} (opset=24 has it)",
        f"the operator AveragePool with dilations in opset 18 at {place} (opset=19 has it)",
        f"the operator Fused with no attributes in opset 18 at {place} (no opset has it)",
    ]


def test_a_kernel_that_the_runtime_lacks_is_named(tmp_path: Path) -> None:
    """ONNX Runtime has the inverse tangents of opset 7 and, so far, not those of opset 22."""
    folder = ng.export(ng.atan, tmp_path / "b", ng.spec((3,)))
    before = (folder / "manifest.json").read_bytes()
    try:
        ng.export(ng.atan, folder, ng.spec((3,)), opset=22)
    except ng.BackendError as error:
        assert "does not load model.onnx" in str(error) and "Atan" in str(error)
        assert (folder / "manifest.json").read_bytes() == before
    else:
        assert b'"opset": 22' in (folder / "manifest.json").read_bytes()
