"""The commands' answers, their JSON, their exit codes, and bad input."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

import nngraph as ng
from nngraph import nn
from nngraph.backends.onnx.describe import describe
from nngraph.cli import main
from nngraph.cli.commands.serve import make_server
from nngraph.runtime.table import amount, table


def ran(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


@pytest.fixture(scope="module")
def step_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 10))
    optimizer = ng.optim.SGD(model.parameters(), lr=0.1)

    @ng.compile(backend="onnx")
    def step(x: ng.Tensor) -> ng.Tensor:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    path = tmp_path_factory.mktemp("files") / "step.onnx"
    ng.export(step, path, ng.spec((None, 3, 8, 8)))
    return path


def test_costs_are_those_of_the_formulas(step_file: Path) -> None:
    facts = json.loads(ran("inspect", str(step_file), "--size", "batch=4", "--json").output)
    convolution = 2 * 4 * 8 * 36 * 27
    linear = 2 * 4 * 10 * 288
    operators = {row["name"]: row for row in facts["operators"]}
    assert operators["Gemm"]["flops"] == 3 * linear
    rows = {row["name"]: row for row in facts["modules"]}
    assert rows["0"]["flops"] >= 2 * convolution  # no gradient of x
    assert rows["0"]["forward"] >= 1
    assert rows["0"]["backward"] >= 1
    phases = {row["name"]: row["nodes"] for row in facts["phases"]}
    assert phases.keys() == {"forward", "backward", "update"}
    assert sum(phases.values()) == facts["nodes"] == len(onnx.load(step_file).graph.node)
    assert [s["name"] for s in facts["state"]] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert facts["scalars"] == {"lr": 0.1}
    assert facts["inputs"] == [{"name": "x", "dtype": "float32", "shape": [4, 3, 8, 8]}]


def test_a_dynamic_size_leaves_costs_open(step_file: Path) -> None:
    facts = json.loads(ran("inspect", str(step_file), "--json").output)
    assert facts["flops"] is None
    assert facts["inputs"][0]["shape"] == ["batch", 3, 8, 8]
    update = next(row for row in facts["phases"] if row["name"] == "update")
    assert update["flops"] > 0


def test_files_of_other_tools(tmp_path: Path) -> None:
    helper = onnx.helper
    value = helper.make_tensor_value_info
    weight = onnx.numpy_helper.from_array(np.ones((5, 3), np.float32), "w")
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["h"]),
            helper.make_node("Einsum", ["h", "h"], ["y"], equation="bi, bj -> ij"),
            helper.make_node("Unknown", ["y"], ["z"], domain="somewhere.else"),
        ],
        "g",
        [value("x", 1, ["n", 5])],
        [value("z", 1, None)],
        [weight],
    )
    domains = [helper.make_opsetid("", 18), helper.make_opsetid("somewhere.else", 1)]
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=domains), path)
    facts = describe(path, {"n": 7})
    assert [n.flops for n in facts.nodes] == [2 * 7 * 5 * 3, 2 * 7 * 3 * 3, None]
    assert str(facts.outputs[0]) == "float32[...]"
    assert facts.opset == 18
    assert "no module" in ran("inspect", str(path)).output


def test_loops_count_as_often_as_they_run(tmp_path: Path) -> None:
    lstm = nn.LSTM(4, 8)
    lstm_step = ng.compile(lambda x: lstm(x)[0].sum().backward(), backend="onnx")
    path = tmp_path / "m.onnx"
    ng.export(lstm_step, path, ng.spec((5, 2, 4)))
    facts = describe(path)
    assert any(n.kind in ("Scan", "Loop") for n in facts.nodes)
    products = sum(n.flops or 0 for n in facts.nodes if n.kind in ("MatMul", "Gemm"))
    assert products >= 5 * 2 * 2 * 32 * 8  # the recurrent product, at each of five steps


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["inspect", "none.onnx"], 1, "No such file"),
        (["inspect", "bad.onnx"], 1, "is no ONNX model that can be read"),
        (["inspect", "bad.onnx", "--size", "batch"], 2, "write a name and a number, as batch=32"),
        (["passes", "os"], 2, "not of the form module:name"),
        (["passes", "os:nothing"], 2, "has no 'nothing'"),
        (["passes", "no_such_module_x:f"], 2, "there is no module"),
        (["passes", "os:name"], 2, "which can't be called"),
        (["passes", "math:sin", "--arg", "float33[2]"], 2, "float33"),
        (["passes", "math:sin", "--arg", "[2]"], 2, "write a type such as float32[batch,64]"),
        (["export", "math:sin", "out.onnx", "--arg", "float32[2]"], 1, "needs the value"),
        (["run", "none"], 1, "No such file"),
        (["run", "bad.onnx"], 1, "is no ONNX model"),
        (["run", ".", "--size", "batch=2"], 1, "manifest.json"),
        (["compare", "bad.onnx"], 2, "name a second ONNX file"),
        (["bench", "bad.onnx", "--backend", "tvm"], 2, "runs on onnx and not on tvm"),
        (["serve", "none"], 1, "is no folder"),
        (["nothing"], 2, "No such command"),
    ],
)
def test_bad_input(
    words: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.onnx").write_bytes(b"\x0a\x07nothing here" * 40)
    result = ran(*words)
    assert result.exit_code == code, result.output
    assert said in result.output
    assert sorted(os.listdir(tmp_path)) == ["bad.onnx"]


def test_passes_of_one_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine_of_passes.py").write_text("def f(x):\n    return (x + 0) * 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["passes", "mine_of_passes:f", "--arg", "float32[2]", "--backend", "reference"]
    rows: list[dict[str, Any]] = json.loads(ran(*words, "--json").output)
    assert rows[0]["pass"] == "trace"
    assert rows[-1]["nodes"] <= rows[0]["nodes"]
    assert ran(*words, "--only", "trace").output.count("## after") == 1
    assert "the passes are trace" in ran(*words, "--only", "nothing").output


def test_the_doctor_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.util import find_spec

    monkeypatch.setattr(
        "nngraph.backends.registry.find_spec",
        lambda name: None if name in ("tvm", "onnxruntime") else find_spec(name),
    )
    result = ran("doctor", "--json")
    assert result.exit_code == 3
    rows = {row["backend"]: row for row in json.loads(result.output)["backends"]}
    assert rows["reference"]["works"]
    assert "pip install 'nngraph[tvm]'" in rows["tvm"]["why"]
    assert not rows["onnx"]["works"]


def test_a_served_folder(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "page.mjs").write_text("1")
    (tmp_path / "secret").write_text("2")
    (inside / "link").symlink_to(tmp_path / "secret")
    server = make_server(inside, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def got(path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response

    try:
        page = got("/page.mjs")
        assert page.status == 200
        assert page.headers["Content-Type"] == "text/javascript"
        assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert page.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        for path in ("/link", "/../secret", "/%2e%2e/secret", "/none"):
            assert got(path).status == 404
    finally:
        server.shutdown()
        server.server_close()


def test_the_module_is_the_command() -> None:
    words = [sys.executable, "-m", "nngraph", "--version"]
    assert "nngraph" in subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_numbers_and_columns_for_people() -> None:
    texts = [amount(n) for n in (0, 999, 1000, 999_999, 1_234_567, None)]
    assert texts == ["0", "999", "1 k", "1 M", "1.23 M", "?"]
    assert amount(2_000_000, "B") == "2 MB"
    assert table(("a", "n"), [("x", 1), ("yy", "23")]) == "a    n\n--  --\nx    1\nyy  23"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = nn.Linear(3, 2)
    optimizer = ng.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)

    @ng.compile(backend="onnx")
    def step(x: ng.Tensor) -> Any:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return {"loss": loss, "out": [model.weight.sum(), 3]}

    path = tmp_path_factory.mktemp("bundles") / "step"
    ng.export(step, path, ng.spec((None, 3)))
    return path


def test_run_goes_on_from_step_to_step(bundle: Path, tmp_path: Path) -> None:
    x = np.float32([[1, 2, 3]])
    np.save(tmp_path / "x.npy", x)
    out = tmp_path / "after"
    words = ["run", str(bundle), "--input", f"x={tmp_path / 'x.npy'}", "--steps", "3"]
    rows = json.loads(ran(*words, "--out", str(out), "--json").output)
    step = ng.load_step(bundle, backend="onnx")
    wanted = [step(x)["loss"].item() for _ in range(3)]
    assert [r["mean"] for r in rows if r["name"] == "output_0"] == wanted
    state = ng.load(out / "state.safetensors")
    for name, tensor in step.state_dict().items():
        np.testing.assert_array_equal(state[name].numpy(), tensor.numpy())
    with np.load(out / "results.npz") as kept:
        assert kept["output_0"].item() == wanted[-1]
        assert kept["output_2"].item() == 3


def test_run_says_what_it_lacks(bundle: Path) -> None:
    assert "say --size" in ran("run", str(bundle)).output
    assert ran("run", str(bundle)).exit_code == 2
    result = ran("run", str(bundle), "--size", "batch=1", "--input", "z=z.npy")
    assert "there is no input z; the inputs are x" in result.output


def test_compare_finds_what_parts(bundle: Path, step_file: Path, tmp_path: Path) -> None:
    words = ["compare", str(bundle), "--size", "batch=4", "--json"]
    assert json.loads(ran(*words).output)["differ"] == 0

    changed = tmp_path / step_file.name
    model = onnx.load(step_file)
    product = next(n for n in model.graph.node if n.op_type == "Gemm")
    product.attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT, f=1.01)
    onnx.save(model, changed)
    state = step_file.with_suffix(".safetensors")
    (tmp_path / state.name).write_bytes(state.read_bytes())
    both = ["compare", str(step_file), str(changed), "--size", "batch=2", "--json"]
    result = ran(*both)
    assert result.exit_code == 3
    found = json.loads(result.output)
    assert found["compared"] > found["differ"] > 0
    assert ran("compare", str(step_file), str(step_file), "--size", "batch=2").exit_code == 0
    assert ran(*both, "--rtol", "10").exit_code == 0


def test_a_wrong_operator_is_the_first_that_differs(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nngraph.ops.reduce.folds import Mean

    right = Mean.eval

    def wrong(self: Mean, x: Any) -> Any:
        return [a * a.dtype.type(1.1) for a in right(self, x)]

    monkeypatch.setattr(Mean, "eval", wrong)
    result = ran("compare", str(bundle), "--size", "batch=4")
    assert result.exit_code == 3
    assert "the first is loss" in result.output
    assert "mean" in result.output


def test_bench_times_what_it_says(bundle: Path) -> None:
    words = ["bench", str(bundle), "--size", "batch=4", "--repeat", "5", "--warmup", "1", "--json"]
    facts = json.loads(ran(*words, "--backend", "onnx", "--backend", "reference").output)
    assert [row["backend"] for row in facts["rows"]] == ["onnx", "reference"]
    assert all(0 < r["p10"] <= r["p50"] <= r["p90"] <= r["p99"] for r in facts["rows"])


def test_times_of_a_profile_are_by_the_nodes_of_the_file(step_file: Path, tmp_path: Path) -> None:
    times, trace = tmp_path / "times.json", tmp_path / "trace.json"
    words = ("profile", str(step_file), "--size", "batch=4", "--steps", "3", "--json")
    result = ran(*words, "--times", str(times), "--trace", str(trace))
    data = json.loads(result.output)
    assert (data["backend"], data["steps"]) == ("onnx", 3)
    found = json.loads(times.read_text())
    assert sum(found.values()) == pytest.approx(sum(r["milliseconds"] for r in data["rows"]))
    assert found.keys() <= {node.name for node in describe(step_file).nodes}
    assert json.loads(trace.read_text())["traceEvents"]
    refused = ran("profile", str(tmp_path), "--times", str(times))
    assert refused.exit_code == 2
    assert "--times is by the nodes of an ONNX file" in refused.output
    assert ran("profile", str(step_file), "--size", "batch=4", "--steps", "0").exit_code == 2
