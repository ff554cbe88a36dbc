"""``ng.load_step``: a step without its code goes on as the compiled function does, bit for bit."""

from __future__ import annotations

import functools
import json
import sys
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

import nngraph as ng
from nngraph import nn, ops
from nngraph.backends.onnx import export as onnx_export
from nngraph.ir.op import Op, apply1
from nngraph.ir.types import TensorType
from tests.bundles.networks import NETWORKS, Network, trained
from tests.support.backends import BACKENDS
from tests.support.tolerances import assert_close


def flat(result: Any) -> list[Any]:
    """The arrays and values of a result, in order."""
    if isinstance(result, ng.Tensor):
        return [result.detach().numpy().tobytes()]
    if isinstance(result, dict):
        return [part for key, value in result.items() for part in (key, *flat(value))]
    if isinstance(result, tuple | list):
        return [type(result), *(part for value in result for part in flat(value))]
    return [result]


def states_of(network: Network) -> dict[str, bytes]:
    return {k: v.numpy().tobytes() for k, v in network.model.state_dict().items()}


@pytest.mark.parametrize(
    ("name", "backend"),
    [(n, b) for n in NETWORKS for b in BACKENDS if b != "tvm" or n == "perceptron"],
)
def test_it_goes_on_bit_for_bit(name: str, backend: str, tmp_path: Path) -> None:
    network, step = trained(name, backend, 10)
    folder = ng.export(step, tmp_path / name)
    loaded = ng.load_step(folder, backend=backend, threads=1)
    for i, batch in enumerate(network.batches(10, seed=1)):
        if i == 5:  # through files
            loaded = ng.load_step(loaded.save(folder), backend=backend, threads=1)
        assert flat(loaded(*batch)) == flat(step(*batch))
    found = {k: v.numpy().tobytes() for k, v in loaded.state_dict().items()}
    wanted = {k: v for k, v in states_of(network).items() if k in found}
    assert wanted and {k: found[k] for k in wanted} == wanted
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("backend", BACKENDS)
def test_open_sizes_train_at_every_size(backend: str, tmp_path: Path) -> None:
    network, step = trained("perceptron", "reference")
    folder = ng.export(step, tmp_path / "b", *network.specs())
    loaded = ng.load_step(folder, backend=backend, threads=1)
    rng = np.random.default_rng(1)
    for size in (4, 2, 4) if backend == "tvm" else (4, 7, 2, 16, 4):
        batch = network.draw(rng, size)
        assert_close(loaded(*batch)[0].numpy(), step(*batch)[0].numpy())
    if backend == "tvm":
        return  # one more size is one more program
    before = {k: v.numpy().copy() for k, v in loaded.state_dict().items()}
    with pytest.raises((IndexError, ng.BackendError)):  # one value per channel, as in PyTorch
        loaded(*network.draw(rng, 1))
    for name, value in loaded.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    loaded(*network.draw(rng, 4))


def test_sequences_of_any_length(tmp_path: Path) -> None:
    network, step = trained("gpt", "reference")
    specs = [ng.spec(("batch", "length"), ng.int64)]
    loaded = ng.load_step(ng.export(step, tmp_path / "gpt", *specs), backend="onnx")
    rng = np.random.default_rng(1)
    for size, length in ((4, 9), (3, 5), (1, 2)):
        ids = network.draw(rng, size)[0][:, :length]
        assert_close(loaded(ids)["loss"].numpy(), step(ids)["loss"].detach().numpy())
    shape = json.loads((tmp_path / "gpt" / "manifest.json").read_text())["inputs"][0]["shape"]
    assert shape == ["batch", "length"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network, step = trained("perceptron", "reference")
    return ng.export(step, tmp_path_factory.mktemp("bundles") / "step", *network.specs())


def test_calls_by_name_and_refusals(bundle: Path) -> None:
    step = ng.load_step(bundle, backend="reference")
    x, y = next(NETWORKS["perceptron"]().batches(1))
    twin = ng.load_step(bundle, backend="reference")
    assert flat(step(y=y, x=ng.from_numpy(x))) == flat(twin(x, y))
    assert "x: f32[batch,6]" in repr(step)
    refused: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
        ((x,), {}, TypeError, "takes x: .* y: f32"),
        ((x, y, y), {}, TypeError, "takes"),
        ((x, y), {"y": y}, TypeError, "takes"),
        ((x,), {"z": y}, TypeError, "takes"),
        ((x, "text"), {}, TypeError, "y is f32.batch.; got 'text'"),
        ((x.astype(np.float64), y), {}, ValueError, r"x is f64\[16,6\]; .* f32\[batch,6\]"),
        ((x[:, :5], y), {}, ValueError, "is made for"),
        ((x, y[:3]), {}, ValueError, "batch"),
    ]
    for args, kwargs, kind, message in refused:
        with pytest.raises(kind, match=message):
            step(*args, **kwargs)
    assert flat(step(x, y)) == flat(twin(x, y))  # nothing had changed


