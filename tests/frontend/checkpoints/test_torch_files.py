"""Files that PyTorch writes: nngraph reads what PyTorch reads, or says why not."""

from __future__ import annotations

import argparse
import collections
import io
import pathlib
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng

FORMATS: dict[str, Callable[[Any], bytes]] = {}


def a_format(write: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    FORMATS[write.__name__] = write
    return write


@a_format
def zipped(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


@a_format
def legacy(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@a_format
def protocol_five(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, pickle_protocol=5)
    return file.getvalue()


@a_format
def compressed(value: Any) -> bytes:
    file = io.BytesIO()
    old = zipfile.ZipFile(io.BytesIO(zipped(value)))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return file.getvalue()


def plain(value: Any) -> Any:
    """What both frameworks' values are compared as."""
    if isinstance(value, ng.Tensor | torch.Tensor):
        kind = str(value.dtype).partition(".")[2]
        wide = value.detach().double() if value.dtype.is_floating_point else value.detach()
        role = type(value).__name__ if isinstance(value, torch.nn.Parameter) else None
        if isinstance(value, ng.nn.Parameter):
            role = "Parameter"
        shape = tuple(value.shape)
        return kind, shape, repr(wide.tolist()), value.requires_grad, role, value.is_leaf
    if isinstance(value, torch.Size | ng.Size):
        return "Size", tuple(value)
    if isinstance(value, np.ndarray | np.generic):
        return type(value), value.dtype.name, value.tolist()
    if isinstance(value, argparse.Namespace):
        return "Namespace", plain(vars(value))
    if isinstance(value, dict):
        own = plain(getattr(value, "_metadata", None))
        factory = getattr(value, "default_factory", None)
        return type(value), [(k, plain(v)) for k, v in value.items()], own, factory
    if isinstance(value, list | tuple):
        return type(value), [plain(v) for v in value]
    if isinstance(value, torch.device | ng.device):
        return "device", value.type, value.index
    if isinstance(value, torch.dtype | ng.dtype):
        return "dtype", str(value).partition(".")[2]
    if isinstance(value, set | frozenset):
        return type(value), sorted(map(repr, value))
    return type(value), repr(value)


DTYPES = [d for d in vars(torch).values() if isinstance(d, torch.dtype) and hasattr(ng, str(d)[6:])]
BASE = torch.arange(24.0).reshape(2, 3, 4)
LEAF = torch.ones(2, requires_grad=True)
VALUES: dict[str, Any] = {
    "a tensor": torch.arange(3),
    "no tensor": {},
    "dtypes": {str(d): (torch.arange(6) % 2).reshape(2, 3).to(d) for d in DTYPES},
    "shapes": [torch.tensor(2.5), torch.zeros(0), torch.zeros(2, 0, 3), torch.ones(1, 1)],
    "views": [BASE, BASE[1], BASE.mT, BASE[:, ::2], BASE[0, 0, 0], BASE.permute(2, 0, 1)],
    "strange views": [BASE[1, 1:], BASE.mT, torch.ones(1).expand(3, 2)],
    "steps": [BASE.as_strided((2,), (5,)), BASE],
    "infinities": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
    "leaves": [LEAF, torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(BASE[0], False)],
    "results": [LEAF * 2],
    "numbers": [0, -1, 255, 256, 65536, -(2**31), 2**63, -(2**80), 2.5, float("inf"), True, None],
    "texts": ["", "é☃", "a" * 300, "line\nbreak\\u0041", b"", b"\0\xff", bytearray(b"12")],
    "nests": {"a": [1, (2, [3, ()])], 3: {"b": {1, 2}, "c": frozenset({3})}, (1, "x"): 2.5},
    "counted": collections.Counter("aab"),
    "ordered": collections.OrderedDict(b=1, a=2),
    "default": collections.defaultdict(list, {"a": [1]}),
    "sizes": [torch.Size([2, 3]), torch.Size([]), torch.float32, torch.bool, torch.uint16],
    "numpy": [np.float64(2), np.int8(3), np.bool_(True), np.arange(6).reshape(2, 3), np.ones(2).T],
    "columns": [np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(3, dtype=">i4")],
    "options": argparse.Namespace(lr=0.1, path=pathlib.Path("a/b"), nested=[1]),
    "devices": [torch.device("cpu"), torch.device("cuda", 1), torch.device("mps")],
    "slices": [slice(1, None, 2), range(3), range(1, 10, 2)],
}


@pytest.mark.parametrize("write", FORMATS.values(), ids=list(FORMATS))
@pytest.mark.parametrize("name", VALUES)
def test_values_come_back(name: str, write: Callable[[Any], bytes]) -> None:
    raw = write(VALUES[name])
    found = ng.load(io.BytesIO(raw))
    try:
        wanted = torch.load(io.BytesIO(raw), weights_only=False)
    except AttributeError:  # PyTorch reads no uint16 of its own old format
        wanted = VALUES[name]
    assert plain(found) == plain(wanted)


@pytest.mark.parametrize("name", VALUES)
def test_our_own_files_keep_them_too(name: str) -> None:
    value = ng.load(io.BytesIO(zipped(VALUES[name])))
    file = io.BytesIO()
    ng.save(value, file)
    file.seek(0)
    assert plain(ng.load(file)) == plain(value)


@pytest.mark.parametrize("write", FORMATS.values(), ids=list(FORMATS))
def test_what_shares_memory_shares_it_again(write: Callable[[Any], bytes]) -> None:
    base = torch.zeros(6)
    found = ng.load(io.BytesIO(write([base[2:4], base, base.view(2, 3), base.detach(), base])))
    again = io.BytesIO()
    ng.save(found, again)
    again.seek(0)
    for part, whole, table, alias, same in (found, ng.load(again)):
        part.fill_(5.0)
        assert whole.tolist() == [0, 0, 5, 5, 0, 0] == alias.tolist() == table.reshape(-1).tolist()
        assert whole is same
        assert alias is not whole
        part.fill_(0.0)


def test_one_object_is_one_object_again() -> None:
    shared = [1]
    loop: list[Any] = [shared, shared]
    loop.append(loop)
    found = ng.load(io.BytesIO(zipped(loop)))
    assert found[0] is found[1]
    assert found[2] is found


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_byte_orders(byteorder: str) -> None:
    value = {"a": torch.arange(3.0), "b": torch.arange(3, dtype=torch.int16), "c": torch.ones(1)}
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(zipped(value))) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            raw = old.read(name)
            if name.endswith("byteorder"):
                raw = byteorder.encode()
            new.writestr(name, raw)
    file.seek(0)
    wanted = torch.load(io.BytesIO(file.getvalue()))
    assert plain(ng.load(file)) == plain(wanted)


def test_files_stand_one_behind_the_other(tmp_path: pathlib.Path) -> None:
    file = io.BytesIO()
    ng.save([1], file)
    ng.save({"a": ng.ones(3)}, file)
    torch.save({"b": torch.ones(2)}, file, _use_new_zipfile_serialization=False)
    file.write(b"rest")
    file.seek(0)
    assert ng.load(file) == [1]
    assert ng.load(file)["a"].tolist() == [1, 1, 1]
    assert ng.load(file)["b"].tolist() == [1, 1]
    assert file.read() == b"rest"
    with (tmp_path / "raw").open("wb", buffering=0) as raw:
        raw.write(b"head")
        ng.save(ng.ones(2), raw)
    with (tmp_path / "raw").open("rb") as raw:
        raw.seek(4)
        assert ng.load(raw).tolist() == [1, 1]


@pytest.mark.parametrize("write", [torch.save, ng.save])
def test_mapped_files(write: Any, tmp_path: pathlib.Path) -> None:
    framework = torch if write is torch.save else ng
    path = tmp_path / "a.pt"
    write({"a": framework.arange(1000.0), "b": framework.arange(3)}, path)
    before = path.read_bytes()
    found = ng.load(path, mmap=True)
    found["a"].add_(1.0)
    assert found["a"].tolist() == list(np.arange(1000.0) + 1)
    assert ng.load(str(path))["a"].tolist() == list(np.arange(1000.0))
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="must be a file path"):
        ng.load(io.BytesIO(before), mmap=True)


@pytest.mark.parametrize(
    "place", ["cpu", {"cuda:0": "cpu"}, lambda storage, place: storage, lambda s, p: s.cpu(), None]
)
def test_places_that_are_taken(place: Any) -> None:
    raw = zipped(torch.ones(2)).replace(b"cpuq", b"cpuq")
    assert ng.load(io.BytesIO(raw), map_location=place, weights_only=True).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("place", "error", "words"),
    [
        ("cuda", AssertionError, "no device"),
        ({"cpu": "cuda:0"}, AssertionError, "no device"),
        (lambda storage, _: storage.cuda(1), AssertionError, "no device"),
        (lambda storage, _: "cpu", TypeError, "map_location gave 'cpu'"),
        (3.5, TypeError, "map_location is 3.5"),
    ],
)
def test_places_that_are_refused(place: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        ng.load(io.BytesIO(zipped(torch.ones(2))), place)


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = torch.nn.Linear(3, 4)
        self.b = torch.nn.Linear(4, 3, bias=False)
        self.b.weight = self.a.weight if self.a.weight.shape == (3, 4) else self.b.weight
        self.norm = torch.nn.BatchNorm1d(3)


REFUSED: dict[str, tuple[Any, str]] = {
    "a module": (Net(), r"test_torch_files.Net.*state_dict\(\)"),
    "a layer": ({"m": torch.nn.Linear(2, 2)}, r"torch.nn.modules.linear.Linear"),
    "a function": ([pathlib.Path, len], "pathlib.Path"),
    "a class": ([collections.OrderedDict], "OrderedDict itself"),
    "complex": (torch.ones(1, dtype=torch.complex64), "ComplexFloatStorage"),
    "a complex number": (3j, "complex"),
    "sparse": (torch.eye(2).to_sparse(), "sparse"),
    "a storage": (torch.ones(1).untyped_storage(), "storage"),
    "objects": (np.array([None, "a"]), "dtype 'O8'"),
}


@pytest.mark.parametrize("write", [zipped, legacy])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_data_is_refused_by_name(name: str, write: Callable[[Any], bytes]) -> None:
    value, words = REFUSED[name]
    raw = write(value)
    with pytest.raises(ng.CheckpointError, match=words):
        ng.load(io.BytesIO(raw), weights_only=False)


def test_a_script_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("m/data.pkl", "m/constants.pkl", "m/code/__torch__.py"):
            archive.writestr(name, b"x")
    file.seek(0)
    with pytest.raises(ng.CheckpointError, match="TorchScript"):
        ng.load(file)


OPTIMIZERS = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam"]


@pytest.mark.parametrize("write", [zipped, legacy])
@pytest.mark.parametrize("name", [*OPTIMIZERS, "ASGD", "Rprop"])
def test_a_run_of_pytorchs_goes_on(name: str, write: Callable[[Any], bytes]) -> None:
    def run(framework: Any) -> tuple[Any, Any, Any]:
        nn = framework.nn
        layers = [nn.BatchNorm1d(3), nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)]
        model = nn.Sequential(*layers).double()
        optimizer = getattr(framework.optim, name)(model.parameters(), lr=0.01)
        schedule = framework.optim.lr_scheduler.StepLR(optimizer, 2)
        return model, optimizer, schedule

    def step(framework: Any, parts: tuple[Any, Any, Any], seed: int) -> None:
        x = framework.tensor(np.random.default_rng(seed).normal(size=(8, 3)))
        parts[1].zero_grad()
        (parts[0](x) ** 2).mean().backward()
        parts[1].step()
        parts[2].step()

    theirs, ours = run(torch), run(ng)
    for seed in range(3):
        step(torch, theirs, seed)
    raw = write([part.state_dict() for part in theirs])
    for part, state in zip(ours, ng.load(io.BytesIO(raw)), strict=True):
        part.load_state_dict(state)
    for seed in range(3, 6):
        step(torch, theirs, seed)
        step(ng, ours, seed)
    for (key, value), mine in zip(
        theirs[0].state_dict().items(), ours[0].state_dict().values(), strict=True
    ):
        np.testing.assert_allclose(mine.numpy(), value.numpy(), 1e-10, err_msg=key)
    assert ours[2].get_last_lr() == pytest.approx(theirs[2].get_last_lr())
