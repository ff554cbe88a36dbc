"""Every case on every backend: one program holds a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph.backends import registry
from tests.nn.modules.case import Case
from tests.nn.modules.tables import TABLES
from tests.nn.modules.twins import called_with, compared, pair
from tests.nn.parity import arrays_of, cast, leaves, outcome, results, to_ng, to_torch
from tests.support.tolerances import assert_close


@pytest.mark.filterwarnings("ignore::UserWarning")  # test_eager.py compares them
@pytest.mark.parametrize("subject", TABLES)
@pytest.mark.parametrize("backend", registry.BACKENDS)
def test_compiled_modules_are_pytorchs(backend: str, subject: str) -> None:
    called = (c for c in TABLES[subject] if c.inputs is not None)
    cases = [c for c in called if c.compiled and not c.raises]
    modules = [pair(case) for case in cases]
    inputs = [cast(case.drawn(), "float32") for case in cases]

    def every(rows: list[list[Any]]) -> list[dict[str, Any]]:
        work = zip(cases, modules, rows, strict=True)
        return [_results(case, ours, values) for case, (ours, _), values in work]

    rows = [leaves(to_ng, v, case.leaves) for case, v in zip(cases, inputs, strict=True)]
    found = ng.compile(every, backend=backend)(rows)
    for case, (ours, theirs), values, got in zip(cases, modules, inputs, found, strict=True):
        parameters = list(theirs.named_parameters())
        call = called_with(case, "float32", to_torch)
        wanted = outcome(
            to_torch, lambda *v, m=theirs, c=call: m(*v, **c), values, parameters, case.leaves
        )
        _close(arrays_of(compared(case, got)), compared(case, wanted), str(case))
        _close(arrays_of(ours.state_dict()), arrays_of(theirs.state_dict()), f"state of {case}")


def _results(case: Case, module: Any, values: list[Any]) -> dict[str, Any]:
    call = called_with(case, "float32", to_ng)
    parameters = list(module.named_parameters())
    return results(to_ng, lambda *v: module(*v, **call), values, parameters)


def _close(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], note: str) -> None:
    assert ours.keys() == theirs.keys(), note
    for name, value in theirs.items():
        scale = float(np.abs(value[np.isfinite(value)]).max(initial=1.0)) if value.size else 1.0
        assert_close(ours[name], value, f"{note}: {name}", scale)
