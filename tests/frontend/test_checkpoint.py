"""Files of named tensors: round trips, other programs' files, and damaged ones."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph.frontend.checkpoint.load import load
from nngraph.frontend.checkpoint.save import save
from nngraph.frontend.functional.creation import zeros
from nngraph.frontend.functional.data import tensor
from nngraph.ir.dtypes import DTYPES
from nngraph.runtime.checkpoint import CheckpointError


def test_every_dtype_and_shape_comes_back(tmp_path):
    values = {d.name: tensor(np.arange(6).reshape(2, 3) % 2, dtype=d) for d in DTYPES}
    values |= {"scalar": tensor(1.5), "empty": zeros(0, 3)}
    save(values, tmp_path / "x.safetensors")
    back = load(tmp_path / "x.safetensors")
    assert set(back) == set(values)
    for name, value in values.items():
        assert back[name].dtype is value.dtype
        np.testing.assert_array_equal(back[name].numpy(), value.numpy())


def test_files_of_other_programs_load(tmp_path):
    from safetensors.torch import save_file

    torch = pytest.importorskip("torch")
    save_file({"w": torch.arange(3.0)}, tmp_path / "t.safetensors")
    assert load(tmp_path / "t.safetensors")["w"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "header"])
def test_damaged_files_are_refused(tmp_path, damage):
    path = tmp_path / "x.safetensors"
    save({"w": zeros(100)}, path)
    raw = path.read_bytes()
    path.write_bytes(
        {
            "cut": raw[:-5],
            "garbage": b"not a tensor file" * 3,
            "empty": b"",
            "header": raw[:8] + b"[" + raw[9:],
        }[damage]
    )
    with pytest.raises(CheckpointError, match=r"x\.safetensors"):
        load(path)


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "x.safetensors"
    save({"w": zeros(2)}, path)
    refused = {
        r"\['bad'\] is complex": {"w": zeros(3), "bad": 3j},
        r"\['state'\]\[0\]\['step'\] is ellipsis": {"state": {0: {"step": ...}}},
        r"key of the whole is frozenset": {"w": zeros(3), frozenset({1}): zeros(1)},
        r"\['words'\].*no.* element type": {"words": np.array(["a"])},
        r"\['things'\].*no.* element type": {"things": np.array([None])},
        "the whole is Linear; save its state_dict": ng.nn.Linear(2, 2),
        r"\['opt'\] is SGD; save its state_dict": {"opt": ng.optim.SGD([zeros(1)])},
        r"\['d'\] is a defaultdict of <function": {"d": collections.defaultdict(lambda: 3)},
    }
    for text, tensors in refused.items():
        with pytest.raises(TypeError, match=text):
            save(tensors, path)
        assert load(path)["w"].tolist() == [0.0, 0.0]
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]
    save({"w": np.arange(3, dtype=">f4")}, path)
    assert load(path)["w"].tolist() == [0, 1, 2]


NEST = {
    "model": {"0.weight": ng.ones(2, 3), "0.bias": ng.zeros(2).half()},
    "state": {0: {"step": ng.tensor(3.0)}, 1: {}},
    "numbers": [1, 2.5, float("inf"), -0.0, True, None, "text", 2**70],
    "pair": (0.9, [ng.arange(3), np.float32(0.5)]),
    "counted": collections.Counter([3, 3, 5]),
}


def plain(value: Any) -> Any:
    if isinstance(value, ng.Tensor):
        return "tensor", value.dtype, value.tolist()
    if isinstance(value, dict):
        return type(value), {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [plain(v) for v in value]
    return type(value), repr(value)


def test_a_nest_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "nest.safetensors"
    ng.save(NEST, path)
    found = ng.load(path)
    wanted = NEST
    assert plain(found) == plain(wanted)
    assert found["model"]["0.bias"].dtype is ng.float16


def test_what_is_one_tensor_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "shared.safetensors"
    big = ng.ones(1000)
    ng.save({"a": [big, big], "b": {"c": big}}, path)
    assert path.stat().st_size < 5000
    found = ng.load(path)
    assert found["a"][0] is found["a"][1] is found["b"]["c"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": {"b": object()}}, r"\['a'\]\['b'\] is object"),
        ({"a": [1, {2j}]}, r"an element of \['a'\]\[1\] is 2j"),
        ({"a": {1j: 2}}, "key of .*1j"),
        ({"f": len}, r"\['f'\] is builtin_function_or_method"),
    ],
)
def test_what_is_no_data_is_refused(value: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    ng.save({"before": ng.ones(1)}, path)
    with pytest.raises(TypeError, match=words):
        ng.save(value, path)
    assert list(ng.load(path)) == ["before"]


def test_a_structure_that_was_changed_is_an_error(tmp_path: Path) -> None:
    from nngraph.runtime.checkpoint import write_arrays

    path = tmp_path / "a.safetensors"
    for nest in ('["dict", [["a", ["tensor", "gone"]]]]', '["code", []]', "[", '["dict", 3]'):
        write_arrays(path, {"b": np.ones(1)}, {"nngraph.nest": nest})
        with pytest.raises(ng.CheckpointError, match="does not say what its tensors are of"):
            ng.load(path)