def test_arguments_lie_as_in_the_exported_call(tmp_path: Path) -> None:
    def step(x: Any, factor: float, flag: bool, *, more: Any) -> Any:
        y = x * factor + more["a"][0] - (more["a"][1] if flag else 0)
        return {"y": y, "parts": [x, (float("inf"), more["b"])]}

    one, two = np.float32([1, 2]), np.float32([3, 4])
    compiled = ng.compile(step, backend="reference")
    compiled(one, 0.5, True, more={"a": [one * 1, two], "b": None})
    loaded = ng.load_step(ng.export(compiled, tmp_path / "b"), backend="reference")
    assert [o.name for o in loaded.signature.outputs] == ["y", "parts_0"]
    calls: list[tuple[float, Any, Any]] = [(0.25, one, two), (2.0, two, one * 3)]
    for factor, a, b in calls:
        given = {"b": None, "a": [a, b]}
        wanted = compiled(one, factor, True, more=given)
        assert flat(loaded(one, factor, True, more=given)) == flat(wanted)
        names = dict(zip(("x", "more_a_0", "more_a_1"), (one, a, b), strict=True))
        assert flat(loaded(**names, factor=factor)) == flat(wanted)
    for args, more in [((one, 0.5, False), given), ((one, 0.5, True), {"a": [one], "b": None})]:
        with pytest.raises(TypeError, match=r"were \(\(x, factor, True\), \{'more': \{'a': \["):
            loaded(*args, more=more)


@dataclass
class Pair:
    """A result and an argument of a user's own class."""

    first: Any
    second: Any


def test_dataclasses_are_dicts_of_their_fields(tmp_path: Path) -> None:
    def step(x: Any, pair: Any) -> Any:
        return Pair(x + pair.first, {(1, 2): [pair.second], 3: OrderedDict(a=x * 2)})

    compiled = ng.compile(step, backend="reference")
    x, pair = np.float32([1, 2]), Pair(np.float32([3, 4]), None)
    compiled(x, pair)
    loaded = ng.load_step(ng.export(compiled, tmp_path / "b"), backend="reference")
    found = loaded(x, pair)
    assert found["first"].tolist() == [4, 6] and found["second"]["(1, 2)"] == [None]
    assert found["second"][3]["a"].tolist() == [2, 4]
    assert flat(loaded(x, {"first": pair.first, "second": None})) == flat(found)


def test_numbers_and_tensors_of_pytorch_are_taken(bundle: Path) -> None:
    step, twin = (ng.load_step(bundle, backend="reference") for _ in range(2))
    x, y = next(NETWORKS["perceptron"]().batches(1))
    assert flat(step(torch.from_numpy(x), torch.from_numpy(y))) == flat(twin(x, y))


def test_it_is_no_part_of_a_trace(bundle: Path) -> None:
    step = ng.load_step(bundle, backend="reference")
    compiled = ng.compile(lambda x, y: step(x, y), backend="reference")
    with pytest.raises(ng.TraceError, match="a loaded step is called while tracing"):
        compiled(*next(NETWORKS["perceptron"]().batches(1)))


def test_scalars_are_read_at_each_call_and_kept(bundle: Path, tmp_path: Path) -> None:
    step = ng.load_step(bundle, backend="reference")
    batch = next(NETWORKS["perceptron"]().batches(1))
    before = {k: v.numpy().copy() for k, v in step.state_dict().items()}
    step.scalars["lr"] = 0.0
    step(*batch)
    for name, value in step.state_dict().items():
        same = np.array_equal(value.numpy(), before[name])
        assert same is (name in ("0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "4.bias"))
    step.scalars["lr"] = float("inf")
    assert ng.load_step(step.save(tmp_path / "b"), backend="reference").scalars["lr"] == np.inf
    step.scalars["lr"] = "fast"  # type: ignore[assignment]
    with pytest.raises(TypeError, match="the scalar 'lr' is 'fast'"):
        step.save(tmp_path / "b")
    step.scalars["lr"] = 0.1
    step.scalars["learning_rate"] = 0.1
    with pytest.raises(KeyError, match="'learning_rate': the scalars of train_step are lr, mom"):
        step(*batch)
    with pytest.raises(KeyError, match="learning_rate"):
        step.save(tmp_path / "b")
    assert ng.load_step(tmp_path / "b", backend="reference").scalars["lr"] == np.inf


def test_another_state_fits_whole_or_changes_nothing(bundle: Path) -> None:
    step = ng.load_step(bundle, backend="reference")
    other = {k: v.numpy() + 1 for k, v in step.state_dict().items()}
    before = flat(step.state_dict())
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"0.weight": None}, "0.weight is missing"),
        ({"more": np.zeros(2)}, "more is unexpected"),
        ({"0.bias": np.zeros(3, np.float32)}, r"0.bias is f32\[3\], wanted f32\[16\]"),
    ]
    for change, message in wrong:
        changed = {k: v for k, v in (other | change).items() if v is not None}
        with pytest.raises(RuntimeError, match=message):
            step.load_state_dict(changed)
    assert flat(step.state_dict()) == before
    step.load_state_dict(other)
    assert flat(step.state_dict()) == flat({k: ng.tensor(v) for k, v in other.items()})


