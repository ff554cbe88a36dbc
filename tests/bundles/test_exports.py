"""What ``ng.export`` writes into a bundle, and what it refuses."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import nngraph as ng
from nngraph import nn, optim
from tests.bundles.networks import trained
from tests.support.tolerances import assert_close


def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def test_a_bundle_describes_itself(tmp_path: Path) -> None:
    network, step = trained("perceptron", "reference")
    bundle = ng.export(step, tmp_path / "step", *network.specs())
    manifest = manifest_of(bundle)
    assert manifest["opset"] == 21 and manifest["tested"]["onnxruntime"]
    assert manifest["models"]["model.onnx"]["inputs"] == [
        {"name": "input", "dtype": "float32", "shape": ["batch", 6]}
    ]
    weights = manifest["models"]["model.onnx"]["state"]
    inputs = {row["name"]: row["input"] for row in manifest["state"]}
    assert weights and all(inputs[row["name"]] == row["input"] for row in weights)
    for name in ("train_step.onnx", "model.onnx"):
        model = onnx.load(bundle / name)
        onnx.checker.check_model(model, full_check=True)
        metadata = {p.key: p.value for p in model.metadata_props}
        provenance = json.loads(metadata["nngraph.provenance"])
        assert provenance["nngraph"] == ng.__version__ and "networks.py" in provenance["place"]
        assert json.loads(metadata["nngraph.step"])["state_file"] == "state.safetensors"
    names = {p.name for p in bundle.iterdir()}
    assert names == {"manifest.json", *manifest["files"]}
    rows = manifest["outputs"]
    assert [(o["name"], o["role"]) for o in rows] == [("output_0", "result")]
    assert manifest["result"] == {
        "tuple": [
            {"output": "output_0"},
            {"value": 3},
            {"list": [{"value": None}, {"value": "text"}]},
        ]
    }


def test_the_same_export_gives_the_same_bytes(tmp_path: Path) -> None:
    network, step = trained("perceptron", "reference")
    one, two = (ng.export(step, tmp_path / name, *network.specs()) for name in "ab")
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()


def test_a_model_alone_is_a_bundle_too(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)).eval()
    folder = ng.export(model, tmp_path / "m", ng.spec((None, 3)))
    assert sorted(p.name for p in folder.iterdir()) == [
        *("graph.txt", "manifest.json", "model.onnx", "state.safetensors")
    ]
    x = np.ones((4, 3), np.float32)
    for backend in ("reference", "onnx"):
        found = ng.load_step(folder, backend=backend)(x)
        assert_close(found.numpy(), model(ng.from_numpy(x)).detach().numpy())


def test_several_models_and_chosen_ones(tmp_path: Path) -> None:
    one, two = nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 1), nn.BatchNorm1d(1))
    unused = nn.Linear(4, 2)
    optimizer = optim.SGD([*one.parameters(), *two.parameters()], lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = two(one(x)).pow(2).mean() + two[0].bias.sum()
        loss.backward()
        optimizer.step()
        return loss

    compiled = ng.compile(step, backend="reference")
    args = ng.spec((5, 3))
    found = manifest_of(ng.export(compiled, tmp_path / "a", args))
    assert [*found["models"]] == ["model_0.onnx", "model_1.onnx"]
    names = [row["name"] for row in found["state"]]
    assert len(names) == len({*names})  # both modules have a `weight`
    assert {r["name"] for m in found["models"].values() for r in m["state"]} <= {*names}

    found = manifest_of(ng.export(compiled, tmp_path / "a", args, model={"body": one, "head": two}))
    assert [*found["models"]] == ["body.onnx", "head.onnx"]
    found = manifest_of(ng.export(compiled, tmp_path / "a", args, model=False))
    assert not found["models"] and "model_0.onnx" not in {
        p.name for p in (tmp_path / "a").iterdir()
    }

    specs = (ng.spec((None, 4)),)
    folder = ng.export(compiled, tmp_path / "a", args, model=unused, model_args=specs)
    (row, _) = manifest_of(folder)["models"]["model.onnx"]["state"]
    assert row["name"] not in names  # what the step has not, the bundle keeps
    loaded = ng.load_step(folder, backend="reference")
    assert loaded.state_dict()[row["name"]].shape == (2, 4)
    ng.load_step(loaded.save(tmp_path / "b"), backend="reference")
    refused = [
        ({"model": unused}, "does not call this Linear"),
        ({"model": 3}, "takes a module"),
        ({"model": {"a b": one}}, "identifiers"),
        ({"model": {"a": one}, "model_args": specs}, "goes with one module"),
    ]
    for options, message in refused:
        with pytest.raises(ValueError, match=message):
            ng.export(compiled, tmp_path / "a", args, **options)
    assert [*manifest_of(folder)["models"]] == ["model.onnx"]


class Counting(nn.Module):
    """Changes its state in evaluation mode, too."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2)
        self.register_buffer("calls", ng.zeros(1))

    def forward(self, x: Any) -> Any:
        self.calls.add_(1)
        return self.inner(x)


