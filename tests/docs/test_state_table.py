"""docs/compiled-functions.md: each row of the table of what a step may change is run."""

from __future__ import annotations

import random
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS
from tests.support.tolerances import assert_close
from tests.support.training import count_traces

PAGE = Path(__file__).parents[2] / "docs" / "compiled-functions.md"
HEAD = "| in the step | outside, between calls | what happens | traces |"
CALLS = 5

FRAME = """
def make():
    model = Model()
    optimizer = t.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = t.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    memory, losses, settings = {}, [], {"scale": 2.0, "function": "sin", "h": t.tensor(2.0)}
    count, table, iterator = 1, np.ones(3), iter([1.0, 2.0, 3.0])

    def step(x):
        nonlocal count
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        BODY
        return loss.detach()

    def change():
        nonlocal count
        OUTSIDE

    def look():
        return [model, optimizer, model.calls, model.h, model.mask, memory, losses,
                scheduler.last_epoch, model.slotted.n, model.training, model.bias.requires_grad]

    return step, change, look
"""


class Slotted:
    __slots__ = ("n",)


@dataclass(frozen=True)
class Row:
    step: str
    outside: str
    happens: str
    traces: str

    def __str__(self) -> str:
        return f"{self.step} / {self.outside}" if self.outside else self.step


def rows() -> list[Row]:
    lines = PAGE.read_text(encoding="utf-8").partition(HEAD)[2].splitlines()[2:]
    made = []
    for line in lines:
        if not line.startswith("| "):
            break
        step, outside, happens, traces = (cell.strip() for cell in line.split("|")[1:5])
        made.append(Row(step.strip("`"), outside.strip("`"), happens, traces))
    return made


ROWS = rows()
CARRIED = [row for row in ROWS if row.traces]
REFUSED = [row for row in ROWS if not row.traces]


def model_of(library: Any) -> Any:
    nn = library.nn

    class Model(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(library.tensor([[0.5, -0.25, 1.0], [0.75, 0.125, -0.5]]))
            self.bias = nn.Parameter(library.tensor([0.1, -0.2]))
            self.dropout = nn.Dropout(1.0)
            self.register_buffer("mean", library.tensor(0.5))
            self.calls, self.mask = 1, None
            self.h = library.tensor(1.0)
            self.slotted = Slotted()
            self.slotted.n = 1

        def forward(self, x: Any) -> Any:
            return x @ self.weight.T + self.bias

    return Model


def program(row: Row, library: Any) -> tuple[Callable[..., Any], Callable[[], Any], Any]:
    names = {"t": library, "np": np, "random": random, "types": types, "Model": model_of(library)}
    text = FRAME.replace("BODY", row.step).replace("OUTSIDE", row.outside or "pass")
    exec(text, names)  # the page's own text
    made: tuple[Any, Any, Any] = names["make"]()
    return made


def batch(n: int) -> np.ndarray[Any, Any]:
    return np.linspace(-1, 1 + n / 4, 12, dtype=np.float32).reshape(4, 3)


def plain(value: Any) -> Any:
    """What ``look`` shows, as nests of arrays and numbers."""
    if hasattr(value, "state_dict"):
        return plain(value.state_dict())
    if hasattr(value, "detach"):
        return np.array(value.detach().numpy())
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def same(found: Any, wanted: Any, note: str) -> None:
    if isinstance(wanted, dict):
        same(list(found), list(wanted), note)
        same(list(found.values()), list(wanted.values()), note)
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), note
        for one, two in zip(found, wanted, strict=True):
            same(one, two, note)
    elif isinstance(wanted, np.ndarray):
        assert_close(found, wanted, note)
    else:
        assert found == wanted, note


def calls(row: Row, library: Any, backend: str | None = None) -> tuple[list[Any], Any]:
    step, change, look = program(row, library)
    code = step if backend is None else ng.compile(step, backend=backend)
    found = []
    for n in range(CALLS):
        if n:
            change()
        found.append([plain(code(library.tensor(batch(n)))), plain(look())])
    return found, code


def test_the_table_is_there() -> None:
    assert len(CARRIED) > 15
    assert len(REFUSED) > 6


@pytest.mark.parametrize("row", CARRIED, ids=str)
def test_eager(row: Row) -> None:
    same(calls(row, ng)[0], calls(row, torch)[0], str(row))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("row", CARRIED, ids=str)
def test_compiled(row: Row, backend: str) -> None:
    found, step = calls(row, ng, backend)
    same(found, calls(row, torch)[0], str(row))
    assert count_traces(step) == int(row.traces)


@pytest.mark.parametrize("row", REFUSED, ids=str)
def test_refused(row: Row) -> None:
    assert row.happens.startswith("refused: ")
    step, _, look = program(row, ng)
    before, drawn = plain(look()), random.getstate()
    for _ in range(2):
        with pytest.raises(ng.TraceError):
            ng.compile(step, backend="reference")(ng.tensor(batch(0)))
        same(plain(look()), before, str(row))
        assert random.getstate() == drawn
