"""Files of named tensors: round trips, other programs' files, and damaged ones."""

from __future__ import annotations

import numpy as np
import pytest

from nngraph.frontend.checkpoint import load, save
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
        r"\['bad'\] is int": {"w": zeros(3), "bad": 3},
        r"\['state'\]\[0\]\['step'\] is NoneType": {"state": {0: {"step": None}}},
        r"\['groups'\]\[0\]\['lr'\] is float": {"groups": [{"lr": 0.1}]},
        r"\['empty'\] is dict": {"empty": {}},
        "key 3 is no string": {"w": zeros(3), 3: zeros(1)},
        r"\['words'\].*no.* element type": {"words": np.array(["a"])},
        r"\['things'\].*no.* element type": {"things": np.array([None])},
        "got list": [zeros(2)],
        "got Tensor": zeros(2),
    }
    for text, tensors in refused.items():
        with pytest.raises(TypeError, match=text):
            save(tensors, path)
        assert load(path)["w"].tolist() == [0.0, 0.0]
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]
    save({"w": np.arange(3, dtype=">f4")}, path)
    assert load(path)["w"].tolist() == [0, 1, 2]