def test_a_model_that_no_file_can_be_is_left_out(tmp_path: Path) -> None:
    model = Counting()
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any) -> None:
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()

    compiled = ng.compile(step, backend="reference")
    with pytest.warns(UserWarning, match=r"no model\.onnx: the model changes its state .*calls"):
        folder = ng.export(compiled, tmp_path / "a", ng.spec((1, 2)))
    assert not manifest_of(folder)["models"]
    with pytest.raises(ValueError, match="changes its state"):
        ng.export(compiled, tmp_path / "b", ng.spec((1, 2)), model=model)
    assert not (tmp_path / "b").exists()


class Drawing(nn.Module):
    """Takes what no file can."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2)

    def forward(self, x: Any, generator: Any) -> Any:
        return self.inner(x) + ng.rand(2, generator=generator)


def test_a_model_that_takes_objects_is_left_out(tmp_path: Path) -> None:
    model, generator = Drawing(), ng.Generator().manual_seed(1)

    def step(x: Any) -> None:
        model(x, generator).sum().backward()
        with ng.no_grad():
            model.inner.weight.sub_(model.inner.weight.grad)
        model.zero_grad()

    compiled = ng.compile(step, backend="reference")
    compiled(np.ones((1, 2), np.float32))
    with pytest.warns(UserWarning, match=r"no model\.onnx: the model is called with Generator"):
        ng.export(compiled, tmp_path / "a")


def test_the_schedule_is_named(tmp_path: Path) -> None:
    w = nn.Parameter(ng.ones(2))
    optimizer = optim.SGD([w], lr=0.5)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        (w * x).sum().backward()
        optimizer.step()
        return w.detach() * 1

    compiled = ng.compile(step, backend="reference")
    compiled(np.ones(2, np.float32))
    folder = ng.export(compiled, tmp_path / "a", schedule=schedule, model=False)
    told = manifest_of(folder)["schedule"]
    assert told == {"kinds": ["ExponentialLR"], "where": "graph", "every": 1}
    loaded = ng.load_step(folder, backend="reference")
    found = [loaded(np.ones(2, np.float32)).tolist()[0] for _ in range(3)]
    assert found == [0.0, -0.25, -0.375] and "lr" not in loaded.scalars


def test_forms_do_not_mix(tmp_path: Path) -> None:
    network, step = trained("perceptron", "reference")
    specs = network.specs()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    for path, options, kind, message in [
        ("a.onnx", {"model": False}, ValueError, "for a bundle"),
        ("a", {"state": "initializers"}, ValueError, "for one file"),
        ("file", {}, FileExistsError, "is a file"),
        ("other", {}, FileExistsError, "notes.txt.* would be lost"),
        ("no/a", {}, FileNotFoundError, "create it first"),
    ]:
        with pytest.raises(kind, match=message):
            ng.export(step, tmp_path / path, *specs, **options)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "other"]
    folder = ng.export(step, tmp_path / "a", *specs)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"notes\.txt"):
        ng.export(step, folder, *specs)
    assert (folder / "notes.txt").exists()


def test_a_bundle_that_cannot_be_read_is_not_replaced(tmp_path: Path) -> None:
    network, step = trained("perceptron", "reference")
    folder = ng.export(step, tmp_path / "a", *network.specs())
    whole = manifest_of(folder)
    for change, message in [
        ({"version": 2}, "format version 2"),
        ({"format": "web app"}, "not that of a bundle"),
        ({"files": {}}, "is damaged"),
    ]:
        text = json.dumps(whole | change)
        (folder / "manifest.json").write_text(text)
        with pytest.raises(FileExistsError, match=f"is not replaced, .*{message}"):
            ng.export(step, folder, *network.specs())
        assert (folder / "manifest.json").read_text() == text


def test_warnings_are_none_in_a_plain_export(tmp_path: Path) -> None:
    network, step = trained("perceptron", "reference")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ng.export(step, tmp_path / "a", *network.specs())
