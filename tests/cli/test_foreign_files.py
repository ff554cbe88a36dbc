"""ONNX files from anywhere: an error or a description, and nothing outside their folder is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from nngraph.backends.errors import BackendError
from nngraph.backends.onnx import checked
from nngraph.backends.onnx.describe import describe
from nngraph.cli import main

helper = onnx.helper
value = helper.make_tensor_value_info


def model_of(*nodes: Any, weight: Any = None) -> Any:
    made = nodes or (helper.make_node("MatMul", ["x", "w"], ["y"]),)
    weights = [] if weight is None else [weight]
    graph = helper.make_graph(
        list(made), "g", [value("x", 1, [2, 3])], [value("y", 1, None)], weights
    )
    return helper.make_model(graph)


def outside(
    location: str, offset: int = 0, length: int = 24, dims: tuple[int, ...] = (3, 2)
) -> Any:
    tensor = onnx.TensorProto(name="w", data_type=1, dims=dims)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, text in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(text))
    return tensor


def nested(depth: int) -> Any:
    flat = helper.make_node("Identity", ["x"], ["y"])
    other = helper.make_graph([flat], "b", [], [value("y", 1, None)])
    inner = flat
    for _ in range(depth):
        graph = helper.make_graph([inner], "b", [], [value("y", 1, None)])
        inner = helper.make_node("If", ["c"], ["y"], then_branch=graph, else_branch=other)
    return inner


def wrong_bytes() -> Any:
    return onnx.TensorProto(name="w", data_type=1, dims=[3, 2], raw_data=b"\0" * 23)


CASES: dict[str, Callable[[Path], Any]] = {
    "data in the folder above": lambda f: model_of(weight=outside("../secret")),
    "data at an absolute path": lambda f: model_of(weight=outside(str(f.parent / "secret"))),
    "data behind a link": lambda f: model_of(weight=outside("link")),
    "data of a second name": lambda f: model_of(weight=outside("hard")),
    "data in a folder": lambda f: model_of(weight=outside("sub/w")),
    "data in a pipe": lambda f: model_of(weight=outside("pipe")),
    "data that is not there": lambda f: model_of(weight=outside("none")),
    "data of no name": lambda f: model_of(weight=outside("")),
    "data beyond the end": lambda f: model_of(weight=outside("w", offset=80)),
    "data of another length": lambda f: model_of(weight=outside("w", length=20)),
    "a negative offset": lambda f: model_of(weight=outside("w", offset=-4)),
    "more elements than bytes": lambda f: model_of(weight=outside("w", dims=(1 << 40, 1 << 20))),
    "negative sizes": lambda f: model_of(weight=outside("w", dims=(-3, -2))),
    "bytes that are not its shape's": lambda f: model_of(weight=wrong_bytes()),
    "names that are no text": lambda f: model_of(
        helper.make_node("Relu", ["x"], ["y"], name="n\u00e4")
    ),
    "data of an attribute outside": lambda f: model_of(
        helper.make_node("Constant", [], ["y"], value=outside("../secret"))
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "inside"
    (inside / "sub").mkdir(parents=True)
    for path in (tmp_path / "secret", inside / "w", inside / "sub" / "w"):
        path.write_bytes(b"\0" * 96)
    (inside / "link").symlink_to(tmp_path / "secret")
    os.link(tmp_path / "secret", inside / "hard")
    os.mkfifo(inside / "pipe")
    return inside


@pytest.mark.parametrize("case", CASES)
def test_refused(case: str, folder: Path) -> None:
    path = folder / "m.onnx"
    text = CASES[case](folder).SerializeToString()
    path.write_bytes(text.replace("n\u00e4".encode(), b"n\xff\xff"))
    with pytest.raises(BackendError, match=r"m\.onnx is no ONNX model that can be read: "):
        describe(path)
    for words in (["run"], ["bench"], ["view"], ["compare", str(path)]):
        assert CliRunner().invoke(main, [words[0], str(path), *words[1:]]).exit_code == 1
    assert not path.with_suffix(".html").exists()


def test_data_beside_is_as_good_as_data_inside(folder: Path) -> None:
    path = folder / "m.onnx"
    path.write_bytes(model_of(weight=outside("w", offset=8)).SerializeToString())
    (constant,) = describe(path).constants
    assert str(constant) == "float32[3, 2]"
    assert CliRunner().invoke(main, ["run", str(path)]).exit_code == 0


def test_more_nodes_than_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "m.onnx"
    path.write_bytes(model_of(*[helper.make_node("Relu", ["x"], ["y"])] * 20).SerializeToString())
    assert len(describe(path).nodes) == 20
    path.write_bytes(model_of(nested(20)).SerializeToString())
    assert describe(path).nodes
    monkeypatch.setattr(checked, "_DEEPEST", 15)
    with pytest.raises(BackendError, match="more than 15 levels"):
        describe(path)
    monkeypatch.undo()
    path.write_bytes(model_of(*[helper.make_node("Relu", ["x"], ["y"])] * 20).SerializeToString())
    monkeypatch.setattr(checked, "_MOST_NODES", 10)
    with pytest.raises(BackendError, match="more than 32 levels or 10 nodes"):
        describe(path)


def test_random_damage_is_an_error_or_a_description(folder: Path) -> None:
    draws = np.random.default_rng(0)
    whole = model_of(weight=outside("w")).SerializeToString()
    path = folder / "m.onnx"
    met = {True: 0, False: 0}
    for _ in range(1500):
        damaged = bytearray(whole)
        for _ in range(int(draws.integers(1, 4))):
            at = int(draws.integers(len(damaged)))
            kind = int(draws.integers(3))
            if kind == 0:
                damaged[at] = int(draws.integers(256))
            elif kind == 1:
                del damaged[at : at + int(draws.integers(1, 9))]
            else:
                damaged[at:at] = draws.bytes(int(draws.integers(1, 9)))
        path.write_bytes(damaged)
        try:
            describe(path)
            met[True] += 1
        except BackendError:
            met[False] += 1
    assert min(met.values()) > 20
