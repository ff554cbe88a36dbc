"""``nngraph reduce``: wrong operators, wrong joins and wrong passes are found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import nngraph as ng
from nngraph import nn
from nngraph.backends import get_backend
from nngraph.backends.base import Target
from nngraph.backends.build import build
from nngraph.cli import main
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ops.elementwise import Add, Exp
from nngraph.passes.base import Context, Pipeline
from nngraph.passes.dce import DeadCode
from nngraph.runtime import reduction
from nngraph.runtime.reduction import first_wrong_pass, reduced


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = ng.optim.Adam(model.parameters())

    @ng.compile(backend="onnx")
    def step(x: ng.Tensor) -> ng.Tensor:
        optimizer.zero_grad()
        loss = model(x).exp().mean()
        loss.backward()
        optimizer.step()
        return loss

    path = tmp_path_factory.mktemp("bundles") / "step"
    ng.export(step, path, ng.spec((None, 4)))
    return path


def ran(*words: object) -> Result:
    return CliRunner().invoke(main, ["reduce", *map(str, words), "--size", "batch=3"])


def test_agreement_is_said(bundle: Path) -> None:
    result = ran(bundle)
    assert result.exit_code == 0
    assert "agree" in result.output


def test_a_wrong_operator_is_all_that_is_left(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(self: Exp, x: Array) -> Sequence[Array]:
        return (np.exp(x) * x.dtype.type(1.01),)

    monkeypatch.setattr(Exp, "eval", wrong)
    out = tmp_path / "part"
    result = ran(bundle, "--json", "--out", out)
    assert result.exit_code == 3
    report: dict[str, Any] = json.loads(result.output)
    assert report["nodes"] == 1
    assert "exp" in report["graph"]
    assert report["pass"] is None
    assert (out / "graph.txt").read_text() == report["graph"]
    with np.load(out / "arguments.npz") as kept:
        assert len(kept.files) == 1
    again = ran(bundle, "--out", out)
    assert again.exit_code == 2
    assert "something of that name" in again.output


def graph_of(function: Any, *args: Any) -> Graph:
    return ng.trace(function, *args)


def test_what_only_together_is_wrong_stays_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that joins an exponential and a sine wrongly, and nothing else."""
    x = np.linspace(0, 1, 5, dtype=np.float32)
    graph = graph_of(lambda x: ((x * 2).exp().sin() + 1).sum() * 3, ng.tensor(x))
    right = build(get_backend("reference"), graph, Target("reference"))

    def joined_wrongly(backend: Any, part: Graph, target: Target) -> Any:
        made = build(backend, part, target)
        kinds = [node.op.name for node in part.nodes]
        if not {"exp", "sin"} <= {*kinds}:
            return made

        def run(*arguments: Any) -> Any:
            outputs, states = made.executable.run(*arguments)
            return [o + o.dtype.type(1) for o in outputs], states

        return SimpleNamespace(executable=SimpleNamespace(run=run))

    monkeypatch.setattr(reduction, "build", joined_wrongly)
    found = reduced(graph, right, [x])
    assert found is not None
    assert [node.op.name for node in found.graph.nodes] == ["exp", "sin"]
    assert found.tried < 30
    assert all(row.is_fault for row in found.differences)


def test_a_wrong_pass_is_named() -> None:
    class Doubles:
        name = "doubles"

        def run(self, graph: Graph, context: Context) -> int:
            (value,) = graph.outputs
            twice = graph.add_node(Add(), [value, value]).outputs[0]
            for user, position in value.uses:
                if user is not twice.producer:
                    user.replace_input(position, twice)
            return 1

    x = np.linspace(0, 1, 5, dtype=np.float32)
    graph = graph_of(lambda x: x.exp().sum(), ng.tensor(x))
    backend = SimpleNamespace(pipeline=lambda target: Pipeline([DeadCode(), Doubles(), DeadCode()]))
    built: Any = SimpleNamespace(backend=backend, target=Target("reference"))
    found = first_wrong_pass(graph, built, [x])
    assert found is not None
    assert found[0] == "doubles"
    assert found[1].is_fault
    right: Any = SimpleNamespace(
        backend=SimpleNamespace(pipeline=lambda target: Pipeline([DeadCode()])),
        target=Target("reference"),
    )
    assert first_wrong_pass(graph, right, [x]) is None
