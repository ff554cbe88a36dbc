"""The inputs that PyTorch ships for its own tests of modules, in both libraries."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.nn.modules.case import Case
from tests.nn.modules.tables import CASES
from tests.nn.modules.twins import compare, pair, tolerance_of
from tests.nn.parity import cast
from tests.support.tables import table

# Inputs of one class that differ in nothing but numbers and dimensions say little more.
_MOST = 24


@functools.cache
def _database() -> dict[str, Any]:
    """PyTorch's table, by the names of classes."""
    common_modules, common_nn = table("common_modules"), table("common_nn")
    tests = [*common_nn.module_tests, *common_nn.get_new_module_tests()]
    for row in tests:
        if "module_name" in row and ("input_size" in row or "input_fn" in row):
            _rows.setdefault(row["module_name"], []).append(row)
    return {info.name.removeprefix("nn."): info for info in common_modules.module_db}


_rows: dict[str, list[dict[str, Any]]] = {}


def _converted(value: Any) -> Any:
    """Tensors as arrays, which ``pair`` and ``compare`` make tensors of in each library."""
    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    if type(value) is tuple and any(isinstance(v, torch.Tensor) for v in value):
        return tuple(map(_converted, value))
    if isinstance(value, torch.dtype):
        return getattr(ng, str(value).removeprefix("torch."))
    return value


def _case(name: str, entry: Any) -> Case:
    made, called = entry.constructor_input, entry.forward_input
    inputs = () if called is None else called.args
    return Case(
        name,
        tuple(map(_converted, made.args)),
        {k: _converted(v) for k, v in made.kwargs.items() if k not in ("device", "dtype")},
        tuple(map(_converted, inputs)),
        {} if called is None else {k: _converted(v) for k, v in called.kwargs.items()},
        first_only=not any(getattr(v, "requires_grad", False) for v in inputs[1:]),
    )


def _cases(name: str, training: bool) -> Iterator[Case]:
    info = _database()[name]
    given = {"device": "cpu", "dtype": torch.float64, "requires_grad": True, "training": training}
    seen: set[str] = set()
    for entry in info.module_inputs_func(info, **given):
        if entry.forward_input is None:
            continue
        case = _case(name, entry)
        if str(case) not in seen and len(seen) < _MOST:
            seen.add(str(case))
            yield case


def test_pytorchs_table_is_read() -> None:
    assert len(_database()) > 100


@pytest.mark.parametrize("name", sorted(n for n in ng.nn.__all__ if n in _database()))
def test_pytorchs_own_inputs(name: str) -> None:
    torch.manual_seed(1)
    found = 0
    for training in (True, False):
        for case in _cases(name, training):
            found += 1
            _agree(case, training)
    assert found


def _agree(case: Case, training: bool) -> None:
    modules = pair(case, "float64", training)
    given = [np.copy(v) if isinstance(v, np.ndarray) else v for v in case.inputs or ()]
    inputs = cast(given, "float64")
    try:
        compare(case, modules, inputs, tolerance_of(case, "float64"), False)
    except AssertionError as error:
        raise AssertionError(f"{case}: {error}") from error


_REFUSALS = sorted(n for n, i in _database().items() if i.module_error_inputs_func is not None)


@pytest.mark.parametrize("name", [n for n in _REFUSALS if hasattr(ng.nn, n)])
def test_what_pytorchs_own_tests_expect_to_fail_does(name: str) -> None:
    torch.manual_seed(1)
    info = _database()[name]
    given = {"device": "cpu", "dtype": torch.float64, "requires_grad": True, "training": True}
    for entry in info.module_error_inputs_func(info, **given):
        case = _case(name, entry.module_error_input)
        modules = pair(case, "float64")
        if modules[1] is not None:
            # (Whether it fails is PyTorch's matter: one of its rows only does on other devices.)
            compare(case, modules, list(case.inputs or ()), tolerance_of(case, "float64"), None)


@pytest.mark.parametrize("name", sorted(n for n in _rows if hasattr(ng.nn, n)))
def test_pytorchs_older_table(name: str) -> None:
    torch.manual_seed(1)
    for row in _rows[name]:
        given = row["input_fn"]() if "input_fn" in row else torch.randn(row["input_size"])
        inputs = given if isinstance(given, tuple) else (given,)
        if any(v.is_complex() for v in inputs if isinstance(v, torch.Tensor)):
            continue
        args = tuple(row.get("constructor_args", ()))
        case = Case(name, args, inputs=tuple(map(_converted, inputs)), **_known(name))
        _agree(case, False)


def _known(name: str) -> dict[str, Any]:
    """What the tables say of all cases of a class."""
    rows = [c for c in CASES if c.name == name and c.inputs is not None and not c.raises]
    return {"rough": min(c.rough for c in rows), "no_gradient": min(c.no_gradient for c in rows)}
