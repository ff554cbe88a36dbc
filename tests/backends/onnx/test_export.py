from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from safetensors.numpy import load_file

from nngraph import ops
from nngraph.backends.base import UnsupportedGraph
from nngraph.backends.onnx import export
from nngraph.backends.onnx.export import write_model
from nngraph.ir.builder import Builder
from nngraph.ir.dims import sym
from nngraph.ir.dtypes import float32
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.roles import Role
from nngraph.ir.types import tensor_type
from tests.backends.onnx.graphs import reference, regression, start

RNG = np.random.default_rng(2)
X, Y = (RNG.standard_normal((4, n)).astype(np.float32) for n in (3, 2))


def named(graph: Graph, arrays: list[Array]) -> dict[str, Array]:
    return {s.name: a for s, a in zip(graph.states, arrays, strict=True)}


def metadata(path: Path) -> dict[str, Any]:
    (entry,) = onnx.load(path).metadata_props
    assert entry.key == "nngraph.step"
    found: dict[str, Any] = json.loads(entry.value)
    return found


def continued(path: Path, steps: int) -> list[float]:
    """What a program does that knows the file only: losses of several steps."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    meta = json.loads(session.get_modelmeta().custom_metadata_map["nngraph.step"])
    state = load_file(path.parent / meta["state_file"])
    scalars = {n: np.array(v, np.float32) for n, v in meta["scalars"].items()}
    losses = []
    for _ in range(steps):
        feeds = dict(zip(meta["batch"], (X, Y), strict=True)) | scalars
        feeds |= {e["input"]: state[e["name"]] for e in meta["state"]}
        outputs = dict(
            zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True)
        )
        losses.append(float(outputs[meta["results"][0]]))
        state |= {e["name"]: outputs[e["output"]] for e in meta["state"] if "output" in e}
    return losses


def test_a_step_trains_on_in_plain_onnxruntime(tmp_path: Path) -> None:
    graph, arrays = regression(), start(regression())
    path = write_model(
        graph, tmp_path / "step.onnx", states=named(graph, arrays), scalars={"lr": 0.1}
    )
    run, wanted = reference(graph).executable, []
    for _ in range(5):
        (loss,), arrays = run.run([X, Y], [0.1], arrays)
        wanted.append(float(loss))
    np.testing.assert_allclose(continued(path, 5), wanted, 1e-5)


def test_metadata_says_what_feeds_what(tmp_path: Path) -> None:
    graph = regression()
    path = write_model(
        graph, tmp_path / "step.onnx", states=named(graph, start(graph)), scalars={"lr": 0.125}
    )
    assert metadata(path) == {
        "batch": ["x", "y"],
        "scalars": {"lr": 0.125},
        "state": [
            {"input": "weight", "name": "weight", "output": "weight.next"},
            {"input": "bias", "name": "bias", "output": "bias.next"},
            {"input": "moment", "name": "moment", "output": "moment.next"},
            {"input": "shift", "name": "shift"},
        ],
        "results": ["loss"],
        "state_file": "step.safetensors",
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step.onnx", "step.safetensors"]


def test_metadata_tells_results_from_what_a_call_leaves_besides(tmp_path: Path) -> None:
    graph = regression()
    x, loss = graph.inputs[0], graph.outputs[0]
    graph.add_output(graph.states[0].output, "grad_0", Role.GRADIENT, "weight")
    graph.add_output(x, "x_after", Role.ARGUMENT, "x")
    graph.add_output(loss, "second")
    path = write_model(graph, tmp_path / "step.onnx", states=named(graph, start(graph)))
    found = metadata(path)
    assert found["results"] == ["loss", "second"]
    assert found["effects"] == [
        {"output": "grad_0", "role": "gradient", "of": "weight"},
        {"output": "x_after", "role": "argument", "of": "x"},
    ]
    assert {o.name for o in onnx.load(path).graph.output} >= {"grad_0", "x_after", "second"}


def test_only_standard_operators_and_a_full_check(tmp_path: Path) -> None:
    graph = regression("batch")
    path = write_model(graph, tmp_path / "step.onnx", states=named(graph, start(graph)))
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert {n.domain for n in model.graph.node} == {""}
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 21)]
    assert model.ir_version == 10
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_initial_state_as_default_values(tmp_path: Path) -> None:
    graph, arrays = regression(), start(regression())
    path = write_model(
        graph, tmp_path / "step.onnx", states=named(graph, arrays), state="initializers"
    )
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (wanted,), _ = reference(graph).executable.run([X, Y], [0.1], arrays)
    feeds = {"x": X, "y": Y, "lr": np.array(0.1, np.float32)}
    np.testing.assert_allclose(session.run(["loss"], feeds)[0], wanted, 1e-5)
    zero = {"weight": np.zeros((3, 2), np.float32), "bias": np.zeros(2, np.float32)}
    np.testing.assert_allclose(session.run(["loss"], feeds | zero)[0], (Y * Y).mean(), 1e-5)
    assert "state_file" not in metadata(path) and len(list(tmp_path.iterdir())) == 1


def inference(batch: int | str = "batch") -> Graph:
    graph = Graph("model")
    x = graph.add_input(tensor_type("f32", (batch, 3)), "x")
    weight = graph.add_state("weight", tensor_type("f32", (3, 2)))
    graph.add_state("unread", tensor_type("f32", (9,)))
    with Builder(graph):
        graph.add_output(ops.softmax(ops.matmul(x, weight), 1), "probability")
    return graph


def test_inference_with_any_batch_and_constant_parameters(tmp_path: Path) -> None:
    graph = inference()
    states = named(graph, start(graph))
    path = write_model(graph, tmp_path / "m.onnx", states=states, state="constants")
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["x"]
    assert metadata(path)["state"] == []
    for n in (1, 4, 33):
        x = RNG.standard_normal((n, 3)).astype(np.float32)
        z = np.exp(x @ states["weight"])
        np.testing.assert_allclose(session.run(None, {"x": x})[0], z / z.sum(1)[:, None], 1e-5)


def test_files_load_without_a_warning(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    step, model = regression(), inference()
    paths = [
        write_model(step, tmp_path / "s.onnx", states=named(step, start(step))),
        write_model(
            model, tmp_path / "m.onnx", states=named(model, start(model)), state="constants"
        ),
    ]
    for path in paths:
        ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert capfd.readouterr().err == ""


def test_a_state_that_changes_is_no_constant(tmp_path: Path) -> None:
    graph = regression()
    with pytest.raises(ValueError, match="changes state 'weight'"):
        write_model(
            graph, tmp_path / "s.onnx", states=named(graph, start(graph)), state="constants"
        )
    assert not list(tmp_path.iterdir())


def test_large_constants_go_to_a_file_beside(tmp_path: Path) -> None:
    graph = Graph()
    x = graph.add_input(tensor_type("f32", (2, 64)), "x")
    weights = [graph.add_state(f"w{i}", tensor_type("f32", (64, 64))) for i in range(3)]
    with Builder(graph):
        h = x
        for w in weights:
            h = ops.matmul(h, w)
        graph.add_output(h, "y")
    states = named(graph, start(graph))
    path = write_model(graph, tmp_path / "m.onnx", states=states, state="constants", limit=10_000)
    assert path.stat().st_size < 10_000
    assert (tmp_path / "m.onnx.data").stat().st_size >= 3 * 64 * 64 * 4
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    x0 = RNG.standard_normal((2, 64)).astype(np.float32)
    wanted = x0 @ states["w0"] @ states["w1"] @ states["w2"]
    np.testing.assert_allclose(session.run(None, {"x": x0})[0], wanted, 1e-3, 1e-2)
    onnx.checker.check_model(str(path), full_check=True)


def test_a_write_that_breaks_leaves_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = regression()
    states = named(graph, start(graph))
    path = write_model(graph, tmp_path / "s.onnx", states=states)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(path: Path, pieces: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "_write_pieces", full)
    with pytest.raises(OSError, match="No space"):
        write_model(graph, path, states={n: a + 1 for n, a in states.items()})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_bad_arrays_and_options_are_refused(tmp_path: Path) -> None:
    graph = regression()
    states = named(graph, start(graph))
    path = tmp_path / "s.onnx"
    with pytest.raises(ValueError, match=r"bias.*missing"):
        write_model(graph, path, states={n: a for n, a in states.items() if n != "bias"})
    with pytest.raises(ValueError, match=r"bias.*f32\[2\].*float64"):
        write_model(graph, path, states=states | {"bias": np.zeros(2)})
    with pytest.raises(ValueError, match="state must be one of"):
        write_model(graph, path, states=states, state="beside")
    with pytest.raises(FileNotFoundError, match="create it first"):
        write_model(graph, tmp_path / "no" / "s.onnx", states=states)
    assert not list(tmp_path.iterdir())


def test_a_graph_with_gaps_is_refused(tmp_path: Path) -> None:
    graph = Graph()
    x = graph.add_input(tensor_type("f32", ("2*n",)), "x")
    with Builder(graph):
        graph.add_output(ops.full(1, float32, (sym("n"),), x))
    with pytest.raises(UnsupportedGraph, match="the size 'n' is not the size of an axis"):
        write_model(graph, tmp_path / "s.onnx", states={})


def test_every_type_of_state_is_written(tmp_path: Path) -> None:
    kinds = ["float64", "float16", "bfloat16", "int8", "uint32", "uint64", "bool"]
    graph = Graph()
    for kind in kinds:
        graph.add_output(graph.add_state(kind, tensor_type(kind, (2,))))
    arrays = {k: np.ones(2, ml_dtypes.bfloat16 if k == "bfloat16" else k) for k in kinds}
    write_model(graph, tmp_path / "s.onnx", states=arrays)
    written = load_file(tmp_path / "s.safetensors")
    for kind in kinds:
        assert (np.asarray(written[kind]).astype(np.float64) == 1).all(), kind


def test_nodes_carry_the_user_s_place(tmp_path: Path) -> None:
    from nngraph.ir.origin import Origin

    graph = Graph()
    x = graph.add_input(tensor_type("f32", (2,)), "x")
    with Builder(graph, origin=Origin("head.act", "train.py", 14)):
        graph.add_output(ops.relu(x), "y")
    path = write_model(graph, tmp_path / "s.onnx", states={})
    (node,) = onnx.load(path).graph.node
    assert node.name == "head/act/Relu" and node.doc_string == "head.act @ train.py:14"