def test_what_a_call_leaves_in_arguments_and_gradients(tmp_path: Path) -> None:
    w = nn.Parameter(ng.tensor([1.0, 2.0]))

    def step(x: Any, y: Any) -> None:
        (w * y).sum().backward()
        x.add_(1)

    y = np.array([3.0, 4.0], np.float32)
    compiled = ng.compile(step, backend="reference")
    folder = ng.export(compiled, tmp_path / "b", ng.spec((2,)), ng.spec((2,)), model=False)
    loaded = ng.load_step(folder, backend="reference")
    x = np.zeros(2, np.float32)
    assert loaded(x, y) is None and x.tolist() == [1, 1]
    loaded(x, y)
    (gradient,) = (v for k, v in loaded.state_dict().items() if "grad" in k)
    assert gradient.tolist() == [6, 8] and x.tolist() == [2, 2]
    x.flags.writeable = False
    with pytest.raises(ValueError, match="writes to 'x', whose array is read-only"):
        loaded(x, y)


def test_check_finite_keeps_the_state(bundle: Path) -> None:
    step = ng.load_step(bundle, backend="reference", check_finite=True)
    x, y = next(NETWORKS["perceptron"]().batches(1))
    before = flat(step.state_dict())
    with pytest.raises(ng.NonFiniteError):
        step(np.full_like(x, np.nan), y)
    assert flat(step.state_dict()) == before


def test_only_the_reference_needs_no_packages(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, package, None)
    step = ng.load_step(bundle, backend="reference")
    step(*next(NETWORKS["perceptron"]().batches(1)))
    with pytest.raises(ng.BackendError, match="needs the package 'onnx'"):
        ng.load_step(bundle, backend="onnx")


def test_errors_of_loading(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        ng.load_step(tmp_path / "none")
    with pytest.raises(ng.BundleError, match=r"no bundle: it has no manifest\.json"):
        ng.load_step(tmp_path)
    with pytest.raises(ng.BackendError, match="no backend 'cudnn'"):
        ng.load_step(bundle, backend="cudnn")
    with pytest.raises(ng.BackendError, match="does not run on device"):
        ng.load_step(bundle, device="tpu")


def test_large_constants_lie_in_a_file_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = functools.partial(onnx_export.model_file, limit=1000)
    monkeypatch.setattr(onnx_export, "model_file", limited)
    weight = nn.Parameter(ng.ones(40))

    def step(x: Any) -> Any:
        constant = (ng.arange(1600.0) % 7).sin().reshape(40, 40)
        return (x @ constant * weight).sum()

    folder = ng.export(ng.compile(step), tmp_path / "b", ng.spec((2, 40)), model=False)
    assert {"model.onnx", "model.onnx.data"} < {p.name for p in folder.iterdir()}
    loaded = ng.load_step(folder, backend="onnx")
    x = np.ones((2, 40), np.float32)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    (found,) = session.run(None, {"x": x, "tensor_0": np.ones(40, np.float32)})
    assert_close(loaded(x).numpy(), np.asarray(found))
    again = ng.load_step(loaded.save(tmp_path / "c"), backend="reference")
    assert_close(again(x).numpy(), np.asarray(found), scale=4)
    (tmp_path / "c" / "model.onnx.data").unlink()
    with pytest.raises(ng.BundleError, match=r"model\.onnx\.data is missing"):
        ng.load_step(tmp_path / "c")


@dataclass(frozen=True)
class Doubled(Op):
    """An operator of a user's own, of which graphs in files know nothing."""

    name = "doubled"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return types

    def eval(self, *inputs: Any) -> tuple[Any, ...]:
        return (inputs[0] * 2,)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        return (ops.add(*inputs, *inputs),)


def test_own_operators_are_taken_apart(tmp_path: Path) -> None:
    compiled = ng.compile(lambda x: apply1(Doubled(), x) + 1, backend="reference")
    x = np.float32([1, 2])
    compiled(x)
    folder = ng.export(compiled, tmp_path / "b")
    assert "= doubled(" not in (folder / "graph.txt").read_text()
    assert ng.load_step(folder, backend="reference")(x).tolist() == [3, 5]


def test_states_without_elements_and_of_bools(tmp_path: Path) -> None:
    flags, none = ng.tensor([True, False]), ng.zeros(0)

    def step(x: Any) -> Any:
        flags.copy_(~flags)
        none.add_(1)
        return x.where(flags, x * 0) + none.sum()

    compiled = ng.compile(step, backend="reference")
    x = np.float32([1, 2])
    compiled(x)
    loaded = ng.load_step(ng.export(compiled, tmp_path / "b"), backend="onnx")
    for _ in range(3):
        assert loaded(x).tolist() == compiled(x).tolist()
    assert loaded.state_dict().keys() and ng.load_step(loaded.save(tmp_path / "b"), backend="onnx")
