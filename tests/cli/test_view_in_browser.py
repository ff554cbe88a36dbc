"""A page of ``nngraph view`` in headless Chromium: ``make test-web`` installs what it needs."""

from __future__ import annotations

import json
from pathlib import Path

import nngraph as ng
from nngraph import nn
from nngraph.backends.onnx.describe import describe
from nngraph.cli.commands.view import page_of
from tests.bundles.programs import chromium, ended_well, modules_with, node

DRIVER = Path(__file__).with_name("drive_view.mjs")


def test_it_opens_folds_and_finds(tmp_path: Path) -> None:
    commands = [node(), DRIVER, modules_with("playwright-core", "browser"), chromium()]
    model = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(3)))
    optimizer = ng.optim.Adam(model.parameters())

    @ng.compile(backend="onnx")
    def step(x: ng.Tensor) -> ng.Tensor:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    file = tmp_path / "step.onnx"
    ng.export(step, file, ng.spec((4, 8)))
    page = tmp_path / "step.html"
    page.write_text(page_of(describe(file)))
    found = json.loads(ended_well([*commands, page.as_uri(), tmp_path]))
    assert not found["complaints"]
    assert found["requests"] == [page.as_uri()]
    assert {"forward", "backward", "update", "0", "1", "2"} <= {*found["groups"]}
    assert found["opened"] == "true"
    assert "forward / 0" in found["details"]
    assert found["hits"]
    assert all("weight" in name or "Sqrt" in name for name in found["hits"])
    assert "reads" in found["node"]
    assert "update / 0 / 0 / weight" in found["node"]
    assert not found["nothing"]
    assert found["folded"] == ["forward", "backward", "update"]
    assert not found["sideways"]
    assert all((tmp_path / f"{width}.png").stat().st_size > 5000 for width in ("wide", "narrow"))
