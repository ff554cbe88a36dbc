"""``nngraph view``: what the page holds. (``make test-web`` looks at pages in a browser.)"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import onnx
import pytest
from click.testing import CliRunner

import nngraph as ng
from nngraph import nn
from nngraph.backends.onnx.describe import describe
from nngraph.cli import main
from nngraph.cli.commands.view import page_of


@pytest.fixture(scope="module")
def step_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.ReLU(), nn.Linear(8, 2)))
    optimizer = ng.optim.Adam(model.parameters())

    @ng.compile(backend="onnx")
    def step(x: ng.Tensor) -> ng.Tensor:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    path = tmp_path_factory.mktemp("files") / "step.onnx"
    ng.export(step, path, ng.spec((None, 4)))
    return path


def data_of(page: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)
    found: dict[str, Any] = json.loads(text)
    return found


def paths(data: dict[str, Any]) -> list[str]:
    made = [""]
    for name, parent, _ in data["groups"][1:]:
        made.append(f"{made[parent]}/{name}")
    return made


def test_nodes_are_in_phases_modules_and_parameters(step_file: Path) -> None:
    data = data_of(page_of(describe(step_file, {"batch": 2})))
    where = paths(data)
    of = {row[1]: where[row[2]] for row in data["nodes"]}
    assert {"/forward/0", "/forward/1/1", "/backward/1/1", "/update/0/weight"} <= set(where)
    assert of["0/Gemm"] == "/forward/0"
    roots = {where[row[2]] for row in data["nodes"] if row[0] == "Sqrt"}
    own = {f"/update/{p}" for p in ("0/weight", "0/bias", "1/1/weight", "1/1/bias")}
    assert own < roots <= own | {"/update"}  # the correction of the bias is of all
    assert len(data["nodes"]) == len(onnx.load(step_file).graph.node) + 2  # x and the result
    assert all(parent < i for i, (_, parent, _) in enumerate(data["groups"]))


def test_edges_lead_from_what_makes_a_value(step_file: Path) -> None:
    data = data_of(page_of(describe(step_file)))
    edges = list(zip(data["edges"][::2], data["edges"][1::2], strict=True))
    assert len(set(edges)) == len(edges)
    for maker, reader in edges:
        made = {text.split()[0] for text in data["values"][maker][1]}
        read = {text.split()[0] for text in data["values"][reader][0]}
        assert made & read
    result = next(i for i, row in enumerate(data["nodes"]) if row[1].startswith("output "))
    assert any(reader == result for _, reader in edges)


def test_names_cannot_leave_their_place(tmp_path: Path) -> None:
    """A file from elsewhere is data: nothing in it becomes a part of the page."""
    helper = onnx.helper
    evil = '</script><script>alert("{{script}}")</script>'
    node = helper.make_node("Relu", ["x"], [f"y{evil}"], name=evil, doc_string=f"{evil} @ a.py:1")
    value = helper.make_tensor_value_info
    graph = helper.make_graph([node], "g", [value("x", 1, [2])], [value(f"y{evil}", 1, [2])])
    path = tmp_path / "{{data}}<b>.onnx"
    onnx.save(helper.make_model(graph), path)
    page = page_of(describe(path))
    assert page.count("<script") == 2
    assert "alert" not in re.sub(r'<script id="data".*?</script>', "", page, flags=re.S)
    assert "<b>" not in page
    assert evil in data_of(page)["nodes"][1][1]


def test_the_page_needs_no_network(step_file: Path) -> None:
    page = page_of(describe(step_file))
    assert not re.findall(r"https?://|src=|@import|url\(", page)
    assert "{{" not in page


def test_times_shade_the_graph(step_file: Path, tmp_path: Path) -> None:
    times = tmp_path / "times.json"
    times.write_text('{"0/Gemm": 1.5}')
    out = tmp_path / "page.html"
    words = ["view", str(step_file), "--out", str(out), "--times", str(times)]
    assert CliRunner().invoke(main, words).exit_code == 0
    data = data_of(out.read_text())
    assert data["timed"] is True
    assert {row[1]: row[8] for row in data["nodes"]}["0/Gemm"] == 1.5
    before = out.read_bytes()
    for text in ('["0/Gemm"]', '{"0/Gemm": "long"}', '{"0/Gemm": NaN}', '{"0/Gemm": -1}', "{"):
        times.write_text(text)
        assert CliRunner().invoke(main, words).exit_code == 1
    assert out.read_bytes() == before
