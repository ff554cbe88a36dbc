"""What a bundle from elsewhere may not do, one test a line; and random damage."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import nngraph as ng
from nngraph.runtime.bundle import folder as folders
from tests.support.hostile_bundles import check, make_bundle, rounds, sealed

Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_bundle(tmp_path_factory.mktemp("hostile") / "bundle")
    ng.load_step(made, backend="reference")  # imports what loading imports
    return made


def refused(bundle: Path, work: Path, change: Change, seal: bool = True) -> str:
    """The error of a changed copy; ``seal`` gives it the checksums of what was changed."""
    shutil.copytree(bundle, work)
    change(work)
    if seal:
        sealed(work)
    error = check(work)
    assert error is not None, "it was loaded"
    assert str(work) in str(error) and len(str(error)) < 2000
    return str(error)


# -- changes of the manifest ---------------------------------------------------------------
def manifest(change: Callable[[dict[str, Any]], object]) -> Change:
    def apply(work: Path) -> None:
        path = work / "manifest.json"
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return apply


def raw_manifest(text: bytes) -> Change:
    return lambda work: (work / "manifest.json").write_bytes(text)


def renamed(name: str) -> Change:
    """The state lies elsewhere, as the manifest says."""

    def change(data: dict[str, Any]) -> None:
        data["files"][name] = data["files"].pop("model.onnx")
        data["models"] = {name: data["models"]["model.onnx"]}

    return manifest(change)


def entry(key: str, value: Any) -> Change:
    return manifest(lambda data: data["files"]["model.onnx"].update({key: value}))


def first(group: str, key: str, value: Any) -> Change:
    return manifest(lambda data: data[group][0].update({key: value}))


MANIFESTS: dict[str, tuple[Change, str]] = {
    "a newer version says what to do": (
        manifest(lambda d: d.update(version=2, nngraph="9.9")),
        r"format version 2, written by nngraph 9\.9; .* up to 1: pip install --upgrade nngraph",
    ),
    "a version that is none": (manifest(lambda d: d.update(version=True)), "its version is True"),
    "another format": (manifest(lambda d: d.update(format="zip")), "not that of a bundle"),
    "no JSON": (raw_manifest(b"{"), "no JSON"),
    "no UTF-8": (raw_manifest(b"\xff{}"), "no JSON"),
    "an empty file": (raw_manifest(b""), "no JSON"),
    "no object": (raw_manifest(b"[]"), "not that of a bundle"),
    "JSON of many levels": (raw_manifest(b'{"a":' + b"[" * 10**6), "more than 32 levels"),
    "JSON of many entries": (raw_manifest(b"[" + b"0," * 600_000 + b"0]"), "500000 entries"),
    "a key twice": (raw_manifest(b'{"format": 1, "format": 2}'), "a key twice"),
    "numbers that JSON lacks": (raw_manifest(b'{"format": NaN}'), "NaN is no number"),
    "a number of many digits": (raw_manifest(b'{"format": ' + b"9" * 10**4 + b"}"), "no JSON"),
    "a path upwards": (renamed("../model.onnx"), r"'\.\./model\.onnx' is no name of a file"),
    "an absolute path": (renamed("/etc/passwd"), "'/etc/passwd' is no name of a file"),
    "a path into a folder": (renamed("a/b.onnx"), "is no name of a file"),
    "a path of Windows": (renamed("C:\\b.onnx"), "is no name of a file"),
    "a stream of Windows": (renamed("b.onnx:x"), "is no name of a file"),
    "a name with a zero": (renamed("b\0.onnx"), "is no name of a file"),
    "the folder itself": (renamed("."), "is no name of a file"),
    "the folder around it": (renamed(".."), "is no name of a file"),
    "a file that is missing": (renamed("other.onnx"), r"other\.onnx is missing"),
    "a file that belongs to no bundle": (
        manifest(lambda d: d["files"].update(more=d["files"]["model.onnx"])),
        "its files are not those of the bundle",
    ),
    "a file that is not listed": (manifest(lambda d: d["files"].pop("graph.txt")), r"graph\.txt"),
    "a size that is another": (entry("bytes", 5), "bytes, and may have 5"),
    "a size that is negative": (entry("bytes", -1), "-1 stands where a size belongs"),
    "a size of many bytes": (entry("bytes", 2**62), "stands where a size belongs"),
    "a checksum that is another": (entry("sha256", "0" * 64), "its checksum is another"),
    "a checksum that is none": (entry("sha256", "x"), "no SHA-256"),
    "a dtype that is none": (first("inputs", "dtype", "object"), "no dtype 'object'"),
    "a shape that is negative": (first("inputs", "shape", [-1]), "stands where a size belongs"),
    "a shape of many axes": (first("inputs", "shape", [1] * 65), "65 sizes"),
    "a size that explodes": (
        first("inputs", "shape", ["*".join(f"(a{i}+b{i})" for i in range(40))]),
        "a product of .* terms",
    ),
    "a size that is code": (first("inputs", "shape", ["__import__('os')"]), "not a dimension"),
    "a size of many letters": (first("inputs", "shape", ["(" * 999]), "not a dimension"),
    "an open size of a state": (first("state", "shape", ["n"]), "sizes that are numbers"),
    "a state of another shape": (first("state", "shape", [4]), "two types"),
    "a name that is no text": (first("inputs", "name", 3), "stands where a text belongs"),
    "a name of many letters": (first("inputs", "name", "n" * 2000), "where a text belongs"),
    "a name twice": (first("state", "input", "input"), "two types|one name|another step"),
    "a role that is none": (first("outputs", "role", "owner"), "owner"),
    "a scalar that is no number": (first("scalars", "value", "1+1"), "where a number belongs"),
    "a result that is none": (manifest(lambda d: d.update(result={"eval": "1"})), "no output"),
    "a result of no output": (manifest(lambda d: d.update(result={"output": "z"})), "no output"),
    "a state that only the manifest has": (
        manifest(lambda d: d["models"]["model.onnx"]["state"][0].update(name="more")),
        r"other tensors than manifest\.json: \['more'\]",
    ),
}


@pytest.mark.parametrize("case", list(MANIFESTS))
def test_a_manifest(case: str, bundle: Path, tmp_path: Path) -> None:
    change, message = MANIFESTS[case]
    found = refused(bundle, tmp_path / "work", change, seal=False)
    assert re.search(message, found), found


def test_each_key_of_the_manifest_is_needed_and_of_its_type(bundle: Path, tmp_path: Path) -> None:
    whole = json.loads((bundle / "manifest.json").read_text())
    work = tmp_path / "work"
    shutil.copytree(bundle, work)
    for key in whole:
        for value in ("gone", None, 3.5, [3], {"a": {"b": 3}}, [{"name": "x"}], True):
            if (key, value) == ("schedule", None) or (key, value) == ("schedule", {"a": {"b": 3}}):
                continue  # both are what a schedule may be
            data = {k: v for k, v in whole.items() if k != key or value != "gone"}
            if value != "gone":
                data[key] = value
            (work / "manifest.json").write_text(json.dumps(data))
            assert check(work) is not None, (key, value)


# -- files that are not what they seem ------------------------------------------------------
def instead(make: Callable[[Path, Path], object], name: str = "model.onnx") -> Change:
    """Another thing under the name of a file, made from that file, which lies beside."""

    def apply(work: Path) -> None:
        kept = work.parent / "elsewhere"
        shutil.move(work / name, kept)
        make(kept, work / name)

    return apply


LINKS: dict[str, tuple[Change, str]] = {
    "a link": (instead(lambda kept, path: path.symlink_to(kept)), "is a link"),
    "a hard link": (instead(lambda kept, path: os.link(kept, path)), "has a second name"),
    "a pipe": (instead(lambda _, path: os.mkfifo(path)), "is no plain file"),
    "a folder": (instead(lambda _, path: path.mkdir()), "is no plain file|cannot be opened"),
    "a manifest that is a link": (
        instead(lambda kept, path: path.symlink_to(kept), "manifest.json"),
        "is a link",
    ),
    "a manifest that is a hard link": (
        instead(lambda kept, path: os.link(kept, path), "manifest.json"),
        "has a second name",
    ),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes in folders")
@pytest.mark.parametrize("case", list(LINKS))
def test_a_file_that_is(case: str, bundle: Path, tmp_path: Path) -> None:
    change, message = LINKS[case]
    found = refused(bundle, tmp_path / "work", change, seal=False)
    assert re.search(message, found), found


@pytest.mark.parametrize("name", ["manifest.json", "graph.txt"])
def test_a_file_of_more_bytes_than_it_may_have(
    name: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(folders._LONGEST, name, 100)
    found = refused(bundle, tmp_path / "work", lambda work: None, seal=False)
    assert "and may have at most 100" in found


def test_a_state_file_of_more_bytes_than_its_shapes(bundle: Path, tmp_path: Path) -> None:
    def grow(work: Path) -> None:
        """A file of holes: it takes no room on the disk."""
        os.truncate(work / "state.safetensors", 1 << 43)
        manifest(lambda d: d["files"]["state.safetensors"].update(bytes=1 << 43))(work)

    found = refused(bundle, tmp_path / "work", grow, seal=False)
    assert "and may have at most 100000" in found


@pytest.mark.parametrize("name", ["graph.txt", "state.safetensors", "model.onnx"])
def test_damage_that_a_checksum_tells(name: str, bundle: Path, tmp_path: Path) -> None:
    def flip(work: Path) -> None:
        raw = bytearray((work / name).read_bytes())
        raw[len(raw) // 2] ^= 1
        (work / name).write_bytes(raw)

    assert f"{name} is not what was written" in refused(bundle, tmp_path / "w", flip, seal=False)


# -- the state -----------------------------------------------------------------------------
def header(change: Callable[[dict[str, Any]], object]) -> Change:
    def apply(work: Path) -> None:
        path = work / "state.safetensors"
        raw = path.read_bytes()
        size = int.from_bytes(raw[:8], "little")
        data = json.loads(raw[8 : 8 + size])
        change(data)
        text = json.dumps(data).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + size :])

    return apply


def state(raw: bytes, keep: bool = False) -> Change:
    def apply(work: Path) -> None:
        path = work / "state.safetensors"
        path.write_bytes(path.read_bytes() + raw if keep else raw)

    return apply


STATES: dict[str, tuple[Change, str]] = {
    "nothing": (state(b""), "not a whole safetensors file"),
    "a header beyond the file": (state(struct.pack("<Q", 2**60)), "cut short"),
    "a header of many levels": (
        state(struct.pack("<Q", 10**6) + b"[" * 10**6),
        "more than 4 levels",
    ),
    "bytes behind the tensors": (state(b"more", keep=True), "4 bytes behind its tensors"),
    "a tensor less": (header(lambda h: h.pop("rng")), "12 bytes behind its tensors"),
    "offsets beyond the file": (
        header(lambda h: h["rng"].update(shape=[2**40], data_offsets=[0, 2**42])),
        "not lie one behind|not a whole",
    ),
    "offsets before the file": (
        header(lambda h: h["rng"].update(data_offsets=[-12, 0])),
        "what the header says of tensor 'rng' is damaged",
    ),
    "tensors that overlap": (
        header(lambda h: h["rng"].update(data_offsets=[1, 13])),
        "not lie one behind the other",
    ),
    "a shape that is larger than its bytes": (
        header(lambda h: h["rng"].update(shape=[2**61])),
        "another size than its shape",
    ),
    "a dtype that is another": (
        header(lambda h: h["rng"].update(dtype="F32")),
        r"rng is u32\[3\]; state\.safetensors has f32\[3\]",
    ),
    "a shape that is another": (header(lambda h: h["rng"].update(shape=[3, 1])), r"u32\[3,1\]"),
}


@pytest.mark.parametrize("case", list(STATES))
def test_a_state_file_of(case: str, bundle: Path, tmp_path: Path) -> None:
    change, message = STATES[case]
    found = refused(bundle, tmp_path / "w", change)
    assert re.search(message, found), found


# -- the graph -----------------------------------------------------------------------------
def graph(old: str, new: str) -> Change:
    def apply(work: Path) -> None:
        text = (work / "graph.txt").read_text()
        assert old in text
        (work / "graph.txt").write_text(text.replace(old, new, 1))

    return apply


GRAPHS: dict[str, tuple[Change, str]] = {
    "an operator that nngraph lacks": (graph("= matmul(", "= system("), "no operator 'system'"),
    "another interface": (graph("input %x", "input %z as x2"), "describes another step|is not"),
    "sizes that do not fit": (graph("state %0.weight: f32[4,3]", "state %0.weight: f32[4,2]"), ""),
    "attributes of many levels": (graph("= matmul(", "= matmul" + "(" * 500), "graph.txt"),
    "a constant of many elements": (
        graph(
            "graph step {", "graph step {\n  %c: f32[] = constant() {value=f32[99999999999][1.0]}"
        ),
        "elements, found 1",
    ),
    "a size that explodes": (
        graph("f32[batch,3]", "f32[" + "*".join(f"(a{i}+b{i})" for i in range(40)) + ",3]"),
        "a product of",
    ),
    "a size of many letters": (graph("f32[batch,3]", "f32[" + "-" * 99999 + "3]"), "letters"),
    "no text": (lambda work: (work / "graph.txt").write_bytes(b"\xff\xfe"), "no graph of nngraph"),
    "nothing": (lambda work: (work / "graph.txt").write_bytes(b""), "no graph of nngraph"),
}


@pytest.mark.parametrize("case", list(GRAPHS))
def test_a_graph_with(case: str, bundle: Path, tmp_path: Path) -> None:
    change, message = GRAPHS[case]
    found = refused(bundle, tmp_path / "w", change)
    assert re.search(message, found), found


def test_a_graph_of_many_nodes(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_MOST_NODES", 10)
    assert "more than 10 lines" in refused(bundle, tmp_path / "w", lambda work: None)


# -- ONNX files ----------------------------------------------------------------------------
def model(change: Callable[[Any], object]) -> Change:
    def apply(work: Path) -> None:
        path = work / "model.onnx"
        proto = onnx.load(path)
        change(proto)
        path.write_bytes(proto.SerializeToString())

    return apply


def external(**place: object) -> Change:
    """A constant of the model whose data are said to lie elsewhere."""

    def change(proto: Any) -> None:
        tensor = proto.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[2])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))

    def apply(work: Path) -> None:
        (work / "model.onnx.data").write_bytes(bytes(8))
        manifest(lambda d: d["files"].update({"model.onnx.data": {"bytes": 8, "sha256": ""}}))(work)
        model(change)(work)

    return apply


def nested(depth: int) -> Callable[[Any], object]:
    def change(proto: Any) -> None:
        inner = helper.make_graph([], "g", [], [])
        for _ in range(depth):
            node = helper.make_node("If", ["c"], ["r"], then_branch=inner)
            inner = helper.make_graph([node], "g", [], [])
        proto.graph.node.extend(inner.node)

    return change


def wrong_bytes(proto: Any) -> None:
    tensor = numpy_helper.from_array(np.zeros(2, np.float32), "w")
    tensor.dims[0] = 2**40
    proto.graph.initializer.append(tensor)


MODELS: dict[str, tuple[Change, str]] = {
    "no model": (lambda work: (work / "model.onnx").write_bytes(b"\xff" * 9), "no ONNX model"),
    "nothing": (lambda work: (work / "model.onnx").write_bytes(b""), "operators are of"),
    "another opset": (model(lambda m: m.opset_import[0].ClearField("version")), "operators are of"),
    "custom operators": (
        model(lambda m: m.graph.node.add(op_type="Run", domain="evil")),
        "'Run' of 'evil' is not standard",
    ),
    "functions": (model(lambda m: m.functions.add(name="f")), "functions"),
    "graphs of many levels": (model(nested(33)), "more than 32 levels"),
    "another interface": (model(lambda m: m.graph.input.pop()), "inputs, not"),
    "an input of another type": (
        model(lambda m: m.graph.input[0].type.tensor_type.__setattr__("elem_type", 7)),
        "inputs are others",
    ),
    "an output of another name": (
        model(lambda m: m.graph.output[0].__setattr__("name", "z")),
        "outputs are others",
    ),
    "default values of inputs": (
        model(
            lambda m: m.graph.initializer.append(
                numpy_helper.from_array(np.zeros(2, np.float32), m.graph.input[0].name)
            )
        ),
        "an input has a default value",
    ),
    "a constant that lacks bytes": (model(wrong_bytes), "has not the bytes of its shape"),
    "data upwards": (
        external(location="../../secret", offset=0, length=8),
        r"lies in another file than model\.onnx\.data",
    ),
    "data of an absolute path": (
        external(location="/etc/passwd", offset=0, length=8),
        "lies in another file",
    ),
    "data in another file of the bundle": (
        external(location="state.safetensors", offset=0, length=8),
        "lies in another file",
    ),
    "data beyond the file": (
        external(location="model.onnx.data", offset=4, length=8),
        "has not the bytes",
    ),
    "data of another length": (
        external(location="model.onnx.data", offset=0, length=4),
        "has not the bytes",
    ),
    "data at a negative place": (
        external(location="model.onnx.data", offset=-8, length=8),
        "'-8' is no offset",
    ),
    "data of no length": (external(location="model.onnx.data"), "'' is no offset or length"),
}


@pytest.mark.parametrize("case", list(MODELS))
def test_a_model_with(case: str, bundle: Path, tmp_path: Path) -> None:
    change, message = MODELS[case]
    found = refused(bundle, tmp_path / "w", change)
    assert re.search(message, found), found


# -- all of it -----------------------------------------------------------------------------
def test_a_whole_bundle_executes_and_imports_nothing(bundle: Path) -> None:
    assert check(bundle) is None


def test_random_damage_is_refused_or_loads(bundle: Path, tmp_path: Path) -> None:
    assert rounds(bundle, tmp_path / "work", random.Random(11), 100) < 50
