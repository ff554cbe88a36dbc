"""Carried state when calls fail, and when several functions and eager code share it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.frontend.pytree import flatten
from tests.docs.test_state_table import CARRIED, Row, batch, plain, program, same
from tests.frontend.state import objects, rates
from tests.frontend.state.registry import PROGRAMS
from tests.frontend.state.test_carried import close
from tests.support.backends import BACKENDS
from tests.support.files import File

assert objects and rates, "they fill the registry"

CALLS = 5
NAMES = [*PROGRAMS, *map(str, CARRIED)]
ROWS: dict[str, Row] = {str(row): row for row in CARRIED}


def made(name: str, library: Any) -> tuple[Callable[..., Any], Callable[[], Any], Any]:
    """The step of a program, what changes something outside, and what shows the state."""
    if name in PROGRAMS:
        step, look = PROGRAMS[name](library)
        return step, lambda: None, look
    return program(ROWS[name], library)


def seen(look: Any) -> Any:
    """What ``look`` shows; programs may show what only their first call makes."""
    try:
        return plain(look())
    except (AttributeError, KeyError):
        return "nothing yet"


def agree(found: Any, wanted: Any, name: str) -> None:
    if name in PROGRAMS:
        close(found, wanted)
    else:
        same(found, wanted, name)


def wanted(name: str) -> list[Any]:
    """What PyTorch's calls return, and the state after each."""
    step, change, look = made(name, torch)
    found = []
    for n in range(CALLS):
        if n:
            change()
        found.append([plain(step(torch.tensor(batch(n)))), plain(look())])
    return found


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NAMES)
def test_calls_that_fail_change_nothing(name: str, backend: str) -> None:
    """In the first trace, in a later one, and in the run: the next call is PyTorch's."""
    step, change, look = made(name, ng)
    flag = {"fails": False}

    def failing(x: Any) -> Any:
        result = step(x)
        if flag["fails"]:
            raise KeyError("of the user's")
        return result

    code = ng.compile(failing, backend=backend, check_finite=True)
    for n, row in enumerate(wanted(name)):
        if n:
            change()
        before = seen(look)
        flag["fails"] = True
        with pytest.raises(KeyError, match="of the user's"):
            code(ng.tensor(batch(n)))
        agree(seen(look), before, name)
        flag["fails"] = False
        with pytest.raises(ng.NonFiniteError):
            code(ng.tensor(batch(n) * np.nan))
        agree(seen(look), before, name)
        agree([plain(code(ng.tensor(batch(n)))), plain(look())], row, name)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NAMES)
def test_functions_and_eager_code_share_it(name: str, backend: str) -> None:
    step, change, look = made(name, ng)
    one, two = (ng.compile(step, backend=backend) for _ in range(2))
    for n, (code, row) in enumerate(zip((one, two, step, one, two), wanted(name), strict=True)):
        if n:
            change()
        agree([plain(code(ng.tensor(batch(n)))), plain(look())], row, name)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_does_it_or_is_refused(name: str, tmp_path: Path) -> None:
    step, change, look = made(name, ng)
    code, rows = ng.compile(step, backend="reference"), wanted(name)
    for n in range(2):
        if n:
            change()
        code(ng.tensor(batch(n)))
    before = plain(look())
    try:
        path = ng.export(code, tmp_path / "a.onnx", state="initializers")
    except ValueError as refused:
        assert "Python's own objects" in str(refused) or "at its second one" in str(refused)
        assert not list(tmp_path.iterdir())
        return
    finally:
        agree(plain(look()), before, name)
    if rows[0][0] is None:
        return  # its effect is the state that the metadata names
    if name in ROWS and ROWS[name].outside:
        return  # what changes outside of a file is another file
    file = File(path)
    for n, (expected, _) in enumerate(rows[2:], 2):
        leaves: list[Any] = []
        flatten(expected, leaves)
        kinds = [type(leaf) for leaf in leaves]  # a file gives arrays where Python has numbers
        results = [
            kind(r) if kind in (int, float, bool) else plain(r)
            for kind, r in zip(kinds, file.run(batch(n)), strict=True)
        ]
        agree(results, leaves, name)
