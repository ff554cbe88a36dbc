"""The module inputs that PyTorch ships for its own tests, in both libraries."""

from __future__ import annotations

import functools
import sys
import types
import unittest
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.nn.modules.case import Case
from tests.nn.modules.twins import compare, pair, tolerance_of

# Inputs of one class that differ in nothing but numbers and dimensions say little more.
_MOST = 24


@functools.cache
def _database() -> dict[str, Any]:
    """PyTorch's table, by the names of classes.

    It imports a package for its own golden texts, which no table needs: a name stands in for it.
    And it forbids changes of flags in the whole process, which is other tests' process, too.
    """
    stand_in = types.ModuleType("expecttest")
    stand_in.TestCase = unittest.TestCase  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        if "expecttest" not in sys.modules:
            patch.setitem(sys.modules, "expecttest", stand_in)
        patch.setattr(torch.backends, "disable_global_flags", lambda: None)
        from torch.testing._internal.common_modules import module_db
    return {info.name.removeprefix("nn."): info for info in module_db}


def _converted(value: Any) -> Any:
    """Tensors as arrays, which ``pair`` and ``compare`` make tensors of in each library."""
    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    if isinstance(value, torch.dtype):
        return getattr(ng, str(value).removeprefix("torch."))
    return value


def _cases(name: str, training: bool) -> Iterator[Case]:
    info = _database()[name]
    given = {"device": "cpu", "dtype": torch.float64, "requires_grad": True, "training": training}
    seen: set[str] = set()
    for entry in info.module_inputs_func(info, **given):
        made, called = entry.constructor_input, entry.forward_input
        if called is None:
            continue
        case = Case(
            name,
            tuple(map(_converted, made.args)),
            {k: _converted(v) for k, v in made.kwargs.items() if k not in ("device", "dtype")},
            tuple(map(_converted, called.args)),
            {k: _converted(v) for k, v in called.kwargs.items()},
            first_only=not any(getattr(v, "requires_grad", False) for v in called.args[1:]),
        )
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
            modules = pair(case, "float64", training)
            inputs = [np.copy(v) if isinstance(v, np.ndarray) else v for v in case.inputs or ()]
            try:
                compare(case, modules, inputs, tolerance_of(case, "float64"), False)
            except AssertionError as error:
                raise AssertionError(f"{case}: {error}") from error
    assert found
