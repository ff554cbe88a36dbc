"""``ng.profile``: times and bytes by operator, module and phase; nothing is changed by it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph import nn, optim
from nngraph.backends.registry import BACKENDS
from nngraph.frontend.errors import TraceError
from nngraph.ir.op import Array
from nngraph.runtime.profile import Profile

X = np.random.default_rng(0).standard_normal((8, 16)).astype(np.float32)
Y = np.arange(8) % 4


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(16, 12), nn.ReLU())
        self.head = nn.Linear(12, 4)

    def forward(self, x: ng.Tensor) -> Any:
        return self.head(self.body(x))


def training(backend: str) -> tuple[Any, Callable[[], dict[str, Array]]]:
    """A step of an MLP with Adam, and what reads all that it changes."""
    ng.manual_seed(3)
    net = Net()
    optimizer = optim.Adam(net.parameters(), lr=1e-2)
    scheduler = optim.lr_scheduler.StepLR(optimizer, 2)

    @ng.compile(backend=backend, threads=1)
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        return loss

    def state() -> dict[str, Array]:
        found = {name: p.detach().numpy().copy() for name, p in net.named_parameters()}
        for number, kept in optimizer.state_dict()["state"].items():
            found |= {f"{number}.{k}": np.array(v) for k, v in kept.items()}
        found["generator"] = ng.get_rng_state().numpy().copy()
        found["lr"] = np.array([scheduler.get_last_lr()[0], scheduler.last_epoch])
        found["grads"] = np.array([p.grad is None for p in net.parameters()])
        return found

    return step, state


def same(one: dict[str, Array], other: dict[str, Array]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_a_step_of_training(backend: str, tmp_path: Path) -> None:
    """One program for all that is asked of it: compiling it takes the time."""
    step, state = training(backend)
    before = state()
    first = ng.profile(step, X, Y, steps=2, warmup=1)
    assert same(before, state())
    losses = [float(step(X, Y)) for _ in range(3)]
    before = state()
    found = ng.profile(step, X, Y, steps=4, warmup=1)
    assert same(before, state())
    losses.append(float(step(X, Y)))
    after = state()
    alone, other = training(backend)
    assert losses == [float(alone(X, Y)) for _ in range(4)]
    assert same(after, other())
    assert {r.name for r in first.rows} == {r.name for r in found.rows}
    assert (found.backend, found.steps) == (backend, 4)
    times_are_parts_of_the_step(found)
    rows_are_of_the_users_modules_and_phases(found)
    tables_have_every_row_once(found)
    json_has_all_rows(found, tmp_path)
    a_trace_is_one_of_complete_events_inside_of_steps(found, tmp_path)


def times_are_parts_of_the_step(found: Profile) -> None:
    total = sum(row.milliseconds for row in found.rows)
    assert 0 < total <= found.milliseconds
    assert sum(row.share for row in found.rows) == pytest.approx(total / found.milliseconds)
    assert all(row.calls == 1 for row in found.rows)
    assert found.peak_bytes > 0
    assert found.state_bytes >= 3 * 4 * (16 * 12 + 12 + 12 * 4 + 4)  # weights and two moments


def rows_are_of_the_users_modules_and_phases(found: Profile) -> None:
    assert len({row.name for row in found.rows}) == len(found.rows)
    modules = {"", "body", "body.0", "body.1", "head", "body, head", "head, body"}
    for row in found.rows:
        paths = row.module.split(", ")
        assert all(path in modules or path.startswith("body.") for path in paths), row
        assert set(row.phase.split("+")) <= {"forward", "backward", "update"}, row
        assert "test_profile.py:" in row.place, row
    products = [r for r in found.rows if "matmul" in r.operator or "Gemm" in r.operator]
    of = [(r.module.split(".")[0], r.phase.split("+")[0], r.operator) for r in products]
    assert sorted(row[:2] for row in of) == [
        ("body", "backward"),  # no gradient of the data
        ("body", "forward"),
        ("head", "backward"),
        ("head", "backward"),
        ("head", "forward"),
    ]
    updates = [row for row in found.rows if "update" in row.phase]
    assert updates
    if found.backend != "tvm":  # whose kernels of updates may hold the end of a gradient
        assert not any(row.module for row in updates)
        assert sum("sqrt" in row.operator.lower() for row in updates) >= 4


def tables_have_every_row_once(found: Profile) -> None:
    for by in ("operator", "module", "phase"):
        groups = found.groups(by)
        assert sorted(r.name for g in groups.values() for r in g) == sorted(
            r.name for r in found.rows
        )
        lines = found.table(by).splitlines()
        assert [line.split("  ")[0].strip() for line in lines[2:]] == list(groups)
    assert "(optimizer)" in found.groups("module")
    assert not any("body.0" in name for name in found.groups("module", depth=1))
    assert len(found.table("row").splitlines()) == len(found.rows) + 2
    assert f"{found.milliseconds:.3f} ms a step on {found.backend}" in str(found)
    with pytest.raises(ValueError, match="by is 'line'; the tables of a profile are 'operator'"):
        found.table("line")
    with pytest.raises(ValueError, match="depth is 0"):
        found.table("module", 0)


def json_has_all_rows(found: Profile, tmp_path: Path) -> None:
    found.to_json(tmp_path / "profile.json")
    data = json.loads((tmp_path / "profile.json").read_text())
    assert data["milliseconds"] == found.milliseconds
    assert [row["name"] for row in data["rows"]] == [row.name for row in found.rows]
    assert sum(row["bytes"] for row in data["rows"]) == sum(row.nbytes for row in found.rows)


def a_trace_is_one_of_complete_events_inside_of_steps(found: Profile, tmp_path: Path) -> None:
    found.to_chrome_trace(str(tmp_path / "trace.json"))
    data = json.loads((tmp_path / "trace.json").read_text())
    assert data["displayTimeUnit"] == "ms"
    events = data["traceEvents"]
    assert {e["ph"] for e in events} == {"M", "X"}
    complete = [e for e in events if e["ph"] == "X"]
    for event in complete:
        assert event.keys() == {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"}
        assert isinstance(event["name"], str)
        assert event["ts"] >= 0
        assert event["dur"] >= 0
    steps = [e for e in complete if e["cat"] == "step"]
    inner = [e for e in complete if e["cat"] != "step"]
    assert len(steps) == found.steps
    assert len(inner) == found.steps * len(found.rows)
    for event in inner:
        around = [s for s in steps if s["ts"] - 1e-3 <= event["ts"] <= s["ts"] + s["dur"]]
        assert len(around) == 1
        assert event["ts"] + event["dur"] <= around[0]["ts"] + around[0]["dur"] + 1e-3


def test_what_onnx_runtime_fused_is_known_by_its_nodes() -> None:
    net = nn.Sequential(nn.Linear(6, 5), nn.ReLU())
    found = ng.profile(ng.compile(net.eval(), backend="onnx"), X[:, :6], steps=1, warmup=0)
    (row,) = found.rows
    assert (row.operator, row.module) == ("FusedGemm", "0, 1")
    assert [name.rpartition("/")[2] for name in row.nodes] == ["Gemm", "Relu"]
    assert found.node_times() == {row.nodes[0]: row.milliseconds}


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_a_loops_time_is_counted_once(backend: str) -> None:
    net = nn.RNN(4, 3)
    found = ng.profile(ng.compile(net, backend=backend, threads=1), X.reshape(8, 4, 4), steps=2)
    assert sum(row.milliseconds for row in found.rows) <= found.milliseconds
    if backend == "onnx":
        assert max(row.calls for row in found.rows) == 8  # steps of time


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_errors_of_the_step_come_through_and_leave_nothing(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    table = nn.Embedding(3, 2)
    look = ng.compile(lambda i: table(i), backend=backend)
    with pytest.raises(IndexError):
        ng.profile(look, np.array([1, 7]))
    assert ng.profile(look, np.array([1, 2]), steps=1).rows
    assert not list(tmp_path.glob("tmp*"))


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_a_function_that_computes_nothing(backend: str) -> None:
    found = ng.profile(ng.compile(lambda x: None, backend=backend), X)
    assert not found.rows
    assert "phase" in str(found)


def test_what_is_no_compiled_step_is_refused() -> None:
    step = ng.compile(lambda x: x + 1, backend="reference")
    with pytest.raises(TypeError, match=r"got function; ng.profile takes what ng.compile"):
        ng.profile(lambda x: x, X)
    with pytest.raises(ValueError, match="steps is 0"):
        ng.profile(step, X, steps=0)
    with pytest.raises(ValueError, match="warmup -1"):
        ng.profile(step, X, warmup=-1)
    with pytest.raises(TraceError, match=r"ng\.profile is called"):
        ng.compile(lambda x: ng.profile(step, x), backend="reference")(X)
