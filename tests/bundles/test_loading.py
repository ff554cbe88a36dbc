"""``ng.load_step``: a step without its code goes on as the compiled function does, bit for bit."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import nngraph as ng
from nngraph import nn, ops, optim
from nngraph.backends.onnx import export as onnx_export
from nngraph.ir.op import Op, apply1
from nngraph.ir.types import TensorType
from tests.bundles.networks import NETWORKS, Network
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


def trained(name: str, backend: str, calls: int = 2) -> tuple[Network, Callable[..., Any]]:
    network = NETWORKS[name]()
    step = ng.compile(network.step, backend=backend, threads=1)
    for batch in network.batches(calls):
        step(*batch)
    return network, step


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
        ((x[:, :5], y), {}, ValueError, "exported for"),
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


def test_numbers_and_tensors_of_pytorch_are_taken(bundle: Path) -> None:
    step, twin = (ng.load_step(bundle, backend="reference") for _ in range(2))
    x, y = next(NETWORKS["perceptron"]().batches(1))
    assert flat(step(torch.from_numpy(x), torch.from_numpy(y))) == flat(twin(x, y))


def test_it_is_no_part_of_a_trace(bundle: Path) -> None:
    step = ng.load_step(bundle, backend="reference")
    compiled = ng.compile(lambda x, y: step(x, y), backend="reference")
    with pytest.raises(ng.TraceError, match="a step of a bundle is called while tracing"):
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


# -- exports -------------------------------------------------------------------------------
def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def test_a_bundle_describes_itself(bundle: Path) -> None:
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


def test_warnings_are_none_in_a_plain_export(tmp_path: Path) -> None:
    network, step = trained("perceptron", "reference")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ng.export(step, tmp_path / "a", *network.specs())
